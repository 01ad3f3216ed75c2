"""Whether a room's record keeps the words: read and set in the room, applied where each event is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from streams import keys, rooms, scripts
from streams.codec import text
from streams.connection import TIMEOUT_S, until_available

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from swarm.archive.words import Transcripts


async def transcripts(redis: Redis, room: str) -> Transcripts:
    """Return what becomes of words in the room's record. While Redis is away this waits.

    Raises:
        InvalidEventError: the name can be no room.
    """
    return await _ask(redis, room, "", "")


async def set_transcripts(redis: Redis, room: str, setting: Transcripts, *, source: str) -> Transcripts:
    """Set it, from the next event on and for sessions to come; a SETTINGS_CHANGED tells of it.

    It holds for all who write through this project's scripts, whatever the process. What has been written
    stays: `forget` erases that. While Redis is away this waits.

    Raises:
        InvalidEventError: a name is malformed.
    """
    keys.checked_name(source, "source")
    set_to = await _ask(redis, room, source, setting)
    await until_available(lambda: rooms.register(redis, room), TIMEOUT_S)
    return set_to


async def _ask(redis: Redis, room: str, source: str, setting: str) -> Transcripts:
    keys.checked_name(room, "room")
    script = redis.register_script(scripts.load("swarm", "transcripts.lua"))
    script_keys = [keys.stream(room), keys.meta(room)]
    reply: Any = await until_available(
        lambda: cast("Any", script(keys=script_keys, args=[room, source, setting])), TIMEOUT_S
    )
    return cast("Transcripts", text(reply))

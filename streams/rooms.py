"""The list of rooms, and a stream that tells of new ones, so that nobody has to ask again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from streams import keys, scripts
from streams.codec import text

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def register(redis: Redis, room: str) -> bool:
    """List `room`; True where it was not listed before, and those who wait for new rooms are then told.

    Raises:
        redis.exceptions.RedisError: as the client does.
    """
    script = redis.register_script(scripts.load("streams", "register_room.lua"))
    added = cast("int", await script(keys=[keys.ROOMS, keys.ROOMS_OPENED], args=[room]))
    return added == 1


async def listed(redis: Redis) -> tuple[list[str], str]:
    """Return the rooms, sorted, and the id in `keys.ROOMS_OPENED` after which further rooms will appear.

    Raises:
        redis.exceptions.RedisError: as the client does.
    """
    # The position is read first: a room that is added in between shows twice rather than never.
    position = await last_id(redis, keys.ROOMS_OPENED)
    members = cast("set[Any]", await cast("Any", redis.smembers(keys.ROOMS)))
    return sorted(text(member) for member in members), position


async def last_id(redis: Redis, stream_key: str) -> str:
    """Return the id of the newest entry, `0-0` where there is none: what `$` means at this moment.

    Raises:
        redis.exceptions.RedisError: as the client does.
    """
    newest = cast("list[tuple[Any, Any]]", await redis.xrevrange(stream_key, count=1))
    return text(newest[0][0]) if newest else "0-0"

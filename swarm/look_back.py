"""The end of a room's record, for processes that come later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from streams import keys
from streams.codec import decode_entry
from streams.connection import TIMEOUT_S
from streams.errors import InvalidEventError, StreamUnavailableError

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.events import Recorded


async def newest_entries(redis: Redis, room: str, count: int) -> list[Recorded]:
    """Return the newest entries of the room's record, at most `count`, the oldest of them first.

    Entries that break the schema are left out.

    Raises:
        StreamUnavailableError: Redis did not answer.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found: list[tuple[Any, Any]] = await cast("Any", redis).xrevrange(keys.stream(room), count=count)
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        raise StreamUnavailableError(str(error) or type(error).__name__) from error
    entries: list[Recorded] = []
    for entry_id, fields in reversed(found):
        try:
            entries.append(decode_entry(entry_id, fields))
        except InvalidEventError:
            continue
    return entries

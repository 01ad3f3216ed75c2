"""Following one room, entry by entry."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Self, cast

from streams import keys, rooms
from streams.codec import decode_entry
from streams.connection import UNAVAILABLE, backoff_s, block_ms
from streams.errors import InvalidEventError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

    from redis.asyncio import Redis

    from streams.events import Recorded

logger = logging.getLogger(__name__)

_BATCH = 200
_GRACE_S = 5.0


class Subscription:
    """Async iterator over a room's entries, in order, each once; waits for new ones and never ends by itself.

    Reads only when asked for the next entry, so a slow consumer loses nothing and holds at most 200 entries.
    While Redis is away it waits and goes on after the last entry it gave out. Each subscription holds one
    connection while it waits; a process that follows many rooms takes a `StreamHub`.
    """

    def __init__(
        self,
        redis: Redis,
        room: str,
        *,
        from_id: str,
        on_invalid: Callable[[InvalidEventError], None],
        types: Collection[str] | None = None,
    ) -> None:
        self._redis = redis
        self._key = keys.stream(room)
        self._last_id = None if from_id == "$" else from_id
        self._types = None if types is None else frozenset(types)
        self._on_invalid = on_invalid
        self._read: deque[Recorded] = deque()

    @property
    def last_id(self) -> str | None:
        """Id of the last entry given out, or where it began; None while `$` is not settled."""
        return self._last_id

    async def __aenter__(self) -> Self:
        """Settle where to begin: every entry written after this is given out."""
        await self._begin()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._read.clear()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Recorded:
        after = self._last_id or await self._begin()
        while not self._read:
            after = await self._fill(after)
        recorded = self._read.popleft()
        self._last_id = recorded.id
        return recorded

    async def _begin(self) -> str:
        if self._last_id is None:
            self._last_id = await self._persistently(lambda: rooms.last_id(self._redis, self._key))
        return self._last_id

    async def _fill(self, after: str) -> str:
        reply = await self._persistently(lambda: self._blocking_read(after))
        for _, entries in reply:
            for entry_id, fields in entries:
                after = _text(entry_id)
                try:
                    recorded = decode_entry(entry_id, fields)
                except InvalidEventError as error:
                    self._on_invalid(error)
                    continue
                if self._types is None or recorded.type in self._types:
                    self._read.append(recorded)
        if not self._read:
            self._last_id = after
        return after

    async def _blocking_read(self, after: str) -> list[Any]:
        wait_ms = block_ms(self._redis)
        async with asyncio.timeout(wait_ms / 1000 + _GRACE_S):
            reply = await self._redis.xread({self._key: after}, count=_BATCH, block=wait_ms)
        return cast("list[Any]", reply or [])

    async def _persistently(self, request: Callable[[], Any]) -> Any:
        delays = backoff_s()
        while True:
            try:
                return await request()
            except UNAVAILABLE as error:
                delay_s = next(delays)
                logger.info("streams.waiting_for_redis", extra={"reason": str(error), "delay_s": delay_s})
                await asyncio.sleep(delay_s)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

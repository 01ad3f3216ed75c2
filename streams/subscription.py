"""Following one room, entry by entry."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Self, cast

from redis.exceptions import RedisError

from streams import keys, rooms
from streams.codec import text
from streams.connection import TIMEOUT_S, block_ms, until_available
from streams.errors import StreamUnavailableError
from streams.gap_check import log_missed
from streams.intake import Intake
from streams.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from redis.asyncio import Redis

    from streams.errors import InvalidEventError
    from streams.events import Recorded
    from streams.sequence import Fork, Gap

_BATCH = 200


class Subscription:
    """Async iterator over a room's entries, in order, each once; waits for new ones and never ends by itself.

    Reads only when asked for the next entry, so a slow consumer loses nothing and holds at most 200 entries.
    While Redis is away it waits and goes on after the last entry it gave out. Each subscription holds one
    connection while it waits; a process that follows many rooms takes a `StreamHub`.

    Raises:
        StreamUnavailableError: a refusal that waiting does not cure, as of a key that is no stream.
    """

    def __init__(
        self,
        redis: Redis,
        room: str,
        *,
        from_id: str,
        on_invalid: Callable[[InvalidEventError], None],
        select: Selection | None = None,
        on_missed: Callable[[Gap | Fork], None] = log_missed,
    ) -> None:
        self._redis = redis
        self._room = room
        self._key = keys.stream(room)
        self._last_id = None if from_id == "$" else from_id
        self._intake = Intake(redis, select=select or Selection(), on_invalid=on_invalid, on_missed=on_missed)
        self._begun = False
        self._read: deque[Recorded] = deque()

    @property
    def last_id(self) -> str | None:
        """Id of the last entry given out, or where it began; None while `$` is not settled."""
        return self._last_id

    @property
    def missed(self) -> int:
        """Losses and forks so far; 0: every entry from the beginning to the last one read was there."""
        return self._intake.missed

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
        after = self._last_id if self._begun and self._last_id else await self._begin()
        while not self._read:
            after = await self._fill(after)
        recorded = self._read.popleft()
        self._last_id = recorded.id
        return recorded

    async def _begin(self) -> str:
        if self._last_id is None:
            self._last_id = await self._ask(lambda: rooms.last_id(self._redis, self._key), TIMEOUT_S)
        if not self._begun:
            last_id = self._last_id
            await self._ask(lambda: self._intake.begin(self._room, last_id), TIMEOUT_S)
            self._begun = True
        return self._last_id

    async def _fill(self, after: str) -> str:
        wait_ms = block_ms(self._redis)
        read = cast("Any", self._redis).xread
        reply = await self._ask(
            lambda: read({self._key: after}, count=_BATCH, block=wait_ms), wait_ms / 1000 + TIMEOUT_S
        )
        for _, entries in reply or ():
            for entry_id, fields in entries:
                after = text(entry_id)
                recorded = await self._intake.take(self._room, after, fields)
                if recorded is not None:
                    self._read.append(recorded)
        if not self._read:
            self._last_id = after
        return after

    @staticmethod
    async def _ask(request: Callable[[], Any], limit_s: float) -> Any:
        try:
            return await until_available(request, limit_s)
        except RedisError as error:
            raise StreamUnavailableError(str(error)) from error

"""Following many rooms over one connection, entry by entry."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Self, cast

from redis.exceptions import RedisError

from streams import keys, rooms
from streams.codec import text
from streams.connection import TIMEOUT_S, until_available
from streams.errors import StreamUnavailableError
from streams.gap_check import log_missed
from streams.hinted_reader import reader_of
from streams.intake import Intake, log_invalid
from streams.redis_clients import redis_client
from streams.selection import Selection, beginning, checked_id

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from types import TracebackType

    from redis.asyncio import Redis

    from streams.errors import InvalidEventError
    from streams.events import Recorded
    from streams.hinted_reader import HintedReader
    from streams.reader import Entry, RoomsReader
    from streams.sequence import Fork, Gap

__all__ = ("RoomsSubscription", "subscribe")

_AT_ONCE = 100
"""Rooms whose newest entry is asked for in one round trip."""


def subscribe(
    redis: Redis | str,
    rooms: Collection[str] | None = None,
    from_id: str = "$",
    *,
    from_ms: float | None = None,
    from_ids: Mapping[str, str] | None = None,
    kinds: Collection[str] | None = None,
    types: Collection[str] | None = None,
    sources: Collection[str] | None = None,
    on_invalid: Callable[[InvalidEventError], None] = log_invalid,
    on_missed: Callable[[Gap | Fork], None] = log_missed,
) -> RoomsSubscription:
    """Return an async iterator over the events of `rooms`; None: all rooms, also those that open later.

    `redis` is a client, or a URL for a client of its own. It begins after `from_id` (`0`: all that is kept,
    `$`: what comes from now on), or with what was written at `from_ms` (Redis time) or later; `from_ids` says
    otherwise for single rooms, as `RoomsSubscription.last_ids` told it before. A room that opens later is
    given out from its first event. `kinds`, `types` and `sources` choose by the fields of those names. An
    entry that breaks the schema goes to `on_invalid`, a `Gap` or `Fork` to `on_missed`; both are logged
    otherwise.

    Raises:
        ValueError: the URL is no Redis URL, or an id no entry id.
        InvalidEventError: a name can be no room.
        TypeError: a bare string where a collection of names is wanted.
    """
    return RoomsSubscription(
        redis_client(redis) if isinstance(redis, str) else redis,
        rooms,
        from_id=beginning(from_id, from_ms),
        from_ids={room: checked_id(after) for room, after in (from_ids or {}).items()},
        select=Selection.of(kinds, types, sources),
        on_invalid=on_invalid,
        on_missed=on_missed,
        owns_redis=isinstance(redis, str),
    )


class RoomsSubscription:
    """Async iterator over many rooms: in order within a room, each event once; never ends by itself.

    One connection, however many rooms (on a Cluster one for each node). It reads only when asked for the next
    event, so a slow consumer loses nothing. While Redis is away it waits, and goes on after the last event of
    each room that it gave out. `async with` settles where it begins; without, the first event asked for does.
    """

    def __init__(
        self,
        redis: Redis,
        rooms: Collection[str] | None,
        *,
        from_id: str,
        from_ids: Mapping[str, str],
        select: Selection,
        on_invalid: Callable[[InvalidEventError], None],
        on_missed: Callable[[Gap | Fork], None],
        owns_redis: bool = False,
    ) -> None:
        if isinstance(rooms, str):
            raise TypeError(f"{rooms!r}: a collection of rooms is wanted, as [{rooms!r}]")
        self._redis = redis
        self._rooms = None if rooms is None else [keys.checked_name(room, "room") for room in rooms]
        self._from_id = from_id
        self._begin = dict(from_ids)
        self._owns_redis = owns_redis
        self._intake = Intake(redis, select=select, on_invalid=on_invalid, on_missed=on_missed)
        self._reader: RoomsReader | HintedReader | None = None
        self._raw: deque[tuple[str, Entry]] = deque()
        self._last_ids: dict[str, str] = {}

    @property
    def last_ids(self) -> dict[str, str]:
        """Room to the id of the last entry that was given out or passed over: `from_ids` of who goes on."""
        return dict(self._last_ids)

    @property
    def missed(self) -> int:
        """Losses and forks so far; 0: every event from the beginning to the last one given out was there."""
        return self._intake.missed

    async def __aenter__(self) -> Self:
        """Settle where to begin.

        Raises:
            StreamUnavailableError: a refusal that waiting does not cure.
        """
        await self._opened()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Follow no more; ends the connections that are its own. What was not given out can be read again."""
        reader, self._reader = self._reader, None
        self._raw.clear()
        self._begin |= self._last_ids
        if reader is not None:
            await reader.__aexit__(None, None, None)
        if self._owns_redis:
            await self._redis.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Recorded:
        reader = await self._opened()
        while True:
            while self._raw:
                room, (entry_id, fields) = self._raw[0]
                recorded = await self._intake.take(room, entry_id, fields)
                self._raw.popleft()
                self._last_ids[room] = entry_id
                if recorded is not None:
                    return recorded
            for room, entries in await reader.read():
                self._raw.extend((room, entry) for entry in entries)

    async def _opened(self) -> RoomsReader | HintedReader:
        if self._reader is not None:
            return self._reader
        reader = reader_of(self._redis, discover=self._rooms is None, first_id=self._first_id)
        if self._rooms is None:
            known, _ = await self._ask(lambda: rooms.listed(self._redis))
        else:
            known = self._rooms
        await self._settle(known)
        await reader.__aenter__()
        for room in known if self._rooms is not None else ():
            await reader.follow(room, self._first_id(room))
        self._reader = reader
        return reader

    async def _settle(self, known: list[str]) -> None:
        for start in range(0, len(known), _AT_ONCE):
            unsettled = [room for room in known[start : start + _AT_ONCE] if room not in self._begin]
            if self._from_id == "$":
                newest = await self._newest(unsettled) if unsettled else []
                self._begin |= dict(zip(unsettled, newest, strict=True))
        if self._from_id != "$":
            self._begin |= {room: self._from_id for room in known if room not in self._begin}
        for room, after_id in self._begin.items():
            await self._intake.begin(room, after_id)

    async def _newest(self, asked: list[str]) -> list[str]:
        async def ask() -> list[Any]:
            async with cast("Any", self._redis).pipeline(transaction=False) as pipe:
                for room in asked:
                    pipe.xrevrange(keys.stream(room), count=1)
                return await pipe.execute()

        return [text(reply[0][0]) if reply else "0-0" for reply in await self._ask(ask)]

    def _first_id(self, room: str) -> str:
        if room in self._begin:
            return self._begin[room]
        if self._from_id == "$":  # a room that opens later is new as a whole
            self._intake.sequence.opens(room)
            return "0-0"
        self._intake.sequence.begin(room, self._from_id)
        return self._from_id

    @staticmethod
    async def _ask(request: Callable[[], Any]) -> Any:
        try:
            return await until_available(request, TIMEOUT_S)
        except RedisError as error:
            raise StreamUnavailableError(str(error)) from error

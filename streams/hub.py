"""Every room that a process follows, by one reader: the source of its wake-ups."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from redis.exceptions import RedisError

from streams import keys, rooms
from streams.background import Background
from streams.codec import decode_entry
from streams.connection import TIMEOUT_S
from streams.errors import InvalidEventError, StreamUnavailableError
from streams.hinted_reader import reader_of
from streams.sequence import entry_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from redis.asyncio import Redis

    from streams.events import Recorded
    from streams.reader import Entry

logger = logging.getLogger(__name__)


class Watch:
    """One callback on one room, until `close`."""

    def __init__(self, hub: StreamHub, room: str, callback: Callable[[Recorded], None], last_id: str) -> None:
        self._hub = hub
        self._callback = callback
        self._order = entry_order(last_id)
        self.room = room
        self.last_id = last_id
        """Id of the last entry handed over, or where the watch began."""

    def close(self) -> None:
        """Hand over nothing more."""
        self._hub.forget(self)

    def hand_over(self, recorded: Recorded, order: tuple[int, int]) -> None:
        """Call back with an entry that comes after the last one; others are passed over."""
        if order <= self._order:
            return
        self._order, self.last_id = order, recorded.id
        try:
            self._callback(recorded)
        except Exception:
            logger.exception("streams.watcher_failed", extra={"room": self.room, "entry_id": recorded.id})


class StreamHub:
    """Follows rooms for a whole process over one connection; `async with StreamHub(redis) as hub`.

    On a Cluster it is two connections for each node that serves a room. Survives a Redis that goes away and
    comes back: it reads on after the last entry seen. An entry that breaks the schema is logged and passed
    over.
    """

    def __init__(self, redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._reader = reader_of(redis, clock=clock)
        self._watches: dict[str, list[Watch]] = {}
        self._last_seen: dict[str, str] = {}
        self._listed: set[str] = set()
        self._background = Background(self.run, name="stream-hub")

    async def __aenter__(self) -> Self:
        await self._background.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._background.__aexit__(exc_type, exc, traceback)

    @property
    def alive_at_s(self) -> float | None:
        """Monotonic time of Redis's last answer to the hub."""
        return self._reader.alive_at_s

    def last_seen(self, room: str) -> str | None:
        """Return the id of the last entry that came in for `room`."""
        return self._last_seen.get(room)

    async def watch(self, room: str, callback: Callable[[Recorded], None], from_id: str = "$") -> Watch:
        """Call `callback` with every entry of `room` after `from_id`, in order, each once.

        When this returns, the place to begin is settled: with `$`, whatever is written from then on is
        handed over. The callback runs on the event loop, must not block, and its errors are logged.

        Raises:
            StreamUnavailableError: Redis did not answer.
        """
        keys.checked_name(room, "room")
        if from_id == "$":
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    from_id = await rooms.last_id(self._redis, keys.stream(room))
            except (RedisError, OSError) as error:
                raise StreamUnavailableError(str(error) or type(error).__name__) from error
        watch = Watch(self, room, callback, from_id)
        watches = self._watches.setdefault(room, [])
        watches.append(watch)
        # A watch that begins earlier takes the whole room back; the others pass over what they had.
        cursor = self._reader.cursors.get(room)
        if cursor is None or entry_order(from_id) < entry_order(cursor):
            try:
                await self._reader.follow(room, from_id)
            except BaseException:
                watch.close()
                raise
        return watch

    def events(self, room: str, from_id: str = "$", *, capacity: int = 256) -> RoomEvents:
        """Return an async iterator over the entries of `room`; see `RoomEvents`."""
        return RoomEvents(self, room, from_id, capacity)

    def forget(self, watch: Watch) -> None:
        """End a watch; no more than `Watch.close`."""
        watches = self._watches.get(watch.room, [])
        with suppress(ValueError):
            watches.remove(watch)
        if not watches:
            self._watches.pop(watch.room, None)
            self._reader.drop(watch.room)

    async def run(self) -> None:
        """Read and hand over until cancelled; `async with` does it in a task of its own."""
        async with self._reader as reader:
            while True:
                for room, entries in await reader.read():
                    opened = self._hand_over(room, entries)
                    if opened or room not in self._listed:
                        await self._list(room)
                await asyncio.sleep(0)  # a burst must not keep the loop from everybody else

    def _hand_over(self, room: str, entries: list[Entry]) -> bool:
        """Return whether a session began."""
        opened = False
        for entry_id, fields in entries:
            self._last_seen[room] = entry_id
            try:
                recorded = decode_entry(entry_id, fields)
            except InvalidEventError as error:
                extra = {"entry_id": error.entry_id, "reason": error.reason}
                logger.warning("streams.invalid_entry", extra=extra)
                continue
            opened = opened or recorded.type == "ROOM_OPENED"
            order = entry_order(entry_id)
            for watch in tuple(self._watches.get(room, ())):
                watch.hand_over(recorded, order)
        return opened

    async def _list(self, room: str) -> None:
        # Scripts that open a room cannot reach the list, which is in another hash slot; and a Redis that
        # lost its data lost the list too. Whoever sees a room's events sees to it.
        with suppress(RedisError, OSError):
            async with asyncio.timeout(TIMEOUT_S):
                await rooms.register(self._redis, room)
            self._listed.add(room)


class RoomEvents:
    """Async iterator over one room of a hub; `async with hub.events(room) as events`.

    Holds up to `capacity` entries for a slow consumer. When that is full it takes no more, and goes back to
    the stream for the rest once it is empty: nothing is lost, and nothing is given out twice.
    """

    def __init__(self, hub: StreamHub, room: str, from_id: str, capacity: int) -> None:
        self._hub = hub
        self._room = room
        self._from_id = from_id
        self._capacity = capacity
        self._waiting: deque[Recorded] = deque()
        self._came = asyncio.Event()
        self._full = False
        self._watch: Watch | None = None

    async def __aenter__(self) -> Self:
        self._full = False
        watch = await self._hub.watch(self._room, self._take, self._from_id)  # may hand over meanwhile
        self._from_id = watch.last_id
        if self._full:
            watch.close()
        else:
            self._watch = watch
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Recorded:
        while not self._waiting:
            self._came.clear()
            if self._watch is None:
                await self.__aenter__()
            await self._came.wait()
        recorded = self._waiting.popleft()
        self._from_id = recorded.id
        return recorded

    def _take(self, recorded: Recorded) -> None:
        if self._full:
            return
        self._waiting.append(recorded)
        self._came.set()
        self._full = len(self._waiting) >= self._capacity
        if self._full and self._watch is not None:
            self._watch.close()
            self._watch = None

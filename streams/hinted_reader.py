"""The streams of many rooms of a Cluster, as `RoomsReader` gives those of one server."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Self, cast

from redis.asyncio import RedisCluster
from redis.exceptions import RedisError

from streams import keys, rooms
from streams.background import Background
from streams.codec import text
from streams.connection import backoff_s, block_ms, end_if_cancelled
from streams.hints import Hints
from streams.node_hints import ENTRIES
from streams.reader import Entry, RoomsReader, opened_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

__all__ = ("HintedReader", "reader_of")

_WAITING = 16
"""Replies that may wait to be taken; who reads the node then waits, and reads on from there."""


def reader_of(
    redis: Redis,
    *,
    discover: bool = False,
    first_id: Callable[[str], str] = lambda room: "0-0",
    on_room: Callable[[str], None] | None = None,
    longest_block_ms: int | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> RoomsReader | HintedReader:
    """Return what reads many rooms on this kind of Redis; it works within `async with`."""
    kind = HintedReader if isinstance(cast("Any", redis), RedisCluster) else RoomsReader
    return kind(
        redis,
        discover=discover,
        first_id=first_id,
        on_room=on_room,
        longest_block_ms=longest_block_ms,
        clock=clock,
    )


class HintedReader:
    """Reads many rooms of a Cluster, each in order, woken by hints: one XREAD cannot span hash slots.

    Promises what `RoomsReader` does, while its `async with` lasts. It holds two connections for each node
    that serves a room of it.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        discover: bool = False,
        first_id: Callable[[str], str] = lambda room: "0-0",
        on_room: Callable[[str], None] | None = None,
        longest_block_ms: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._discover = discover
        self._first_id = first_id
        self._on_room = on_room
        self._wait_s = min(block_ms(redis), longest_block_ms or 2**31) / 1000
        self._clock = clock
        self._cursors: dict[str, str] = {}
        self._rooms: dict[str, str] = {}
        self._opened: str | None = None
        self._found: asyncio.Queue[tuple[str, str, list[Entry]]] = asyncio.Queue(_WAITING)
        self._hints = Hints(cast("Any", redis), self)
        self._background = Background(self._hints.run, name="hints")
        self.alive_at_s: float | None = None
        """Monotonic time of Redis's last answer."""

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
    def cursors(self) -> dict[str, str]:
        """Room to the id after which it will be read on."""
        return dict(self._cursors)

    async def follow(self, room: str, after_id: str) -> None:
        """Read `room` on from `after_id`, also where it was further already."""
        self._follow(room, after_id)

    def drop(self, room: str) -> None:
        """Read `room` no more."""
        if self._cursors.pop(room, None) is not None:
            stream = keys.stream(room)
            self._rooms.pop(stream, None)
            self._hints.drop(stream)

    async def read(self) -> list[tuple[str, list[Entry]]]:
        """Return new entries by room; empty where none came for a while.

        While Redis is away this waits, and then goes on where it was. A refusal is logged and tried again.
        """
        if self._discover and self._opened is None:
            await self._list_rooms()
        try:
            async with asyncio.timeout(self._wait_s):
                replies = [await self._found.get()]
        except TimeoutError:
            return []
        while not self._found.empty():
            replies.append(self._found.get_nowait())
        found: list[tuple[str, list[Entry]]] = []
        for stream, after, entries in replies:
            if stream == keys.ROOMS_OPENED:
                self._take_in(after, entries)
            elif (room := self._rooms.get(stream)) is not None and self._accept(room, after, entries):
                found.append((room, entries))
        return found

    def _accept(self, room: str, after: str, entries: list[Entry]) -> bool:
        fits = self._cursors.get(room) == after  # else it was moved meanwhile, or read twice
        if fits:
            self._cursors[room] = entries[-1][0]
        if not fits or len(entries) == ENTRIES:
            self._hints.read_on(keys.stream(room))
        return fits

    async def read_now(self) -> list[tuple[str, list[Entry]]]:
        """Return what is there, without waiting.

        Raises:
            redis.exceptions.RedisError: as the client does.
        """
        if self._discover and self._opened is None:
            await self._learn_rooms()
        found: list[tuple[str, list[Entry]]] = []
        asked = self.cursors
        if not asked:
            return found
        pipe = cast("Any", self._redis).pipeline(transaction=False)
        for room, after in asked.items():
            pipe.xrange(keys.stream(room), min=f"({after}", count=ENTRIES)
        for (room, after), reply in zip(asked.items(), await pipe.execute(), strict=True):
            entries = [(text(entry_id), fields) for entry_id, fields in reply]
            if entries and self._accept(room, after, entries):
                found.append((room, entries))
        return found

    # What the hints ask and tell

    def after(self, stream: str) -> str | None:
        """See `streams.node_hints.Follower`."""
        if stream == keys.ROOMS_OPENED:
            return self._opened
        room = self._rooms.get(stream)
        return None if room is None else self._cursors.get(room)

    async def take(self, stream: str, after: str, entries: list[Entry]) -> None:
        """See `streams.node_hints.Follower`."""
        await self._found.put((stream, after, entries))

    def alive(self) -> None:
        """See `streams.node_hints.Follower`."""
        self.alive_at_s = self._clock()

    # Rooms

    def _follow(self, room: str, after_id: str) -> None:
        stream = keys.stream(room)
        self._cursors[room] = after_id
        self._rooms[stream] = room
        self._hints.want(stream)

    async def _list_rooms(self) -> None:
        delays: Iterator[float] = backoff_s()
        while self._opened is None:
            end_if_cancelled()
            try:
                await self._learn_rooms()
            except (RedisError, OSError) as error:
                delay_s = next(delays)
                logger.warning("streams.waiting_for_redis", extra={"reason": str(error), "delay_s": delay_s})
                await asyncio.sleep(delay_s)

    async def _learn_rooms(self) -> None:
        listed, self._opened = await rooms.listed(self._redis)
        for room in listed:
            self._learned(room)
        self._hints.want(keys.ROOMS_OPENED)

    def _take_in(self, after: str, entries: list[Entry]) -> None:
        if self._opened != after:
            self._hints.read_on(keys.ROOMS_OPENED)
            return
        self._opened = entries[-1][0]
        for room in map(opened_room, entries):
            if room:
                self._learned(room)

    def _learned(self, room: str) -> None:
        if self._on_room is not None:
            self._on_room(room)
        elif room not in self._cursors:
            self._follow(room, self._first_id(room))

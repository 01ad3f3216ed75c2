"""Which of a consumer's rooms are read and handled next: woken by new entries, so many at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from streams.connection import UNAVAILABLE, backoff_s, end_if_cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.consumer_settings import ConsumerSettings
    from streams.group_calls import GroupCalls
    from streams.hinted_reader import HintedReader
    from streams.leases import Leases
    from streams.reader import Entry, RoomsReader
    from streams.room_work import OwnedRoom, RoomWork

logger = logging.getLogger(__name__)

__all__ = ("Desk",)

_REFUSED_DELAY_S = 1.0
_IN_A_ROW = 9
"""Batches more of a room that is behind, before it is the others' turn."""


class Desk:
    """The rooms of one consumer while it runs.

    The reader only wakes: it reads on from where the group is, and entries come by XREADGROUP. A room that is
    behind is not followed, so nothing of a backlog is read twice.
    """

    def __init__(
        self,
        work: RoomWork,
        calls: GroupCalls,
        settings: ConsumerSettings,
        reader: RoomsReader | HintedReader,
        owned: dict[str, OwnedRoom],
        stopping: asyncio.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._calls = calls
        self._settings = settings
        self._reader = reader
        self._owned = owned
        self._stopping = stopping
        self._clock = clock
        self._due: dict[str, OwnedRoom] = {}
        self._handling: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._lingering = asyncio.Event()

    # What the leases tell

    def taken(self, room: OwnedRoom) -> None:
        """See `streams.leases.Told`."""
        handled = room.taken.handled
        if handled is not None:  # where Redis lost it, we may know
            self._work.sequence.resume(room.name, handled)
        room.read_to = room.taken.given_out or "0-0"
        self._make_due(room)

    def renewed(self, room: OwnedRoom) -> None:
        """See `streams.leases.Told`."""
        if room.recovers or room.name in self._due:
            self._make_due(room)

    def lost(self, room: OwnedRoom) -> None:
        """See `streams.leases.Told`."""
        self._due.pop(room.name, None)
        self._reader.drop(room.name)

    async def flush(self, room: OwnedRoom) -> None:
        """See `streams.leases.Told`."""
        await self._work.flush(room)

    def _make_due(self, room: OwnedRoom) -> None:
        self._due[room.name] = room
        self._woken.set()

    # New entries wake the rooms that they are in

    async def follow(self) -> None:
        """Wake rooms, and find new ones, until cancelled."""
        reader = self._reader
        while True:
            end_if_cancelled()
            for name, _ in await reader.read():
                room = self._owned.get(name)
                if room is None:
                    continue
                if room.busy or name in self._due:  # it is read on when that is done
                    reader.drop(name)
                    room.followed = False
                self._make_due(room)

    # Rooms that are due are read and handled

    async def dispatch(self, tasks: asyncio.TaskGroup, leases: Leases) -> None:
        """Have rooms handled in tasks of `tasks` until it is to stop."""
        stopped = tasks.create_task(self._stopped(), name="consumer-stop")
        delays = backoff_s()
        while not self._stopping.is_set():
            end_if_cancelled()
            due = self._next()
            if not due:
                self._woken.clear()
                await self._woken.wait()
                continue
            for room in due:
                if room.recovers:
                    del self._due[room.name]
                    self._start(tasks, leases, room, None)
            fresh = [room for room in due if not room.recovers]
            try:
                for room, entries in await self._read(fresh, leases) if fresh else ():
                    self._start(tasks, leases, room, entries)
            except UNAVAILABLE as error:
                delay_s = next(delays)
                extra = {"reason": str(error) or type(error).__name__, "delay_s": delay_s}
                logger.info("streams.waiting_for_redis", extra=extra)
                await asyncio.sleep(delay_s)
            else:
                delays = backoff_s()
        await stopped

    async def _stopped(self) -> None:
        await self._stopping.wait()
        self._woken.set()

    async def drained(self, limit_s: float) -> None:
        """Wait for the handlers that run; cancel what runs after `limit_s`."""
        if self._handling:
            await asyncio.wait(self._handling, timeout=limit_s)
        for task in self._handling:
            task.cancel()

    def _next(self) -> list[OwnedRoom]:
        free, now_s = self._settings.concurrency - len(self._handling), self._clock()
        if free <= 0:
            return []
        return [room for room in self._due.values() if not room.busy and now_s < room.until_s][:free]

    def _start(
        self, tasks: asyncio.TaskGroup, leases: Leases, room: OwnedRoom, entries: list[Entry] | None
    ) -> None:
        room.busy = True
        task = tasks.create_task(self._handle(room, entries, tasks, leases), name=f"consumer-{room.name}")
        self._handling.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            room.busy = False
            self._handling.discard(task)
            if self._owned.get(room.name) is not room or room.leaving:
                leases.wake()
            elif room.recovers or not room.followed:
                self._due.setdefault(room.name, room)
            self._woken.set()

        task.add_done_callback(ended)

    async def _read(self, rooms: list[OwnedRoom], leases: Leases) -> list[tuple[OwnedRoom, list[Entry]]]:
        count = self._settings.batch
        for room in rooms:  # who is told of an entry from now on reads again
            self._due.pop(room.name, None)
        try:
            replies = await self._calls.read_new([room.name for room in rooms], count)
        except BaseException:
            for room in rooms:  # something may have been given out to us that did not arrive
                room.recovers, room.recover_idle_ms = True, 0
                self._due.setdefault(room.name, room)
            raise
        found: list[tuple[OwnedRoom, list[Entry]]] = []
        by_name = {room.name: room for room in rooms}
        for name, reply in replies:
            room = by_name[name]
            if isinstance(reply, RedisError):
                logger.warning("streams.consumer_refused", extra={"room": name, "reason": str(reply)})
                leases.retake(by_name.pop(name), _REFUSED_DELAY_S)
                continue
            room.read_to = reply[-1][0]
            found.append((room, reply))
            if len(reply) >= count:
                self._due[name] = by_name.pop(name)
        for room in by_name.values():
            if not room.followed and self._owned.get(room.name) is room:
                room.followed = True
                await self._reader.follow(room.name, room.read_to)
        return found

    async def _handle(
        self, room: OwnedRoom, entries: list[Entry] | None, tasks: asyncio.TaskGroup, leases: Leases
    ) -> None:
        work = self._work
        try:
            if entries is None:
                await work.flush(room)
                await work.recover(room)
            else:
                await self._handle_in_a_row(room, entries, tasks, leases)
            if room.unacked and self._settings.ack_linger_ms > 0:
                if room.name not in self._due:
                    self._lingering.set()
            else:
                await work.flush(room)
        except UNAVAILABLE as error:  # what was asked for is claimed when Redis is back
            logger.info("streams.waiting_for_redis", extra={"reason": str(error) or type(error).__name__})
        except RedisError as error:
            logger.warning("streams.consumer_refused", extra={"room": room.name, "reason": str(error)})
            if self._owned.get(room.name) is room:
                leases.retake(room, _REFUSED_DELAY_S)

    async def _handle_in_a_row(
        self, room: OwnedRoom, entries: list[Entry], tasks: asyncio.TaskGroup, leases: Leases
    ) -> None:
        """Handle a batch and those that follow it; each is read while the one before is handled."""
        singly, batch = self._settings.ack_every == 1, self._settings.batch
        for more in range(_IN_A_ROW, -1, -1):
            reading: asyncio.Task[list[Entry]] | None = None
            if more and len(entries) >= batch:
                reading = tasks.create_task(
                    self._read_ahead(room, leases), name=f"consumer-reads-{room.name}"
                )
                await asyncio.sleep(0)  # asked for before the handler runs, which may never wait
            try:
                handled = await self._work.handle(room, entries, singly=singly)
                entries = await reading if reading is not None else []
            except BaseException:
                if reading is not None:
                    reading.cancel()
                    room.recovers, room.recover_idle_ms = True, 0
                raise
            if not entries:
                return
            if not handled or self._stopping.is_set() or self._owned.get(room.name) is not room:
                room.recovers, room.recover_idle_ms = True, 0  # what was read ahead was given out to us
                return

    async def _read_ahead(self, room: OwnedRoom, leases: Leases) -> list[Entry]:
        try:
            found = await self._read([room], leases)
        except UNAVAILABLE as error:  # what was asked for is claimed when Redis is back
            logger.info("streams.waiting_for_redis", extra={"reason": str(error) or type(error).__name__})
            return []
        return found[0][1] if found else []

    async def acknowledge(self) -> None:
        """Acknowledge what has waited for company long enough, until cancelled."""
        while True:
            end_if_cancelled()
            await self._lingering.wait()
            await asyncio.sleep(self._settings.ack_linger_ms / 1000)
            self._lingering.clear()
            for room in [room for room in self._owned.values() if room.unacked]:
                try:
                    await self._work.flush(room)
                except RedisError as error:
                    extra = {"room": room.name, "reason": str(error)}
                    logger.warning("streams.consumer_refused", extra=extra)

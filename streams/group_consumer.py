"""A member of a consumer group over one room, several, or all of them."""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from streams import keys
from streams.consumer_desk import Desk
from streams.consumer_settings import ConsumerFigures, ConsumerSettings, RoomLag
from streams.gap_check import log_missed
from streams.group_calls import GroupCalls
from streams.hinted_reader import reader_of
from streams.leases import Leases
from streams.room_work import OwnedRoom, RoomWork, Tally
from streams.tolerant_client import tolerant
from streams.tracing import handling

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from redis.asyncio import Redis

    from streams.events import Recorded
    from streams.sequence import Fork, Gap

__all__ = ("Consumer", "consumer")

_LEAVE_LIMIT_S = 2.0


def consumer(
    redis: Redis,
    group: str,
    name: str | None = None,
    *,
    rooms: Collection[str] | None = None,
    settings: ConsumerSettings | None = None,
    on_missed: Callable[[Gap | Fork], None] = log_missed,
) -> Consumer:
    """Return a member of the group `group` over `rooms`; None: all rooms, also those that open later.

    `name` has to differ from those of the other members; a fresh one if None.

    Raises:
        InvalidEventError: a name is malformed.
        TypeError: a bare string where a collection of rooms is wanted.
    """
    return Consumer(redis, group, name, rooms=rooms, settings=settings, on_missed=on_missed)


class Consumer:
    """Hands every event of its rooms to a handler, at least once and in order within a room.

    The members of a group share the rooms: each room has one of them at a time, by a lease, and moves to
    another when that one stops or dies, which begins with what the first had been given and not acknowledged.
    An event is acknowledged after its handler. One whose handler fails is tried again with growing waits,
    while its room waits and the others go on; after `tries` of them it goes to the room's dead letters, as
    does at once what breaks the schema. What was removed before the group had it goes to `on_missed`, as a
    `Gap` or a `Fork`, before the event that shows it is handled.

    While Redis is away it waits. An event may be handled again after a crash, or where a handler outlasts the
    lease of a process that stood still.
    """

    def __init__(
        self,
        redis: Redis,
        group: str,
        name: str | None = None,
        *,
        rooms: Collection[str] | None = None,
        settings: ConsumerSettings | None = None,
        on_missed: Callable[[Gap | Fork], None] = log_missed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(rooms, str):
            raise TypeError(f"{rooms!r}: a collection of rooms is wanted, as [{rooms!r}]")
        self.group = keys.checked_name(group, "group")
        self.name = keys.checked_name(name or uuid.uuid4().hex, "consumer")
        self._fixed = None if rooms is None else tuple(keys.checked_name(room, "room") for room in rooms)
        self._settings = settings or ConsumerSettings()
        self._on_missed = on_missed
        self._clock = clock
        self._redis, self._owns_redis = tolerant(redis)
        self._calls = GroupCalls(self._redis, self.group, self.name, f"{self.name}#{uuid.uuid4().hex[:8]}")
        self._tally = Tally()
        self._owned: dict[str, OwnedRoom] = {}
        self._stopping = asyncio.Event()
        self._running = False

    @property
    def figures(self) -> ConsumerFigures:
        """What was done so far, and how far behind the rooms are."""
        lags = {name: _lag(room) for name, room in self._owned.items()}
        tally = self._tally
        return ConsumerFigures(
            group=self.group,
            consumer=self.name,
            handled=tally.handled,
            failed=tally.failed,
            claimed=tally.claimed,
            dead_letters=tally.dead_letters,
            quarantined=tally.quarantined,
            lost=tally.lost,
            forks=tally.forks,
            rooms=lags,
        )

    def stop(self) -> None:
        """Have `run` end: handlers that run may finish, what they handled is acknowledged, rooms go back.

        Where it does not run yet, it ends as soon as it does.
        """
        self._stopping.set()

    async def run(self, handler: Callable[[Recorded], object]) -> None:
        """Call `handler` with each event, and await what it returns, until `stop` or cancellation.

        Raises:
            RuntimeError: it runs already.
        """
        if self._running:
            raise RuntimeError(f"consumer {self.name!r} of group {self.group!r} runs already")
        self._running = True
        work = RoomWork(
            self._calls,
            self._settings,
            handling(handler, consumer=self.group),
            tally=self._tally,
            stopping=self._stopping,
            on_missed=self._on_missed,
            clock=self._clock,
        )
        redis, clock = self._redis, self._clock

        def on_room(room: str) -> None:
            leases.discovered(room)

        reader = reader_of(redis, discover=self._fixed is None, on_room=on_room, clock=clock)
        desk = Desk(work, self._calls, self._settings, reader, self._owned, self._stopping, clock=clock)
        leases = Leases(self._calls, self._settings, self._owned, clock=clock, rooms=self._fixed, told=desk)
        try:
            async with reader, asyncio.TaskGroup() as tasks:
                around = [
                    tasks.create_task(leases.keep(), name="consumer-leases"),
                    tasks.create_task(desk.follow(), name="consumer-reader"),
                    tasks.create_task(desk.acknowledge(), name="consumer-acks"),
                ]
                await desk.dispatch(tasks, leases)
                await desk.drained(self._settings.drain_ms / 1000)
                for task in around:
                    task.cancel()
        finally:
            async with asyncio.TaskGroup() as ending:  # a task of its own can call Redis, also when cancelled
                ending.create_task(self._leave(work, leases), name="consumer-ends")
            if self._owns_redis:
                with suppress(RedisError, OSError, TimeoutError):
                    async with asyncio.timeout(_LEAVE_LIMIT_S):
                        await self._redis.aclose()
            self._running = False
            self._stopping.clear()

    async def _leave(self, work: RoomWork, leases: Leases) -> None:
        with suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(_LEAVE_LIMIT_S):
                for room in self._owned.values():
                    await work.flush(room)
                    await self._calls.leave(room.name)
                await leases.leave()
        self._owned.clear()


def _lag(room: OwnedRoom) -> RoomLag:
    taken, last = room.taken, room.last
    session, seq = (last.session, last.seq) if last is not None else ("", 0)
    if last is None and taken.handled is not None:
        session, seq = taken.handled.session, taken.handled.seq
    behind = taken.seq - seq if session == taken.session else taken.seq
    return RoomLag(max(0, behind), taken.pending)

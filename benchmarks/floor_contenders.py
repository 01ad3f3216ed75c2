"""Contenders for one floor, or for one lock of a peer, as coroutines or threads of one process.

All of them do the same: ask, hold for a while, give back, think, ask again. Times are monotonic seconds,
which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams.connection import redis_client
from streams.hub import StreamHub
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator
    from contextlib import AbstractContextManager
    from multiprocessing.connection import Connection

OURS = "ours"
ASYNC_PEERS = ("redis-py", "pottery")
THREADED_PEERS = ("python-redis-lock", "walrus")
PEERS = (*ASYNC_PEERS, *THREADED_PEERS)
LEASE_S = 10
"""What the peers' locks are asked for; it never runs out here."""
ENDS_S = 20.0
"""Longest wait for the last turns."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one contender."""

    asked_s: float
    held_s: float
    """It holds, and runs."""
    gave_back_s: float
    """It is about to give back."""


@dataclass(frozen=True, slots=True)
class Contest:
    """Who contends for what."""

    kind: str
    url: str
    contenders: int
    """In each room, all processes together, spread evenly."""
    processes: int
    lasts_s: float
    hold_s: float = 0.05
    think_s: float = 0.2
    scattered: bool = False
    """Whether all ask at once at first, and think equally long; or each at a time of its own."""
    rooms: int = 1
    busy_rooms: int = 1
    """How many of the rooms are contended for; the others are only listened to."""
    seed: int = 1

    def mine(self, process: int) -> list[tuple[str, str]]:
        """Return room and name of the contenders in a process."""
        return [
            (f"room-{room}", f"agent-{n}")
            for room in range(self.busy_rooms)
            for n in range(process, self.contenders, self.processes)
        ]


@dataclass(slots=True)
class Contending:
    """The turns in one process. Who still waits when the time is over takes its turn, without holding."""

    contest: Contest
    until_s: float = 0.0
    turns: dict[str, list[Turn]] = field(default_factory=dict[str, "list[Turn]"])

    def over(self) -> bool:
        return time.monotonic() >= self.until_s

    def note(self, room: str, turn: Turn) -> None:
        if turn.held_s < self.until_s:
            self.turns.setdefault(room, []).append(turn)

    def pauses_s(self, process: int, n: int) -> Iterator[float]:
        """Give how long to think before each turn."""
        chance, think_s = random.Random(f"{self.contest.seed} {process} {n}"), self.contest.think_s
        yield think_s * chance.random() if self.contest.scattered else 0.0
        while True:
            yield think_s * chance.uniform(0.5, 1.5) if self.contest.scattered else think_s

    async def one(self, enter: Any, room: str, who: str, pauses_s: Iterator[float]) -> int:
        """Contend as one of many; return how often it held."""
        contest, count = self.contest, 0
        for pause_s in pauses_s:
            if pause_s:
                await asyncio.sleep(pause_s)
            if self.over():
                break
            asked_s = time.monotonic()
            async with enter(room, who):
                held_s = time.monotonic()
                count += 1
                if contest.hold_s and not self.over():
                    await asyncio.sleep(contest.hold_s)
                gave_back_s = time.monotonic()
            self.note(room, Turn(asked_s, held_s, gave_back_s))
        return count

    def one_thread(self, enter: Any, room: str, who: str, pauses_s: Iterator[float]) -> int:
        """Contend as a thread; the same as `one`."""
        contest, count = self.contest, 0
        for pause_s in pauses_s:
            if pause_s:
                time.sleep(pause_s)
            if self.over():
                break
            asked_s = time.monotonic()
            with enter(room, who):
                held_s = time.monotonic()
                count += 1
                if contest.hold_s and not self.over():
                    time.sleep(contest.hold_s)
                gave_back_s = time.monotonic()
            self.note(room, Turn(asked_s, held_s, gave_back_s))
        return count


@asynccontextmanager
async def opened(kind: str, url: str, rooms: list[str]) -> AsyncGenerator[Any]:
    """Give a function (room, name) that enters the floor of ours, or the lock of an asyncio peer."""
    async with AsyncExitStack() as stack:
        if kind == OURS:
            redis = redis_client(url)
            stack.push_async_callback(redis.aclose)
            hub = await stack.enter_async_context(StreamHub(redis))
            sticks = {
                room: await stack.enter_async_context(TalkingStick(redis, room, hub=hub)) for room in rooms
            }
            await sticks[rooms[0]].tick()  # the server knows the script from now on
            yield lambda room, who: sticks[room].hold(Participant(who))
            return
        import redis.asyncio

        client = redis.asyncio.Redis.from_url(url)
        stack.push_async_callback(client.aclose)
        if kind == "redis-py":
            yield lambda room, who: client.lock(room, timeout=LEASE_S)
        else:
            import pottery

            masters = {client}
            yield lambda room, who: pottery.AIORedlock(key=room, masters=masters)


def opened_threaded(kind: str, url: str) -> Callable[[str, str], AbstractContextManager[object]]:
    """Return a function (room, name) that enters the lock of a peer that blocks its thread."""
    if kind == "walrus":
        import walrus

        database = walrus.Database.from_url(url)
        return lambda room, who: database.lock(room, ttl=LEASE_S * 1000)
    import redis
    import redis_lock

    client = redis.Redis.from_url(url)
    return lambda room, who: redis_lock.Lock(client, room, expire=LEASE_S)


def contend(contest: Contest, process: int, pipe: Connection) -> None:
    """Run in a process of its own: says "ready", is told when to begin, answers with turns by room."""
    contending = Contending(contest)
    if contest.kind in THREADED_PEERS:
        count = _contend_threaded(contending, process, pipe)
    else:
        count = asyncio.run(_contend_async(contending, process, pipe))
    pipe.send((contending.turns, count))
    pipe.close()


def _begin(contending: Contending, pipe: Connection) -> None:
    gc.collect()
    gc.freeze()
    pipe.send("ready")
    contending.until_s = pipe.recv() + contending.contest.lasts_s


async def _contend_async(contending: Contending, process: int, pipe: Connection) -> int:
    contest = contending.contest
    rooms = [f"room-{room}" for room in range(contest.rooms)]
    async with opened(contest.kind, contest.url, rooms) as enter:
        await asyncio.to_thread(_begin, contending, pipe)
        async with asyncio.timeout(contest.lasts_s + ENDS_S), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(contending.one(enter, room, who, contending.pauses_s(process, n)))
                for n, (room, who) in enumerate(contest.mine(process))
            ]
        return sum(task.result() for task in tasks)


def _contend_threaded(contending: Contending, process: int, pipe: Connection) -> int:
    contest = contending.contest
    enter = opened_threaded(contest.kind, contest.url)
    counts: list[int] = []

    def run(room: str, who: str, n: int) -> None:
        counts.append(contending.one_thread(enter, room, who, contending.pauses_s(process, n)))

    _begin(contending, pipe)
    threads = [
        threading.Thread(target=run, args=(room, who, n), daemon=True)
        for n, (room, who) in enumerate(contest.mine(process))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, contending.until_s + ENDS_S - time.monotonic()))
    with suppress(ValueError):
        gc.unfreeze()
    return sum(counts)

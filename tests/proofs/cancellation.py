"""A holder is cancelled at each of its awaits, again and again: nothing may be left behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, cast

from streams import keys
from streams.connection import redis_client
from streams.kept_connections import MOST_KEPT, shared_connections
from swarm.floor_client import FloorState
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick
from tests.proofs.proof import Progress, Proof, Size
from tests.proofs.record_check import RecordCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from redis.asyncio import Redis

PATIENT = FloorSettings(lease_ms=20_000, take_up_ms=20_000, guard_ms=0)
"""Nothing lapses here, so what is free again was given back."""
ADA, BOB = Participant("ada"), Participant("bob")
Moment = Literal["waiting", "waking", "twice", "timed"]
MOMENTS: tuple[Moment, ...] = ("waiting", "waking", "twice", "timed")
TIMED_STEP_S = 0.000_1
TIMED_STEPS = 40
CLEAN_LIMIT_S = 2.0
SPARE_CONNECTIONS = MOST_KEPT + 4
"""Connections more than before: those that are kept for calls, and some that are being closed."""


class CancelledAt:
    """Awaits a coroutine and cancels the task at the `at`-th time that it gives up control.

    `waiting`: while the future is open. `waking`: in the step in which the future is done, before the task
    runs on: result and cancellation come together. `twice`: as waiting, and again while it cleans up.
    `timed`: `at` times TIMED_STEP_S after the first, wherever it is by then.
    """

    def __init__(self, work: Coroutine[Any, Any, None], at: int, moment: Moment) -> None:
        self._work = work
        self._at = at
        self._moment = moment
        self._hits = {"twice": (at, at + 1), "timed": (1,)}.get(moment, (at,))
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._work.__await__()
        error: BaseException | None = None
        while True:
            try:
                future = next(steps) if error is None else steps.throw(error)
            except StopIteration:
                return
            self.awaits += 1
            if self.awaits in self._hits:
                self._cancel(future)
            try:
                yield future
                error = None
            except BaseException as raised:  # handed to whom it is meant for
                error = raised

    def _cancel(self, future: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._moment == "waking" and isinstance(future, asyncio.Future):
            future.add_done_callback(lambda _: task.cancel())
        elif self._moment == "timed":
            asyncio.get_running_loop().call_later(self._at * TIMED_STEP_S, task.cancel)
        else:
            asyncio.get_running_loop().call_soon(task.cancel)


async def _hold(stick: TalkingStick, redis: Redis, *, cold: bool) -> None:
    """Take one turn; with `cold` asking and releasing both have to connect first."""
    if cold:
        await _hang_up(redis)
    async with stick.hold(ADA):
        for _ in range(2):
            await asyncio.sleep(0)
        if cold:
            await _hang_up(redis)


async def _hang_up(redis: Redis) -> None:
    """End the connections that nobody uses, those kept for calls too. Never gives up control."""
    kept, pool = shared_connections(redis), cast("Any", redis.connection_pool)
    assert kept is not None
    for connection in (*kept._idle, *pool._available_connections):
        await connection.disconnect(nowait=True)


async def _cancelled(
    stick: TalkingStick, redis: Redis, at: int, moment: Moment, *, contended: bool, cold: bool
) -> bool:
    """Return whether it was over before its `at`-th await."""
    work = CancelledAt(_hold(stick, redis, cold=cold), at, moment)

    async def run() -> None:
        await work

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        if contended:
            async with stick.hold(BOB):
                tasks.create_task(run())
                await asyncio.sleep(0.002)
        else:
            tasks.create_task(run())
    return at >= TIMED_STEPS if moment == "timed" else work.awaits < at


async def cancellation(
    url: str, size: Size, say: Progress, meddle: Callable[[TalkingStick], None] = lambda stick: None
) -> Proof:
    """Cancel at every await of acquire, hold and release, in every way, until it was done often enough.

    `meddle` may put a fault into the stick, to see that it is found.
    """
    proof = Proof("cancellation")
    redis, room = redis_client(url), f"cancel-{secrets.token_hex(3)}"
    done = 0
    deepest: dict[str, int] = {}
    started_s = time.monotonic()
    async with TalkingStick(redis, room, settings=PATIENT) as stick:
        for contended in (False, True):
            await _cancelled(stick, redis, 1_000, "waiting", contended=contended, cold=False)
        meddle(stick)
        tasks, descriptors = len(asyncio.all_tasks()), _descriptors()
        clients = len(await redis.client_list())
        while done < size.cancellations and proof.holds:
            say(f"cancellation: {done} of {size.cancellations}")
            for contended, cold, moment in product((False, True), (False, True), MOMENTS):
                what = f"{'contended' if contended else 'free'} floor, {'cold' if cold else 'warm'}"
                at, over = 0, False
                while not over and at < 200 and done < size.cancellations and proof.holds:
                    at += 1
                    over = await _cancelled(stick, redis, at, moment, contended=contended, cold=cold)
                    done += 1
                    await _nothing_left(proof, stick, redis, f"{what}, await {at}, {moment}")
                if moment != "timed":
                    deepest[what] = max(deepest.get(what, 0), at - 1)
        await asyncio.sleep(0.1)
        proof.expect(len(asyncio.all_tasks()) <= tasks, f"{len(asyncio.all_tasks())} tasks, were {tasks}")
        left = len(await redis.client_list())
        proof.expect(left <= clients + SPARE_CONNECTIONS, f"{left} connections, were {clients}")
        open_now = _descriptors()
        proof.expect(open_now <= descriptors + SPARE_CONNECTIONS, f"{open_now} files, were {descriptors}")
    check = await _record(redis, room)
    await redis.aclose()
    for what in check.broken:
        proof.expect(False, f"record: {what}")
    lapsed = [end.grant.token for end in check.ends if end.type != "FLOOR_RELEASED"]
    proof.expect(not lapsed, f"grants that nobody gave back: {lapsed[:5]}")
    proof.expect(len(check.ends) == len(check.grants), "a grant without an end")
    proof.figure("cancellations", done)
    for name, awaits in deepest.items():
        proof.figure(f"awaits, {name}", awaits)
    proof.figure("grants", len(check.grants))
    proof.figure("lost grants", len(lapsed) + len(check.grants) - len(check.ends), bound="0")
    proof.figure("connections more than before", max(0, left - clients), bound=str(SPARE_CONNECTIONS))
    proof.figure("tasks more than before", 0 if proof.holds else -1, bound="0")
    proof.figure("duration", time.monotonic() - started_s, "s")
    return proof


async def _nothing_left(proof: Proof, stick: TalkingStick, redis: Redis, where: str) -> None:
    await stick._spawning.settle(CLEAN_LIMIT_S)
    status = await stick.status()
    proof.expect(status.state is FloorState.IDLE, f"{where}: the floor is {status.state} by {status.holder}")
    proof.expect(not status.queue, f"{where}: {status.queue} left in the queue")
    proof.expect(not stick._holdings.live, f"{where}: a live grant is left")
    proof.expect(not stick._waiters._waiting, f"{where}: a waiter is left")
    most = MOST_KEPT + 1  # the hub's
    proof.expect(_busy(redis) <= most, f"{where}: {_busy(redis)} connections in use, at most {most}")


async def _record(redis: Redis, room: str) -> RecordCheck:
    check, after = RecordCheck(), "-"
    while entries := await redis.xrange(keys.stream(room), min=after, count=5000):
        for entry_id, fields in entries:
            check.feed(entry_id, fields)
        after = "(" + entries[-1][0]
    return check


def _busy(redis: Redis) -> int:
    pool: Any = redis.connection_pool
    return len(pool._in_use_connections)


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))

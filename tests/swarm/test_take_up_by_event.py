"""A grant counts from its event, for half of the lease in it; by then an answer has to be there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from streams import events as ev
from streams.clock import ServerClock
from streams.connection import redis_client as client_of
from streams.errors import StreamUnavailableError
from streams.events import Recorded
from swarm import floor_commands as fc
from swarm.floor_state import FloorSettings
from swarm.grant import Grant, Lost
from swarm.holdings import Holdings
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from redis.asyncio import Redis

    from swarm.floor_link import FloorLink

ROOM = "atrium"
AT_MS = 1_700_000_000_000
OVER = Lost("over")
ADA, BOB = Participant("ada"), Participant("bob")


class Calls:
    """Takes what a grant asks of its stick."""

    async def give_back(self, grant: Grant, **_: Any) -> bool:
        return True

    def report_first_audio(self, grant: Grant) -> None: ...


class Link:
    """A link whose answers the test gives."""

    def __init__(self, now: list[float], *, trip_s: float = 0.001) -> None:
        self.server_clock = ServerClock(lambda: now[0])
        self.server_clock.observe(float(AT_MS), now[0] - trip_s / 2, now[0] + trip_s / 2)
        self.sent: list[fc.Command] = []
        self.answer = asyncio.Event()

    async def send(self, command: fc.Command, by: str, *, limit_s: float = 2.0) -> Any:
        self.sent.append(command)
        await answered(self.answer, limit_s)
        raise StreamUnavailableError("away")


async def answered(event: asyncio.Event, limit_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), limit_s)
    except TimeoutError as error:
        raise StreamUnavailableError("no answer") from error


class Process:
    """What a process holds, on a clock that stands still."""

    def __init__(self, tasks: asyncio.TaskGroup, *, trip_s: float = 0.001) -> None:
        self.now = [100.0]
        self.link = Link(self.now, trip_s=trip_s)

        def spawn(work: Coroutine[Any, Any, None]) -> object:
            return tasks.create_task(work)

        self.holdings = Holdings(
            cast("FloorLink", self.link), Calls(), spawn=spawn, clock=lambda: self.now[0], margin_s=0.1
        )

    def granted(
        self, token: int = 7, *, at_ms: int = AT_MS, lease_ms: int = 1_000, guard_ms: int = 0
    ) -> Grant | None:
        event = ev.FloorGranted(
            participant="ada", request_id="r", lease_ms=lease_ms, waited_ms=0, guard_ms=guard_ms
        )
        recorded = entry(event, token, at_ms)
        self.holdings.saw(recorded)
        return self.holdings.add_by_event(recorded, event)


def entry(event: ev.Event, token: int, at_ms: int = AT_MS) -> Recorded:
    return Recorded(
        id=f"{at_ms}-0",
        kind="SYSTEM_SIGNAL",
        type=event.type,
        room=ROOM,
        session="s",
        seq=1,
        prev="",
        source="x",
        at_ms=at_ms,
        occurred_ms=at_ms,
        v=1,
        token=token,
        event=cast("Any", event),
    )


async def test_it_counts_at_once_and_for_half_of_the_lease_by_the_latest_time_that_redis_can_show() -> None:
    async with asyncio.TaskGroup() as tasks:
        process = Process(tasks)
        grant = process.granted(guard_ms=150)
        assert grant is not None
        assert grant.valid()
        assert grant.may_speak_from_s == pytest.approx(100.15)
        assert grant.may_speak_until_s == pytest.approx(100.0 - 0.0005 + 0.5)
        await asyncio.sleep(0.01)
        assert process.link.sent == [fc.Renew(participant="ada", token=7, sounding=False)]
        process.now[0] = 100.5
        assert not grant.valid()
        process.holdings.end_all(OVER)


@pytest.mark.parametrize("late_s", [0.45, 0.6, 5.0])
async def test_an_event_that_was_read_late_counts_for_nothing(late_s: float) -> None:
    async with asyncio.TaskGroup() as tasks:
        process = Process(tasks)
        process.now[0] += late_s
        assert process.granted() is None
        assert process.link.sent == []


async def test_a_server_clock_that_was_set_forward_gives_no_more_than_half_a_lease() -> None:
    async with asyncio.TaskGroup() as tasks:
        process = Process(tasks)
        grant = process.granted(at_ms=AT_MS + 10_000)
        assert grant is not None
        assert grant.may_speak_until_s <= 100.5
        process.holdings.end_all(OVER)


async def test_where_redis_is_far_away_its_answer_is_waited_for() -> None:
    async with asyncio.TaskGroup() as tasks:
        assert Process(tasks, trip_s=0.2).granted() is None
        near = Process(tasks, trip_s=0.05)
        assert near.granted() is not None
        near.holdings.end_all(OVER)


async def test_what_is_over_or_about_to_be_does_not_begin_by_its_event() -> None:
    async with asyncio.TaskGroup() as tasks:
        for told in (
            entry(ev.FloorRevoked(participant="ada", by="eve", held_ms=1, reason="x"), 7),
            entry(ev.FloorRevoking(participant="ada", by="eve", grace_ms=50, reason="x"), 7),
            entry(ev.FloorGranted(participant="bob", request_id="q", lease_ms=1_000, waited_ms=0), 8),
        ):
            process = Process(tasks)
            process.holdings.saw(told)
            assert process.granted() is None
            assert process.holdings.live == ()


async def test_a_revocation_ends_it_before_any_answer() -> None:
    async with asyncio.TaskGroup() as tasks:
        process = Process(tasks)
        grant = process.granted()
        assert grant is not None
        process.holdings.saw(entry(ev.FloorRevoked(participant="ada", by="eve", held_ms=1, reason="cut"), 7))
        assert grant.lost.reason == "cut"
        assert process.holdings.live == ()
        await asyncio.sleep(0.01)
        assert process.link.sent == []  # nothing to take up any more


class Silenced:
    """Two processes of a room; the second one's take-ups are not answered until `let_through`."""

    def __init__(self, first: TalkingStick, second: TalkingStick) -> None:
        self.first, self.second = first, second
        self.queued, self.let_through, self.taken_up = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._send = second._link.send
        second._link.send = self.send  # type: ignore[method-assign]

    async def send(self, command: fc.Command, by: str, **more: Any) -> Any:
        if not isinstance(command, fc.Renew | fc.Confirm):
            return await self._send(command, by, **more)
        await answered(self.let_through, more["limit_s"])
        answer = await self._send(command, by, **more)
        self.taken_up.set()
        return answer

    @asynccontextmanager
    async def in_turn(self, then: Callable[[Grant], Awaitable[None]]) -> AsyncIterator[None]:
        """Have the second process wait for the floor while the first one holds it; then leave it to it."""

        async def next_one() -> None:
            async with self.second.hold(BOB, on_position=lambda _: self.queued.set()) as grant:
                await then(grant)

        async with asyncio.TaskGroup() as tasks:
            async with self.first.hold(ADA):
                tasks.create_task(next_one())
                await self.queued.wait()
            yield


@pytest.fixture
async def silenced(real_redis_url: str, real_redis: Redis) -> AsyncIterator[Silenced]:
    theirs = client_of(real_redis_url)
    settings = FloorSettings(take_up_ms=500, guard_ms=0)
    async with (
        TalkingStick(real_redis, ROOM, settings=settings) as first,
        TalkingStick(theirs, ROOM, margin_ms=20) as second,
    ):
        yield Silenced(first, second)
    await theirs.aclose()


@pytest.mark.real
async def test_the_next_holder_runs_before_its_take_up_is_answered(silenced: Silenced) -> None:
    ran = asyncio.Event()

    async def hold_on(grant: Grant) -> None:
        assert grant.valid()
        assert not silenced.taken_up.is_set()
        silenced.let_through.set()
        await silenced.taken_up.wait()
        await asyncio.sleep(0)
        assert grant.valid()
        assert grant.lease_ms == 2_000
        ran.set()

    async with asyncio.timeout(5), silenced.in_turn(hold_on):
        await ran.wait()


@pytest.mark.real
async def test_a_take_up_that_is_never_answered_leaves_the_floor_to_the_next(silenced: Silenced) -> None:
    async def lose(grant: Grant) -> None:
        assert (await grant.lost).reason == "lease"

    async with (
        asyncio.timeout(5),
        silenced.in_turn(lose),
        silenced.first.hold(ADA) as again,
    ):
        assert again.valid()

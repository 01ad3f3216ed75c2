"""Timers, chair, comings-back, places and acknowledgements as one process uses them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from streams.vocabulary import ParticipantKind
from swarm import floor_commands as fc
from swarm.backchannel_right import BackchannelRight
from swarm.errors import FloorDeniedError, NotPermittedError
from swarm.floor_state import FloorSettings
from swarm.participant import Participant, Priority
from swarm.roster import Roster
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

ROOM = "salon"
QUICK = FloorSettings(lease_ms=900, take_up_ms=600, guard_ms=0, backchannel_ms=400)
ADA, BOB, CLEO = (Participant(name, role="expert") for name in ("ada", "bob", "cleo"))
HOST = Participant("hana", role="host")


@pytest.fixture
async def stick(real_redis: Redis) -> AsyncIterator[TalkingStick]:
    async with TalkingStick(real_redis, ROOM, settings=QUICK, margin_ms=50) as made:
        yield made


@pytest.fixture
async def other(real_redis: Redis) -> AsyncIterator[TalkingStick]:
    """The same floor in another process."""
    async with TalkingStick(real_redis, ROOM, settings=QUICK, margin_ms=50) as made:
        yield made


async def change(stick: TalkingStick, **settings: int) -> None:
    assert await stick.configure(HOST, FloorSettings(**{**QUICK.as_dict(), **settings}))


async def lost_within(grant: Any, s: float) -> Any:
    async with asyncio.timeout(s):
        return await grant.lost


async def until(condition: Any) -> None:
    async with asyncio.timeout(3):
        while not condition():  # noqa: ASYNC110 - what changes is told to a list
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("told", ["nothing", "sounds", "played"])
async def test_a_silent_holder_is_found_by_its_own_renewals(stick: TalkingStick, told: str) -> None:
    await change(stick, silent_ms=300)
    async with stick.hold(ADA) as grant:
        if told == "sounds":
            grant.sounds_while(lambda: True)
        if told == "nothing":
            assert (await lost_within(grant, 1.0)).reason == "silent"
            return
        for _ in range(12):
            await asyncio.sleep(0.05)
            if told == "played":
                grant.played()
        assert grant.valid()


async def test_a_holder_that_is_ahead_of_the_events_still_learns_why(
    stick: TalkingStick, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stick._holdings, "saw", lambda recorded: None)
    await change(stick, silent_ms=300)
    async with stick.hold(ADA) as grant:
        assert (await lost_within(grant, 1.0)).reason == "silent"


async def test_a_turn_ends_with_nobody_waiting(stick: TalkingStick) -> None:
    await change(stick, max_turn_ms=400)
    async with stick.hold(ADA) as grant:
        grant.taken()
        grant.sounds_while(lambda: True)
        assert (await lost_within(grant, 1.0)).reason == "max_turn"


async def test_a_waiter_finds_the_end_of_a_turn_in_time(stick: TalkingStick, other: TalkingStick) -> None:
    await change(stick, lease_ms=3_000, max_turn_ms=200)
    async with stick.hold(ADA) as grant:
        await stick.take(ADA, grant.token)
        began_s = time.monotonic()
        async with other.hold(BOB, timeout_s=2):
            assert time.monotonic() - began_s < 0.6
        assert (await lost_within(grant, 1.0)).reason == "max_turn"


async def test_a_shorter_limit_counts_at_once(stick: TalkingStick, other: TalkingStick) -> None:
    await change(stick, lease_ms=5_000)
    async with stick.hold(ADA) as grant, asyncio.TaskGroup() as tasks:
        await stick.take(ADA, grant.token)
        tasks.create_task(hold_once(other, BOB))
        await queued(stick, "bob")
        await asyncio.sleep(0.06)
        await change(stick, lease_ms=5_000, max_turn_ms=50)
        assert (await lost_within(grant, 0.5)).reason in {"max_turn", "superseded"}


async def hold_once(stick: TalkingStick, who: Participant) -> None:
    async with stick.hold(who):
        pass


async def test_waiters_are_told_their_place_by_events_and_without_a_call(
    stick: TalkingStick, other: TalkingStick, real_redis: Redis
) -> None:
    await change(stick, lease_ms=3_000)
    heard: dict[str, list[int]] = {"bob": [], "cleo": [], "dora": []}

    async def wait_as(on: TalkingStick, name: str, priority: Priority) -> None:
        async with on.hold(
            Participant(name, role="expert"), priority=priority, on_position=heard[name].append
        ):
            pass

    async with asyncio.TaskGroup() as tasks, stick.hold(ADA):
        tasks.create_task(wait_as(other, "bob", Priority.NORMAL))
        await until(lambda: heard["bob"] == [1])
        tasks.create_task(wait_as(stick, "cleo", Priority.LOW))
        await until(lambda: heard["cleo"] == [2])
        tasks.create_task(wait_as(stick, "dora", Priority.URGENT))
        await until(lambda: heard == {"bob": [1, 2], "cleo": [2, 3], "dora": [1]})
        await other.request(Participant("emil"), request_id="emil-asks", priority=Priority.HIGH)
        await until(lambda: heard["bob"][-1] == 3 and heard["cleo"][-1] == 4)
        calls = (await real_redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        await stick.withdraw(Participant("emil"), "emil-asks")
        await until(lambda: heard["bob"][-1] == 2 and heard["cleo"][-1] == 3)
        told = (await real_redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        assert told == calls + 1
    assert heard == {"bob": [1, 2, 3, 2, 1], "cleo": [2, 3, 4, 3, 2, 1], "dora": [1]}


async def test_new_rules_for_the_order_are_asked_for(stick: TalkingStick, other: TalkingStick) -> None:
    await change(stick, lease_ms=3_000, age_step_ms=1)
    heard: list[int] = []
    async with stick.hold(ADA), asyncio.TaskGroup() as tasks:
        await other.request(BOB, request_id="bob-asks", priority=Priority.LOWEST)
        await asyncio.sleep(0.02)
        waiting = tasks.create_task(
            stick.wait_granted(CLEO, await asked(stick, CLEO), on_position=heard.append)
        )
        await until(lambda: heard == [2])
        await change(stick, lease_ms=3_000, age_step_ms=60_000)
        await until(lambda: heard == [2, 1])
        waiting.cancel()


async def asked(stick: TalkingStick, who: Participant) -> str:
    outcome = await stick.request(who, priority=Priority.URGENT)
    assert isinstance(outcome, fc.Queued)
    return outcome.request_id


async def test_the_chair_denies_who_waits(stick: TalkingStick, other: TalkingStick) -> None:
    async with stick.hold(ADA), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(denied(other, BOB))
        await queued(stick, "bob")
        assert await stick.deny(HOST, BOB, reason="not you")
        assert not await stick.deny(HOST, BOB)
        assert await waiting == "not you"


async def queued(stick: TalkingStick, name: str) -> None:
    async with asyncio.timeout(2):
        while not any(each.participant == name for each in (await stick.status()).queue):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def denied(stick: TalkingStick, who: Participant) -> str:
    with pytest.raises(FloorDeniedError) as error:
        async with stick.hold(who):
            pytest.fail("granted")
    return error.value.reason


async def test_the_chair_grants_at_once(stick: TalkingStick, other: TalkingStick) -> None:
    async with other.grants(BOB) as grants, stick.hold(ADA) as held:
        outcome = await stick.grant_to(HOST, "bob", reason="your turn", now=True)
        assert isinstance(outcome, fc.Granted)
        lost = await lost_within(held, 1.0)
        assert (lost.reason, lost.by) in {("your turn", "hana"), ("superseded", "bob")}
        async with asyncio.timeout(1):
            grant = await anext(grants)
        assert (grant.token, grant.reason) == (outcome.token, "your turn")
        assert await stick.grant_to(HOST, "bob") == fc.Unchanged("holds")


async def test_the_muted_lose_what_they_have_and_are_told_why(
    stick: TalkingStick, other: TalkingStick
) -> None:
    async with stick.hold(ADA) as grant:
        right = await other.backchannel(BOB)
        assert isinstance(right, BackchannelRight)
        assert right.valid()
        assert await stick.mute(HOST, BOB)
        await until(lambda: right.ended)
        assert not right.valid()
        assert right.may_speak_until_s < right.may_speak_from_s
        assert await stick.mute(HOST, ADA)
        assert (await lost_within(grant, 1.0)).reason == "muted"
    assert await denied(stick, ADA) == "muted"
    assert (await stick.status()).muted == ("ada", "bob")
    assert await stick.mute(HOST, ADA, muted=False)
    assert not await stick.mute(HOST, ADA, muted=False)
    async with stick.hold(ADA):
        pass


async def test_only_a_chair_denies_grants_and_mutes(stick: TalkingStick) -> None:
    for call in (stick.deny(ADA, "bob"), stick.grant_to(ADA, "bob"), stick.mute(ADA, "bob")):
        with pytest.raises(NotPermittedError):
            await call


async def test_an_acknowledgement_ends_by_itself(stick: TalkingStick, other: TalkingStick) -> None:
    await change(stick, backchannel_ms=150)
    assert await other.backchannel(BOB) == fc.Denied("bob", "", "idle")
    async with stick.hold(ADA):
        before_s = time.monotonic()
        right = await other.backchannel(BOB)
        assert isinstance(right, BackchannelRight)
        assert before_s <= right.may_speak_from_s < right.may_speak_until_s < before_s + 0.15
        assert (await stick.status()).backchannel == "bob"
        await asyncio.sleep(right.may_speak_until_s - time.monotonic() + 0.001)
        assert not right.valid()
        assert not right.ended


async def test_a_preempted_holder_asks_to_come_back(stick: TalkingStick, other: TalkingStick) -> None:
    async with stick.hold(ADA) as first:
        await other.request(CLEO, request_id="cleo-asks", priority=Priority.HIGH)
        assert await other.preempt("paul", first.token)
        await lost_within(first, 1.0)
        waiting: list[int] = []
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(back(stick, first.token, waiting))
            await until(lambda: waiting == [1])
            await other.person_silent("paul")


async def back(stick: TalkingStick, token: int, places: list[int]) -> None:
    async with stick.hold(
        ADA, priority=Priority.LOWEST, resume_token=token, on_position=places.append, timeout_s=2
    ) as grant:
        assert grant.token > token


@pytest.mark.parametrize("chosen", ["by the chair", "for a turn"])
async def test_who_awaits_the_floor_gets_it_when_it_is_chosen(
    stick: TalkingStick, other: TalkingStick, chosen: str
) -> None:
    places: list[int] = []

    async def wait() -> None:
        async with stick.hold(BOB, on_position=places.append, timeout_s=2) as grant:
            assert grant.reason == "you know"
            assert grant.valid()

    async with stick.hold(ADA), asyncio.TaskGroup() as tasks:
        await stick.request(CLEO)
        tasks.create_task(wait())
        await until(lambda: places == [2])
        if chosen == "by the chair":
            found = await other.grant_to(HOST, BOB, reason="you know", now=True)
        else:
            found = await other.request(HOST, on_behalf_of=BOB, priority=Priority.HIGH, reason="you know")
            await other.revoke(HOST)
        assert isinstance(found, fc.Granted | fc.Queued)
        assert found.participant == "bob"


async def test_the_dead_leave_the_floor(stick: TalkingStick, other: TalkingStick, real_redis: Redis) -> None:
    roster = Roster(real_redis, stick.room)
    await roster.join("bob", ParticipantKind.AGENT)
    async with stick.hold(ADA) as grant:
        await stick.request(BOB)
        assert not await other.gone(ADA)  # it renews
        assert not await other.gone(BOB)  # the roster heard of it
        assert grant.valid()
        await roster.leave("bob")
        assert await other.gone(BOB)
    assert not await other.gone(ADA)

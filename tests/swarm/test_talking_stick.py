"""What one process can rely on when it asks for the floor, holds it, hands it on and loses it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import time
from typing import TYPE_CHECKING

import pytest

from streams import events as ev
from streams import keys
from streams.conversation_stream import ConversationStream
from streams.errors import InvalidEventError
from streams.hub import StreamHub
from swarm import floor_commands as fc
from swarm.errors import InvalidCommandError
from swarm.floor_client import FloorState
from swarm.floor_script import FloorScript
from swarm.floor_state import FloorSettings
from swarm.participant import Participant, Priority
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from swarm.grant import Grant, Lost

ROOM = "salon"
QUICK = FloorSettings(lease_ms=900, take_up_ms=400, guard_ms=3_000)
ADA, BOB, CLEO = (Participant(name, role="expert") for name in ("ada", "bob", "cleo"))
HOST = Participant("hana", role="host")


@pytest.fixture
async def stick(redis_client: Redis) -> AsyncIterator[TalkingStick]:
    async with TalkingStick(redis_client, ROOM, settings=QUICK, margin_ms=50) as made:
        yield made


async def types(redis: Redis) -> list[str]:
    return [each.type for each in await ConversationStream(redis, ROOM).read()]


async def idle(stick: TalkingStick) -> bool:
    status = await stick.status()
    return status.state is FloorState.IDLE and not status.queue


async def test_holding_and_letting_go_is_two_calls_and_three_events(
    stick: TalkingStick, redis_client: Redis
) -> None:
    async with stick.hold(ADA, reason="a verse") as grant:
        assert grant.valid()
        assert grant.participant == "ada"
        assert grant.token == stick.token > 1_700_000_000_000_000
        assert grant.may_speak_from_s <= time.monotonic() < grant.may_speak_until_s
    assert not grant.valid()
    assert (grant.may_speak_from_s, grant.may_speak_until_s) == (math.inf, -math.inf)
    assert (await types(redis_client))[1:] == ["FLOOR_REQUESTED", "FLOOR_GRANTED", "FLOOR_RELEASED"]


async def test_an_uncontended_turn_costs_two_script_calls(real_redis: Redis) -> None:
    async with TalkingStick(real_redis, ROOM) as stick:
        async with stick.hold(ADA):
            pass
        while not await real_redis.exists(keys.ROOMS):  # noqa: ASYNC110 - whoever follows a new room lists it
            await asyncio.sleep(0.01)
        before = await real_redis.info("commandstats")
        for _ in range(5):
            async with stick.hold(ADA):
                pass
        after = await real_redis.info("commandstats")
    calls = after["cmdstat_evalsha"]["calls"] - before["cmdstat_evalsha"]["calls"]
    assert calls == 10


async def test_waiters_are_served_in_the_order_they_came(stick: TalkingStick) -> None:
    order: list[str] = []
    holding = 0

    async def turn(who: Participant) -> None:
        nonlocal holding
        async with stick.hold(who):
            holding += 1
            assert holding == 1
            order.append(who.identity)
            await asyncio.sleep(0.005)
            holding -= 1

    names = [f"agent-{n}" for n in range(6)]
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks, stick.hold(ADA):
        for place, name in enumerate(names, start=1):
            tasks.create_task(turn(Participant(name)))
            while len((await stick.status()).queue) < place:  # noqa: ASYNC110 (the state is elsewhere)
                await asyncio.sleep(0.001)
    assert order == names
    assert await idle(stick)


async def test_two_processes_share_one_floor(redis_client: Redis, stick: TalkingStick) -> None:
    async with TalkingStick(redis_client, ROOM) as other, other.hold(BOB) as theirs:
        task = asyncio.ensure_future(_tokens(stick, ADA))  # noqa: TID251 (a test may)
        await asyncio.sleep(0.05)
        assert not task.done()
        await theirs.release()
        (token,) = await asyncio.wait_for(task, 2)
    assert token > theirs.token


async def _tokens(stick: TalkingStick, who: Participant) -> list[int]:
    async with stick.hold(who) as grant:
        return [grant.token]


async def test_renewal_keeps_a_grant_alive_without_events(stick: TalkingStick, redis_client: Redis) -> None:
    async with stick.hold(ADA) as grant:
        before = await types(redis_client)
        await asyncio.sleep(QUICK.lease_ms / 1000 + 0.1)
        assert grant.valid()
        await stick.tick()
        assert await types(redis_client) == before


async def test_not_granted_in_time_is_withdrawn(stick: TalkingStick, redis_client: Redis) -> None:
    async with stick.hold(BOB):
        with pytest.raises(TimeoutError):
            async with stick.hold(ADA, timeout_s=0.05):
                pytest.fail("granted")
        assert (await stick.status()).queue == ()
    assert "FLOOR_WITHDRAWN" in await types(redis_client)


async def test_the_body_s_own_error_comes_out_as_it_is_and_the_next_one_waits_out_the_tail(
    stick: TalkingStick,
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with stick.hold(ADA):
            _ = 1 / 0
    before_s = time.monotonic()
    async with stick.hold(BOB) as grant:
        assert before_s + 1 < grant.may_speak_from_s <= time.monotonic() + 3


async def test_a_person_takes_the_floor_once_told_so_and_the_holder_learns_it(stick: TalkingStick) -> None:
    ended: list[Lost] = []
    async with stick.hold(ADA) as grant:
        grant.on_lost(ended.append)
        assert await stick.person_speaking("paul")
        assert grant.valid()
        assert not await stick.preempt("paul", grant.token - 1)
        assert await stick.preempt("paul", grant.token, reason="stop")
        lost = await asyncio.wait_for(grant.lost.wait(), 1)
        assert (lost.by, lost.reason) == ("paul", "stop")
        assert ended == [lost]
        assert not grant.valid()
        assert not await stick.preempt("paul", grant.token)
        assert (await stick.status()).people == ("paul",)
        await stick.person_silent("paul")
    assert await idle(stick)


async def test_preempting_soon_does_not_wait(stick: TalkingStick) -> None:
    async with stick.hold(ADA) as grant:
        stick.preempt_soon("paul", grant.token, "stop")
        assert grant.valid()
        assert (await asyncio.wait_for(grant.lost.wait(), 1)).by == "paul"


async def test_urgent_cuts_in_on_the_token_it_saw(stick: TalkingStick) -> None:
    async with stick.hold(ADA) as grant:
        before_s = time.monotonic()
        async with stick.hold(BOB, priority=Priority.URGENT, observed_token=stick.token) as urgent:
            lost = await grant.lost
            assert lost.by == "bob"
            assert urgent.token > grant.token
            assert urgent.may_speak_from_s - before_s > QUICK.guard_ms / 1000
        assert not await grant.release()


async def test_a_role_caps_what_may_be_asked_for(stick: TalkingStick, redis_client: Redis) -> None:
    guest = Participant("gus", role="guest")
    async with stick.hold(ADA, priority=Priority.HIGH) as grant:
        outcome = await stick.request(guest, priority=Priority.URGENT, observed_token=grant.token)
        assert isinstance(outcome, fc.Queued)
        assert grant.valid()
    requested = [
        each.event
        for each in await ConversationStream(redis_client, ROOM).read()
        if isinstance(each.event, ev.FloorRequested)
    ]
    assert requested[-1].priority == Priority.NORMAL


async def test_a_grant_made_for_an_agent_reaches_it_whoever_asked(stick: TalkingStick) -> None:
    async with stick.grants(BOB) as grants:
        outcome = await stick.request(HOST, on_behalf_of=BOB, request_id="turn:1", reason="addressed")
        assert isinstance(outcome, fc.Granted)
        again = await stick.request(HOST, on_behalf_of=ADA, request_id="turn:1")
        assert isinstance(again, fc.Granted)
        assert (again.participant, again.token) == ("bob", outcome.token)
        grant = await asyncio.wait_for(anext(grants), 1)
        assert (grant.token, grant.request_id, grant.reason) == (outcome.token, "turn:1", "addressed")
        await asyncio.sleep(0.5)
        assert grant.valid()
        assert await grant.release()
        task = asyncio.ensure_future(anext(grants))  # noqa: TID251 (a test may)
        async with stick.hold(BOB):  # somebody waits for this one elsewhere
            await asyncio.sleep(0.03)
            assert not task.done()
        await stick.request(BOB)
        mine = await asyncio.wait_for(task, 1)
        assert mine.token > grant.token
    assert mine.lost.is_set()
    assert await idle(stick)


async def test_a_hand_over_reaches_the_one_it_names(stick: TalkingStick, redis_client: Redis) -> None:
    async with stick.grants(BOB) as grants, stick.hold(ADA) as grant:
        assert await grant.release(to="bob")
        theirs = await asyncio.wait_for(anext(grants), 1)
        assert theirs.valid()
    assert (await types(redis_client))[3:7] == [
        "FLOOR_RELEASED",
        "FLOOR_REQUESTED",
        "FLOOR_QUEUED",
        "FLOOR_GRANTED",
    ]


async def test_handing_over_to_oneself_or_to_no_name_changes_nothing(stick: TalkingStick) -> None:
    async with stick.hold(ADA) as grant:
        with pytest.raises(InvalidCommandError):
            await grant.release(to="ada")
        with pytest.raises(InvalidEventError):
            await grant.release(to="no name")
        assert grant.valid()


async def test_a_grant_nobody_takes_up_is_passed_on(stick: TalkingStick) -> None:
    await stick.request(HOST, on_behalf_of="a-dead-agent")
    started_s = time.monotonic()
    async with stick.hold(ADA, timeout_s=5):
        assert 0.1 < time.monotonic() - started_s < 0.2 + 1.0


async def test_an_iterator_that_is_gone_takes_up_nothing(stick: TalkingStick) -> None:
    stick.grants(BOB)
    await asyncio.sleep(0.02)
    gc.collect()
    await stick.request(HOST, on_behalf_of=BOB)
    await asyncio.sleep(QUICK.take_up_ms / 1000 + 0.05)
    assert await idle(stick)


async def test_a_dead_holder_is_followed_within_the_lease(redis_client: Redis, stick: TalkingStick) -> None:
    script = FloorScript(redis_client, ROOM, QUICK)
    await script.run(fc.Request(participant="a-dead-agent", request_id="r"), "a-dead-agent")
    started_s = time.monotonic()
    async with asyncio.timeout(3), stick.hold(ADA) as grant:
        assert time.monotonic() - started_s < 0.4 + 1.0
        assert grant.may_speak_from_s > time.monotonic()  # the dead one's tail may still be out
    assert "FLOOR_EXPIRED" in await types(redis_client)


async def test_a_grant_that_is_not_renewed_is_lost_to_a_higher_token(
    redis_client: Redis, stick: TalkingStick
) -> None:
    async with stick.hold(ADA) as grant:
        script = FloorScript(redis_client, ROOM, QUICK)
        await script.run(fc.Revoke(by="chair"), "chair")
        await stick.request(BOB)
        lost = await asyncio.wait_for(grant.lost.wait(), 1)
        assert lost.reason in ("revoked", "superseded")


async def test_first_audio_is_told_once_and_without_waiting(stick: TalkingStick, redis_client: Redis) -> None:
    async with stick.hold(ADA) as grant:
        grant.taken()
        grant.taken()
        await asyncio.sleep(0.05)
    assert (await types(redis_client)).count("FLOOR_TAKEN") == 1


async def test_a_shared_hub_serves_many_rooms_and_sticks(redis_client: Redis) -> None:
    async with StreamHub(redis_client) as hub, contextlib.AsyncExitStack() as stack:
        sticks = [
            await stack.enter_async_context(TalkingStick(redis_client, f"room-{n}", hub=hub))
            for n in range(3)
        ]
        held: list[Grant] = [await stack.enter_async_context(each.hold(ADA)) for each in sticks]
        assert all(grant.valid() for grant in held)

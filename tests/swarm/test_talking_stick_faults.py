"""What is left behind when a holder is cancelled anywhere, or Redis goes away: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from streams import events as ev
from streams.connection import redis_client as client_of
from streams.conversation_stream import ConversationStream
from swarm import floor_commands as fc
from swarm.floor_client import FloorState
from swarm.floor_script import FloorScript
from swarm.floor_state import FloorSettings
from swarm.grant import Grant
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick
from tests.swarm.cut_wire import CutWire

if TYPE_CHECKING:
    from redis.asyncio import Redis

ROOM = "den"
QUICK = FloorSettings(lease_ms=900, take_up_ms=600, guard_ms=0)
PATIENT = FloorSettings(lease_ms=20_000, take_up_ms=20_000, guard_ms=0)
"""Nothing lapses here, so what is free again was given back."""
ADA, BOB = Participant("ada"), Participant("bob")


async def cancelled_after(
    steps: int, stick: TalkingStick, who: Participant, *, quietly: bool = False
) -> bool:
    """Cancel a holder after so many turns of the event loop; True where it had ended by itself before."""

    async def turn() -> None:
        async with stick.hold(who):
            for _ in range(3):
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(turn())
        for _ in range(steps):
            if task.done():
                return True
            await asyncio.sleep(0)
        task.cancel()
    return False


async def assert_nothing_left(stick: TalkingStick) -> None:
    status = await stick.status()
    assert status.state is FloorState.IDLE, status
    assert status.queue == ()
    assert not stick._holdings.live
    assert not stick._waiters._waiting


@pytest.mark.parametrize("contended", [False, True])
async def test_cancelling_a_holder_at_any_step_leaves_nothing(redis_client: Redis, contended: bool) -> None:
    """Every turn of the loop from the first call to the end of the release is a place to be cancelled at."""
    async with TalkingStick(redis_client, ROOM, settings=PATIENT) as stick:
        async with stick.hold(BOB):
            pass
        steps, done = 0, False
        while not done and steps < 400:
            if contended:
                async with stick.hold(BOB):
                    await cancelled_after(steps, stick, ADA)
                done = steps > 30
            else:
                done = await cancelled_after(steps, stick, ADA)
            await assert_nothing_left(stick)
            steps += 1
        assert done
        found = await ConversationStream(redis_client, ROOM).read()
    assert [each.seq for each in found] == list(range(1, len(found) + 1))
    granted = [each.token for each in found if isinstance(each.event, ev.FloorGranted)]
    released = [each.token for each in found if isinstance(each.event, ev.FloorReleased)]
    assert granted == released  # none of them was left to lapse


async def test_cancelling_between_grant_and_take_up_passes_the_floor_on(redis_client: Redis) -> None:
    async with TalkingStick(redis_client, ROOM, settings=PATIENT) as stick:
        for steps in range(0, 40, 2):
            async with asyncio.TaskGroup() as tasks:
                async with stick.hold(BOB):
                    waiting = tasks.create_task(_hold_briefly(stick, ADA))
                    await asyncio.sleep(0.01)
                for _ in range(steps):
                    await asyncio.sleep(0)
                waiting.cancel()
            await assert_nothing_left(stick)


async def _hold_briefly(stick: TalkingStick, who: Participant) -> None:
    async with stick.hold(who):
        await asyncio.sleep(0)


async def test_no_connection_and_no_task_is_leaked_by_cancelling(real_redis: Redis) -> None:
    async with TalkingStick(real_redis, ROOM, settings=QUICK) as stick:
        for steps in range(0, 60, 3):
            await cancelled_after(steps, stick, ADA)
        await asyncio.sleep(0.05)
        tasks = len(asyncio.all_tasks())
        clients = len(await real_redis.client_list())
        for steps in range(0, 120, 3):
            await cancelled_after(steps % 60, stick, ADA)
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == tasks
        assert len(await real_redis.client_list()) <= clients + 4  # 40 were cut off; some are being closed


async def test_a_grant_lapses_by_itself_when_redis_is_away_and_says_so_once() -> None:
    server = FakeServer()
    redis = FakeAsyncRedis(server=server, decode_responses=True)
    lost: list[str] = []
    async with TalkingStick(redis, ROOM, settings=QUICK) as stick:
        async with stick.hold(ADA) as grant:
            grant.on_lost(lambda how: lost.append(how.reason))
            server.connected = False
            left_s = grant.may_speak_until_s - time.monotonic()
            how = await asyncio.wait_for(grant.lost.wait(), left_s + 0.1)
            assert how.reason == "lease"
            assert not grant.valid()
        assert lost == ["lease"]
        server.connected = True
        async with asyncio.timeout(3), stick.hold(BOB) as next_grant:
            assert next_grant.token > grant.token
    await redis.aclose()


async def test_a_waiter_outlasts_a_redis_that_goes_and_comes_back() -> None:
    server = FakeServer()
    redis = FakeAsyncRedis(server=server, decode_responses=True)
    async with TalkingStick(redis, ROOM, settings=QUICK) as stick:
        script = FloorScript(redis, ROOM, QUICK)
        await script.run(fc.Request(participant="a-dead-agent", request_id="r"), "a-dead-agent")
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(_hold_briefly(stick, ADA))
            await asyncio.sleep(0.05)
            server.connected = False
            await asyncio.sleep(0.4)
            assert not waiting.done()
            server.connected = True
            await asyncio.wait_for(asyncio.shield(waiting), 3)
    await redis.aclose()


async def test_leaving_the_stick_gives_everything_back(redis_client: Redis) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stick = await stack.enter_async_context(TalkingStick(redis_client, ROOM, settings=QUICK))
        grants = stick.grants(BOB)
        await stick.request(BOB)
        grant = await asyncio.wait_for(anext(grants), 1)
    assert grant.lost.reason == "stick closed"
    with pytest.raises(StopAsyncIteration):
        await anext(grants)
    floor = await FloorScript(redis_client, ROOM, QUICK).read()
    assert floor.hold is None


async def test_leaving_while_redis_is_away_ends_in_time() -> None:
    server = FakeServer()
    redis = FakeAsyncRedis(server=server, decode_responses=True)
    started_s = time.monotonic()
    async with contextlib.AsyncExitStack() as stack:
        stick = await stack.enter_async_context(TalkingStick(redis, ROOM, settings=QUICK))
        await stack.enter_async_context(stick.hold(ADA))
        server.connected = False
    assert time.monotonic() - started_s < 2
    server.connected = True
    await redis.aclose()


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_release_whose_connection_is_lost_is_made_again_beside_the_caller(
    real_redis: Redis, real_redis_url: str, arrives: bool
) -> None:
    async with (
        CutWire(real_redis_url).laid() as wire,
        TalkingStick(real_redis, ROOM, settings=PATIENT) as other,
    ):
        redis = client_of(wire.url)
        async with TalkingStick(redis, ROOM, settings=PATIENT) as stick:
            for times in (1, 3):
                async with stick.hold(ADA) as grant:
                    wire.cut("release", arrives=arrives, times=times)
                    assert not await grant.release()
                async with asyncio.timeout(2), other.hold(BOB) as next_grant:
                    assert next_grant.token > grant.token
                await stick._spawning.settle(2)
            assert wire.cuts == 4
        await redis.aclose()
        released = [
            each.token
            for each in await ConversationStream(real_redis, ROOM).read()
            if isinstance(each.event, ev.FloorReleased)
        ]
    assert len(released) == len(set(released)) == 4


async def test_a_release_is_tried_no_longer_than_the_lease_may_last() -> None:
    server = FakeServer()
    redis = FakeAsyncRedis(server=server, decode_responses=True)
    async with TalkingStick(redis, ROOM, settings=QUICK) as stick:
        async with stick.hold(ADA) as grant:
            server.connected = False
            assert not await grant.release()
            assert stick._spawning._loose_ends
        await asyncio.sleep(QUICK.lease_ms / 1000 + 0.05)
        assert not stick._spawning._loose_ends
        server.connected = True
    await redis.aclose()


async def test_a_redis_that_forgot_everything_is_asked_again(real_redis: Redis) -> None:
    async with TalkingStick(real_redis, ROOM, settings=QUICK) as stick:
        async with stick.hold(BOB) as grant:
            await real_redis.flushall()
            assert (await asyncio.wait_for(grant.lost.wait(), 1)).reason in ("stale", "lease")
        async with asyncio.timeout(2), stick.hold(ADA) as fresh:
            assert fresh.token > grant.token


async def test_scripts_that_the_server_forgot_are_loaded_again(real_redis: Redis) -> None:
    async with TalkingStick(real_redis, ROOM, settings=QUICK) as stick:
        await real_redis.script_flush()
        async with stick.hold(ADA):
            await real_redis.script_flush()


class Calls:
    """Takes what a grant asks of its stick."""

    def __init__(self) -> None:
        self.given_back: list[int] = []

    async def give_back(self, grant: Grant, **_: Any) -> bool:
        self.given_back.append(grant.token)
        return True

    def report_first_audio(self, grant: Grant) -> None: ...


def made(now: list[float], **more: Any) -> Grant:
    granted = fc.Granted(
        "ada", "r", 7, **{"remaining_ms": 2000, "guard_ms": 0, "lease_ms": 2000, **more}, confirmed=True
    )
    return Grant(granted, calls=Calls(), clock=lambda: now[0], sent_s=9.9, received_s=10.0, margin_s=0.1)


def test_the_local_deadline_counts_from_before_the_call() -> None:
    now = [10.0]
    grant = made(now, guard_ms=200)
    assert grant.may_speak_until_s == pytest.approx(9.9 + 2.0 - 0.1)
    assert grant.may_speak_from_s == pytest.approx(10.2)
    now[0] = 11.79
    assert grant.valid()
    now[0] = 11.81
    assert not grant.valid()


def test_a_lapse_is_final_whatever_redis_says_later() -> None:
    now = [10.0]
    grant = made(now)
    renewed = fc.Granted("ada", "r", 7, 2000, 0, 2000, confirmed=True)
    now[0] = 11.0
    assert grant.extend(renewed, sent_s=10.9)
    assert grant.may_speak_until_s == pytest.approx(12.8)
    now[0] = 13.0
    assert not grant.extend(renewed, sent_s=12.0)
    assert grant.lost.reason == "lease"
    assert (grant.may_speak_from_s, grant.may_speak_until_s) == (math.inf, -math.inf)


def test_a_grace_ends_the_right_to_speak_earlier_and_never_later() -> None:
    now = [10.0]
    grant = made(now)
    grant.shorten(10.5)
    grant.shorten(99.0)
    assert grant.may_speak_until_s == 10.5


async def test_a_lapse_that_was_noticed_here_first_is_told_to_redis() -> None:
    now = [10.0]
    grant = made(now)
    now[0] = 13.0
    assert not grant.extend(fc.Granted("ada", "r", 7, 2000, 0, 2000, confirmed=True), sent_s=12.0)
    assert await grant.release()
    assert not await grant.release()


async def test_a_grant_is_given_back_once() -> None:
    now = [10.0]
    grant = made(now)
    assert await grant.release()
    assert not await grant.release()
    assert (await grant.lost).reason == "released"
    late: list[str] = []
    grant.on_lost(lambda how: late.append(how.reason))
    assert late == ["released"]

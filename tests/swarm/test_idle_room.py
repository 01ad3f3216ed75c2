"""A room where nothing happens is closed in time by whichever process watches it, and nobody polls."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from streams import events as ev
from streams.conversation_stream import ConversationStream
from swarm import floor_commands as fc
from swarm.floor_script import FloorScript
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from redis.asyncio import Redis

ROOM = "lounge"
IDLE_MS = 150
IDLE = FloorSettings(room_idle_ms=IDLE_MS)
ADA, HOST = Participant("ada"), Participant("hana", role="host")


async def closings(redis: Redis) -> list[Any]:
    return [each for each in await ConversationStream(redis, ROOM).read() if each.type == "ROOM_CLOSED"]


async def closed(redis: Redis, times: int = 1) -> None:
    async with asyncio.timeout(2):
        while len(await closings(redis)) < times:  # noqa: ASYNC110 - nobody here may touch the floor
            await asyncio.sleep(0.02)


async def turn(stick: TalkingStick) -> None:
    async with stick.hold(ADA):
        pass


async def test_it_is_closed_by_who_used_it_last(real_redis: Redis) -> None:
    async with TalkingStick(real_redis, ROOM, settings=IDLE) as stick:
        for times in (1, 2):
            await turn(stick)
            released = (await ConversationStream(real_redis, ROOM).read())[-1]
            await closed(real_redis, times)
            idle_ms = (await closings(real_redis))[-1].at_ms - released.at_ms
            assert IDLE_MS <= idle_ms < IDLE_MS + 150


async def test_it_is_closed_by_who_only_watches_when_the_others_have_left(real_redis: Redis) -> None:
    async with TalkingStick(real_redis, ROOM):
        async with TalkingStick(real_redis, ROOM, settings=IDLE) as stick:
            await turn(stick)
        await closed(real_redis)
    async with TalkingStick(real_redis, ROOM) as late:
        await FloorScript(real_redis, ROOM, IDLE).run(fc.Request(participant="bob", request_id="b"), "bob")
        assert await late.revoke(HOST)
        await closed(real_redis, 2)


async def test_a_dead_holder_does_not_keep_it_open(real_redis: Redis) -> None:
    quick = FloorSettings(room_idle_ms=IDLE_MS, lease_ms=100)
    async with TalkingStick(real_redis, ROOM, settings=quick):
        await FloorScript(real_redis, ROOM, quick).run(fc.Request(participant="bob", request_id="b"), "bob")
        await closed(real_redis)


async def test_the_limit_may_be_set_while_the_room_is_live(real_redis: Redis) -> None:
    async with TalkingStick(real_redis, ROOM) as watching, TalkingStick(real_redis, ROOM) as stick:
        await turn(stick)
        await stick.configure(HOST, {"room_idle_ms": IDLE_MS})
        await closed(real_redis)
        assert watching.token


@pytest.mark.parametrize("idle_ms", [0, 60_000])
async def test_nobody_asks_redis_before_it_is_due(real_redis: Redis, idle_ms: int) -> None:
    settings = FloorSettings(room_idle_ms=idle_ms)
    async with TalkingStick(real_redis, ROOM, settings=settings) as stick, TalkingStick(real_redis, ROOM):
        await turn(stick)
        await asyncio.sleep(0.05)
        before = (await real_redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        await asyncio.sleep(0.1)
        after = (await real_redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        assert after == before


async def test_a_floor_that_is_held_is_not_looked_after_however_short_the_limit(real_redis: Redis) -> None:
    settings = FloorSettings(room_idle_ms=1)
    async with TalkingStick(real_redis, ROOM, settings=settings) as stick:
        async with stick.hold(ADA):
            await asyncio.sleep(0.1)
            before = (await real_redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
            await asyncio.sleep(0.15)
            after = (await real_redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
            assert after == before
        await closed(real_redis)


async def test_one_process_of_many_closes_it_once(real_redis: Redis) -> None:
    sticks = [TalkingStick(real_redis, ROOM, settings=IDLE) for _ in range(4)]
    async with sticks[0], sticks[1], sticks[2], sticks[3]:
        await turn(sticks[0])
        started_s = time.monotonic()
        await closed(real_redis)
        assert time.monotonic() - started_s < 1
        await asyncio.sleep(0.08)
        assert len(await closings(real_redis)) == 1
        assert not any(isinstance(each.event, ev.RoomOpened) for each in (await entries(real_redis))[1:])


async def entries(redis: Redis) -> list[Any]:
    return await ConversationStream(redis, ROOM).read()

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis as PlainRedis

from streams import ConversationStream, StreamHub, events
from streams.background import Background
from streams.connection import block_ms, end_if_cancelled, retries_by_itself, until_available
from streams.connection import redis_client as client_of
from streams.errors import StreamUnavailableError

if TYPE_CHECKING:
    from redis.asyncio import Redis

SEED = 7


async def test_a_loop_of_commands_always_ends_when_cancelled(real_redis: Redis) -> None:
    async def ask() -> None:
        while True:
            await real_redis.ping()

    chance = random.Random(SEED)
    for _ in range(300):
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            task = group.create_task(ask())
            for _ in range(chance.randrange(1, 40)):
                await asyncio.sleep(0)
            task.cancel()
    assert await real_redis.echo("in step") == "in step"


async def test_a_client_that_loses_cancellations_is_ended_all_the_same(real_redis_url: str) -> None:
    plain = PlainRedis.from_url(real_redis_url, socket_timeout=5.0)

    async def ask() -> None:
        while True:
            end_if_cancelled()
            await plain.ping()

    chance = random.Random(SEED)
    for _ in range(200):
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            task = group.create_task(ask())
            for _ in range(chance.randrange(1, 40)):
                await asyncio.sleep(0)
            task.cancel()
    for _ in range(20):
        async with asyncio.timeout(5), StreamHub(plain):
            for _ in range(chance.randrange(1, 40)):
                await asyncio.sleep(0)
    await plain.aclose()


async def test_a_call_that_times_out_does_not_put_the_next_ones_out_of_step(real_redis: Redis) -> None:
    patient = ConversationStream(real_redis, "lobby")
    stream = ConversationStream(real_redis, "lobby", timeout_s=0.03)
    await patient.publish(events.RoomClosed(reason="0"), source="x")
    await real_redis.execute_command("CLIENT", "PAUSE", "120")
    for _ in range(2):
        with pytest.raises(StreamUnavailableError):
            await stream.publish(events.RoomClosed(reason="paused"), source="x")
    recorded = await patient.publish(events.RoomClosed(reason="1"), source="x")
    assert recorded.event == events.RoomClosed(reason="1")
    assert (await patient.read())[-1] == recorded


async def test_waiting_for_redis_bounds_each_attempt_and_repeats_it() -> None:
    attempts = 0

    async def answer() -> str:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await asyncio.sleep(10)
        if attempts == 2:
            raise ConnectionRefusedError
        return "here"

    async with asyncio.timeout(5):
        assert await until_available(answer, 0.01) == "here"
    assert attempts == 3


async def test_blocking_reads_stay_within_the_socket_timeout() -> None:
    assert block_ms(client_of("redis://127.0.0.1:1/0", socket_timeout=3.0)) == 1500
    assert block_ms(client_of("redis://127.0.0.1:1/0", socket_timeout=None)) == 10_000
    assert not retries_by_itself(client_of("redis://127.0.0.1:1/0"))
    assert retries_by_itself(PlainRedis())


async def test_a_background_task_that_fails_ends_the_body_with_its_own_error() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("in the task")

    with pytest.raises(RuntimeError, match="in the task"):
        async with Background(fail, name="failing"):
            await asyncio.sleep(10)


async def test_a_background_task_ends_with_a_body_that_is_cancelled() -> None:
    ended = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.set()

    async def body() -> None:
        async with Background(wait, name="waiting"):
            await asyncio.sleep(10)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(body())
        await asyncio.sleep(0.01)
        task.cancel()
    assert task.cancelled()
    assert ended.is_set()

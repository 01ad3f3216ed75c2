from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnectionError
from redis.exceptions import ResponseError

from streams.connection import redis_client as client_of
from streams.kept_connections import MOST_KEPT
from streams.script_call import ScriptCall

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis

    from tests.restartable_redis import RestartableRedis

ECHO = "return {KEYS[1], ARGV[1], ARGV[2]}"
BUSY = """
local begun = redis.call('TIME')
repeat
  local now = redis.call('TIME')
until (now[1] - begun[1]) * 1000000 + now[2] - begun[2] > 20000
return {KEYS[1], ARGV[1], ARGV[2]}
"""


@pytest.fixture
async def other(real_redis_url: str) -> AsyncGenerator[Redis]:
    """A client beside the one under test."""
    redis = client_of(real_redis_url)
    yield redis
    await redis.aclose()


async def cut_off(other: Redis) -> None:
    """Close every connection to the server but one."""
    await other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


async def test_any_client_gives_the_same_reply(redis_client: Redis) -> None:
    call = ScriptCall(redis_client, ECHO, ["key:é"])
    for _ in range(3):
        assert await call("", '{"says": "naïve\r\n$5"}') == ["key:é", "", '{"says": "naïve\r\n$5"}']


async def test_keys_of_one_call_come_after_those_of_all_also_where_the_script_was_forgotten(
    redis_client: Redis,
) -> None:
    call = ScriptCall(redis_client, "return {KEYS[1], KEYS[#KEYS], ARGV[1] or ''}", ["{k}"])
    assert await call() == ["{k}", "{k}", ""]
    assert await call("a", more_keys=["{k}1", "{k}é"]) == ["{k}", "{k}é", "a"]
    await redis_client.script_flush()
    assert await call("é", more_keys=["{k}1"]) == ["{k}", "{k}1", "é"]


async def test_bytes_that_are_no_text_come_back_as_they_were(real_redis: Redis) -> None:
    call = ScriptCall(real_redis, ECHO, ["key"])
    assert await call("\udcff", "x") == ["key", "\udcff", "x"]


async def test_a_script_that_the_server_forgot_is_loaded_again(real_redis: Redis) -> None:
    call = ScriptCall(real_redis, ECHO, ["key"])
    await call("1", "2")
    await real_redis.script_flush()
    assert await call("3", "4") == ["key", "3", "4"]


async def test_an_error_of_the_server_leaves_the_connection_usable(real_redis: Redis) -> None:
    broken = ScriptCall(real_redis, "return redis.call('HGET', KEYS[1], ARGV[1])", ["key"])
    await real_redis.set("key", "no hash")
    for _ in range(2):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await broken("field")
    await real_redis.delete("key")
    assert await broken("field") is None


async def test_more_calls_at_once_than_connections_each_get_their_own_reply(
    real_redis: Redis, other: Redis
) -> None:
    call = ScriptCall(real_redis, ECHO, ["key"])
    numbers = [str(n) for n in range(20 * MOST_KEPT)]
    replies = await asyncio.gather(*(call(number, "x") for number in numbers))
    assert [reply[1] for reply in replies] == numbers
    assert len(await other.client_list()) <= MOST_KEPT + 2


async def test_a_connection_closed_between_calls_is_made_again(real_redis: Redis, other: Redis) -> None:
    call = ScriptCall(real_redis, ECHO, ["key"])
    await call("1", "2")
    await cut_off(other)
    await asyncio.sleep(0.01)
    assert await call("3", "4") == ["key", "3", "4"]


async def test_a_server_that_was_started_anew_unnoticed_gets_the_call(server: RestartableRedis) -> None:
    redis = client_of(server.url)
    call = ScriptCall(redis, ECHO, ["key"])
    await call("1", "2")
    for number in "34":
        server.kill()
        server.start()
        assert await call(number, "x") == ["key", number, "x"]
    server.kill()
    with pytest.raises(LostConnectionError):
        await call("5", "x")
    await redis.aclose()


async def test_a_connection_lost_amid_a_call_is_an_error_and_the_next_call_works(
    real_redis: Redis, other: Redis
) -> None:
    waits = ScriptCall(real_redis, ECHO, ["key"])
    await waits("1", "2")
    await other.client_pause(60, all=True)
    async with asyncio.TaskGroup() as tasks:
        lost = tasks.create_task(failing(waits))
        await asyncio.sleep(0.02)
        await close_sockets(real_redis)
    assert isinstance(lost.result(), LostConnectionError)
    assert await waits("3", "4") == ["key", "3", "4"]


async def test_a_client_that_repeats_by_itself_repeats(real_redis_url: str, other: Redis) -> None:
    redis = client_of(real_redis_url, retry=Retry(NoBackoff(), 2))
    call = ScriptCall(redis, ECHO, ["key"])
    await call("1", "2")
    await other.client_pause(60, all=True)
    async with asyncio.TaskGroup() as tasks:
        repeated = tasks.create_task(call("3", "4"))
        await asyncio.sleep(0.02)
        await close_sockets(redis)
    assert repeated.result() == ["key", "3", "4"]
    await redis.aclose()


async def test_a_cancelled_call_leaves_no_reply_to_the_next(real_redis: Redis) -> None:
    busy = ScriptCall(real_redis, BUSY, ["key"])
    call = ScriptCall(real_redis, ECHO, ["key"])
    await busy("warm", "up")
    for n in range(MOST_KEPT + 2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                await busy("never", "seen")
        assert await call(str(n), "x") == ["key", str(n), "x"]


async def failing(call: ScriptCall) -> BaseException | None:
    try:
        await call("never", "answered")
    except LostConnectionError as error:
        return error
    return None


async def close_sockets(redis: Redis) -> None:
    """Close what the client has open, as a network that breaks does."""
    pool: Any = redis.connection_pool
    for connection in tuple(pool._in_use_connections):
        if connection._writer is not None:
            connection._writer.transport.abort()

"""How the record talks to Redis: the client's settings, what counts as its absence, and waiting for it."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, TypeVar, cast

from redis import exceptions
from redis.asyncio import RedisCluster

from streams.redis_clients import TIMEOUT_S, redis_client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

T = TypeVar("T")

__all__ = (
    "TIMEOUT_S",
    "UNAVAILABLE",
    "backoff_s",
    "block_ms",
    "end_if_cancelled",
    "redis_client",
    "retries_by_itself",
    "server_time_ms",
    "until_available",
    "worth_waiting",
)

UNAVAILABLE = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.ClusterError,
    exceptions.TryAgainError,
    exceptions.OutOfMemoryError,
    TimeoutError,
    OSError,
)
"""Errors of a server that is away, starting, full, or no longer the primary: worth waiting for."""

_PASSING = ("NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "OOM ")
"""How refusals begin for which redis-py has no class, or whose class a script hides."""


def end_if_cancelled() -> None:
    """Raise CancelledError where this task was cancelled: other clients may have swallowed that.

    For loops that ask Redis again and again.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def retries_by_itself(redis: Redis) -> bool:
    """Whether the client sends a command again after a lost connection."""
    retry = redis.get_retry() if hasattr(redis, "get_retry") else cast("Any", redis).retry
    return retry is not None and retry.get_retries() > 0


def block_ms(redis: Redis) -> int:
    """How long a blocking read of this client may wait: well within its socket timeout."""
    socket_timeout_s = redis.get_connection_kwargs().get("socket_timeout")
    return 10_000 if not socket_timeout_s else max(100, int(socket_timeout_s * 500))


def worth_waiting(error: BaseException) -> bool:
    """Whether the same request may well succeed later."""
    return isinstance(error, UNAVAILABLE) or str(error).lstrip("-").startswith(_PASSING)


async def server_time_ms(redis: Redis, key: str) -> float:
    """Return what the clock of the server that keeps `key` shows: each node of a Cluster has its own.

    Raises:
        redis.exceptions.RedisError: as the client does.
    """
    where: dict[str, Any] = {}
    client = cast("Any", redis)
    if isinstance(client, RedisCluster):
        await client.initialize()
        where["target_nodes"] = client.get_node_from_key(key)
    seconds, micros = await client.execute_command("TIME", **where)
    return int(seconds) * 1000 + int(micros) / 1000


def backoff_s(first_s: float = 0.05, longest_s: float = 2.0) -> Iterator[float]:
    """Waits between attempts: doubled up to `longest_s`, each shortened at random by up to a half."""
    delay_s = first_s
    while True:
        yield delay_s * random.uniform(0.5, 1.0)
        delay_s = min(delay_s * 2, longest_s)


async def until_available(request: Callable[[], Awaitable[T]], limit_s: float) -> T:
    """Return what `request` returns, asked again while Redis is away; `limit_s` bounds each attempt.

    The request has to be harmless to repeat.

    Raises:
        redis.exceptions.RedisError: a refusal that waiting does not cure.
    """
    delays = backoff_s()
    while True:
        end_if_cancelled()
        try:
            async with asyncio.timeout(limit_s):
                return await request()
        except (*UNAVAILABLE, exceptions.ResponseError) as error:
            if not worth_waiting(error):
                raise
            delay_s = next(delays)
            logger.info(
                "streams.waiting_for_redis",
                extra={"reason": str(error) or type(error).__name__, "delay_s": delay_s},
            )
            await asyncio.sleep(delay_s)

"""How the record talks to Redis: the client's settings, what counts as its absence, and waiting for it."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, TypeVar, cast

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

logger = logging.getLogger(__name__)

T = TypeVar("T")

TIMEOUT_S = 5.0
"""Longest wait for one reply or for a connection."""

UNAVAILABLE = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
    TimeoutError,
    OSError,
)
"""Errors of a server that is away, starting, or no longer the primary: worth waiting for."""


def redis_client(url: str, **settings: Any) -> Redis:
    """Return a client set up for the record; it connects when it is first used.

    Text is decoded with `surrogateescape`, so that one entry that is no UTF-8 hides no others. The client
    never sends a command twice: that is safe only with a request id, of which it knows nothing.

    Raises:
        ValueError: the URL is no Redis URL.
    """
    defaults: dict[str, Any] = {
        "decode_responses": True,
        "encoding_errors": "surrogateescape",
        "protocol": 2,
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    if url.startswith("unix:"):
        del defaults["socket_keepalive"]
    redis = cast("Redis", cast("Any", Redis).from_url(url, **(defaults | settings)))
    pool = cast("Any", redis.connection_pool)
    pool.connection_class = _CANCELLABLE.get(pool.connection_class, pool.connection_class)
    return redis


class _Cancellable:
    """Sends without asyncio.wait_for.

    Before Python 3.12 that drops a cancellation that arrives as the sending ends: a task that reads in a
    loop would go on for ever. It also costs a task for each command.
    """

    socket_timeout: float | None

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        limit_s, self.socket_timeout = self.socket_timeout, None
        try:
            async with asyncio.timeout(limit_s):
                await cast("Any", super()).send_packed_command(command, check_health)
        except TimeoutError:
            raise exceptions.TimeoutError("Timeout writing to socket") from None
        finally:
            self.socket_timeout = limit_s


class _CancellableTcp(_Cancellable, Connection):
    pass


class _CancellableTls(_Cancellable, SSLConnection):
    pass


class _CancellableUnix(_Cancellable, UnixDomainSocketConnection):
    pass


_CANCELLABLE: dict[type, type] = {
    Connection: _CancellableTcp,
    SSLConnection: _CancellableTls,
    UnixDomainSocketConnection: _CancellableUnix,
}


def end_if_cancelled() -> None:
    """Raise CancelledError where this task was cancelled: other clients may have swallowed that.

    For loops that ask Redis again and again.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def retries_by_itself(redis: Redis) -> bool:
    """Whether the client sends a command again after a lost connection."""
    retry = redis.get_retry()
    return retry is not None and retry.get_retries() > 0


def block_ms(redis: Redis) -> int:
    """How long a blocking read of this client may wait: well within its socket timeout."""
    socket_timeout_s = redis.get_connection_kwargs().get("socket_timeout")
    return 10_000 if not socket_timeout_s else max(100, int(socket_timeout_s * 500))


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
        except UNAVAILABLE as error:
            delay_s = next(delays)
            logger.info(
                "streams.waiting_for_redis",
                extra={"reason": str(error) or type(error).__name__, "delay_s": delay_s},
            )
            await asyncio.sleep(delay_s)

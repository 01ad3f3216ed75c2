"""A Redis that answers, or one clear line that names REDIS_URL and the cure."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

from streams.connection import TIMEOUT_S, redis_client
from streams.redis_clients import REDIS_FORMS
from swarm.embedded_redis import EXAMPLE_URL, EmbeddedRedis
from swarm.errors import SettingError
from swarm.settings import from_environment, shown_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from redis.asyncio import Redis

OLDEST = (6, 2)


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A Redis that answers."""

    redis: Redis
    url: str
    """May hold a password: not for messages."""
    kind: Literal["embedded", "external"]
    version: str


@asynccontextmanager
async def open_redis(url: str | None = None, *, tcp: bool = False) -> AsyncGenerator[RedisServer]:
    """Connect to `url`, or to a private Redis started for this where it is None or empty.

    Raises:
        SettingError: as `connect_redis` and `EmbeddedRedis` do.
    """
    async with AsyncExitStack() as stack:
        kind: Literal["embedded", "external"] = "external"
        if not url:
            url, kind = await stack.enter_async_context(EmbeddedRedis(tcp=tcp)), "embedded"
        redis = await connect_redis(url)
        stack.push_async_callback(redis.aclose)
        yield RedisServer(redis, url, kind, await server_version(redis))


@asynccontextmanager
async def redis_of_swarm() -> AsyncGenerator[Redis]:
    """Connect to REDIS_URL, for a command that needs no more of the environment.

    Raises:
        SettingError: it is not set, or no usable Redis answers there.
    """
    url = from_environment({**os.environ, "LIVEKIT_URL": ""}).redis_url
    if url is None:
        raise _setting_error("missing", "Set it to the Redis of the swarm")
    redis = await connect_redis(url)
    try:
        yield redis
    finally:
        await redis.aclose()


async def connect_redis(url: str, *, timeout_s: float = TIMEOUT_S, **settings: Any) -> Redis:
    """Return a client whose server has answered; it decodes replies and never repeats a command by itself.

    `url` has one of `streams.redis_clients.REDIS_FORMS`: one server, Sentinels, a Cluster.

    Raises:
        SettingError: naming REDIS_URL and the cure, for whatever keeps the server from answering. Its text
            never holds the password.
    """
    try:
        redis = redis_client(url, **settings)
    except ValueError as error:
        raise _setting_error(
            f"{shown_url(url)} is no Redis URL",
            f"Set it to something like {EXAMPLE_URL}; the forms are {', '.join(REDIS_FORMS)}",
        ) from error
    try:
        async with asyncio.timeout(timeout_s):
            version = await server_version(redis)
    except (exceptions.RedisError, OSError) as error:
        await redis.aclose()
        raise _diagnosed(error, shown_url(url), timeout_s) from None  # the cause's text may hold the password
    except BaseException:
        await redis.aclose()
        raise
    if _numbers(version) < OLDEST:
        await redis.aclose()
        raise _setting_error(f"{shown_url(url)} is Redis {version}", "Use Redis 6.2 or newer")
    return redis


async def server_version(redis: Redis) -> str:
    """Return the version that the server reports.

    Raises:
        redis.exceptions.RedisError: as the client does.
    """
    info = cast("dict[str, Any]", await cast("Any", redis).info("server"))
    return str(info.get("redis_version", "unknown"))


def _diagnosed(error: Exception, shown: str, timeout_s: float) -> SettingError:
    text = str(error).upper()
    table: list[tuple[Callable[[], bool], str, str]] = [
        (
            lambda: "WRONGPASS" in text or "INVALID PASSWORD" in text or "INVALID USERNAME" in text,
            f"{shown} refuses this user name or password",
            "Correct the part before the @: redis://USER:PASSWORD@HOST:PORT/0",
        ),
        (
            lambda: "WITHOUT ANY PASSWORD" in text or "NO PASSWORD IS SET" in text,
            f"{shown} has no password set, and one is given",
            "Leave the part before the @ out",
        ),
        (
            lambda: isinstance(error, exceptions.AuthenticationError) or "NOAUTH" in text,
            f"{shown} needs a password",
            "Set it to redis://:PASSWORD@HOST:PORT/0",
        ),
        (
            lambda: isinstance(error, exceptions.NoPermissionError),
            f"{shown}: this user may not run INFO",
            "Give the user the rights for +@all on the keys swarm:* and conversation_stream*",
        ),
        (
            lambda: isinstance(error, exceptions.BusyLoadingError),
            f"{shown} is still loading its data",
            "Try again when it has",
        ),
        (
            lambda: isinstance(error, MasterNotFoundError),
            f"{shown}: no Sentinel there knows a working primary of that service",
            "Check the hosts, and the service's name after them",
        ),
        (
            lambda: "CLUSTER MODE IS NOT ENABLED" in text,
            f"{shown} is no Cluster",
            "Set it to redis://HOST:PORT/0",
        ),
        (
            lambda: isinstance(error, TimeoutError | exceptions.TimeoutError),
            f"{shown} does not answer within {timeout_s:.0f} s",
            "Check host and port, and that a Redis server listens there",
        ),
        (
            lambda: isinstance(error, exceptions.ConnectionError | OSError),
            f"no Redis server answers at {shown}",
            "Check host and port, start the server, or unset it to have a private one",
        ),
    ]
    for applies, reason, cure in table:
        if applies():
            return _setting_error(reason, cure)
    return _setting_error(
        f"{shown} does not behave like a Redis server ({type(error).__name__})",
        f"Set it to a Redis server such as {EXAMPLE_URL}",
    )


def _setting_error(reason: str, cure: str) -> SettingError:
    return SettingError("REDIS_URL", reason, cure)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2]) or OLDEST

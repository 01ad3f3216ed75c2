"""A client for whatever a URL names: one server, a service that Sentinel watches over, or a Cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from streams.cancellable import CANCELLABLE, CancellableSentinelTcp, CancellableSentinelTls
from streams.cluster_client import ClusterClient

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("REDIS_FORMS", "TIMEOUT_S", "ClusterClient", "redis_client")

TIMEOUT_S = 5.0
"""Longest wait for one reply or for a connection."""

SENTINEL_TIMEOUT_S = 1.0
"""Longest wait for one Sentinel, before the next one is asked."""

REDIS_FORMS = (
    "redis://HOST:PORT/DB",
    "rediss://HOST:PORT/DB",
    "unix://PATH",
    "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB",
    "redis+cluster://HOST:PORT,HOST:PORT",
)
"""What a URL may look like; `USER:PASSWORD@` may stand before the hosts, `rediss+` for TLS."""

_PORTS = {"sentinel": 26379, "cluster": 6379}


def redis_client(url: str, **settings: Any) -> Redis:
    """Return a client set up for the record; it connects when it is first used.

    The forms are REDIS_FORMS; queries (`?socket_timeout=2`) are redis-py's. User and password are the data
    servers'; those of Sentinels, where they have any, are the queries `sentinel_username` and
    `sentinel_password`. For a Cluster the client is a `ClusterClient`, which takes the place of a `Redis`
    for single commands, scripts and subscriptions.

    Text is decoded with `surrogateescape`, so that one entry that is no UTF-8 hides no others. The client
    never sends a command twice: that is safe only with a request id, of which it knows nothing. A Cluster's
    redirections are followed, as a command that was redirected was not run.

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
    transport, _, kind = url.partition("://")[0].partition("+")
    if kind in _PORTS and transport in {"redis", "rediss"}:
        options = _many_hosts(url, transport, kind)
        build = _sentinel_client if kind == "sentinel" else ClusterClient.of
        return build(options.pop("hosts"), options.pop("path"), defaults | options | settings)
    if url.startswith("unix:"):
        del defaults["socket_keepalive"]
    redis = cast("Redis", cast("Any", Redis).from_url(url, **(defaults | settings)))
    pool = cast("Any", redis.connection_pool)
    pool.connection_class = CANCELLABLE.get(pool.connection_class, pool.connection_class)
    return redis


def _many_hosts(url: str, transport: str, kind: str) -> dict[str, Any]:
    """Return redis-py's settings for `url`, with `hosts` and `path` (its non-empty parts)."""
    parts = urlsplit(url)
    user, at, places = parts.netloc.rpartition("@")
    alone = urlunsplit((transport, f"{user}{at}none", "", parts.query, ""))
    options = cast("dict[str, Any]", dict(parse_url(alone)))
    for given in ("host", "connection_class"):
        options.pop(given, None)
    if transport == "rediss":
        options["ssl"] = True
    options["path"] = [part for part in parts.path.split("/") if part]
    options["hosts"] = [_place(place, _PORTS[kind]) for place in places.split(",")]
    return options


def _place(place: str, port: int) -> tuple[str, int]:
    found = urlsplit(f"//{place}")
    if not found.hostname:
        raise ValueError(f"{place!r} is no host")
    return found.hostname, found.port or port


# Sentinel


def _sentinel_client(hosts: Sequence[tuple[str, int]], path: Sequence[str], options: dict[str, Any]) -> Redis:
    if not 1 <= len(path) <= 2:
        raise ValueError("the name of the service that the Sentinels watch has to follow the hosts")
    if len(path) == 2:
        options["db"] = int(path[1])
    tls = bool(options.pop("ssl", False))
    of_sentinels = {name: value for name, value in options.items() if name.startswith(("socket_", "ssl_"))}
    of_sentinels |= {
        "username": options.pop("sentinel_username", None),
        "password": options.pop("sentinel_password", None),
        "socket_timeout": SENTINEL_TIMEOUT_S,
        "socket_connect_timeout": SENTINEL_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "ssl": tls,
        "decode_responses": True,
        "protocol": 2,
        "maint_notifications_config": options["maint_notifications_config"],
    }
    manager = Sentinel(list(hosts), sentinel_kwargs=of_sentinels)
    for sentinel in manager.sentinels:
        pool = cast("Any", sentinel.connection_pool)
        pool.connection_class = CANCELLABLE.get(pool.connection_class, pool.connection_class)
    connection = CancellableSentinelTls if tls else CancellableSentinelTcp
    client: _WatchedRedis = cast("Any", manager).master_for(
        path[0], redis_class=_WatchedRedis, connection_class=connection, **options
    )
    client.sentinels = manager
    return client


class _WatchedRedis(Redis):
    """The primary that Sentinels name; closes its connections to them too."""

    sentinels: Sentinel | None = None

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        try:
            await super().aclose(close_connection_pool)
        finally:
            if self.sentinels is not None:
                await self.sentinels.aclose()

"""A client that an entry which is no UTF-8 does not stop, from one that it would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from redis.asyncio import ConnectionPool, Redis

from streams.cancellable import CANCELLABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("tolerant",)


def tolerant(redis: Redis) -> tuple[Redis, bool]:
    """Return `redis`, or one of the same server that decodes with surrogate escapes; and whether it is new.

    A client that decodes strictly fails at the whole reply for one foreign entry in it. Those of
    `streams.connection.redis_client` do not; those of Sentinel, Cluster and fakes are left as they are.
    """
    pool = cast("Any", getattr(redis, "connection_pool", None))
    if type(pool) is not ConnectionPool or pool.connection_class not in CANCELLABLE:
        return redis, False
    settings = cast("Mapping[str, Any]", pool.connection_kwargs)
    if not settings.get("decode_responses") or settings.get("encoding_errors", "strict") != "strict":
        return redis, False
    own = cast("Any", ConnectionPool)(
        connection_class=CANCELLABLE[pool.connection_class],
        **(dict(settings) | {"encoding_errors": "surrogateescape"}),
    )
    return Redis.from_pool(own), True

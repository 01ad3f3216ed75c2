"""One script on the same keys, called again and again: packed here, on connections that are kept for it.

redis-py takes several times as long for a call as the server takes to answer it: it builds the command out
of its parts, goes to the pool twice, and has a timeout around each half of the exchange.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from redis import exceptions
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection

from streams.connection import retries_by_itself

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

MOST_KEPT = 8
"""Connections kept for one client at most; more calls at a time wait for one of them, in order."""

_PLAIN = (Connection, SSLConnection, UnixDomainSocketConnection)
_KNOWN = ("redis", "streams")
"""Packages whose connections are known to send what they are given packed; others may only look like them."""


class KeptConnections:
    """Connections of a client's pool that stay taken between calls. The end of the pool ends them too."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = cast("Any", pool)
        self._idle: list[Any] = []
        self._free = asyncio.Semaphore(MOST_KEPT)

    async def exchange(self, packed: bytes) -> Any:
        """Send a packed command and return its reply. Sets no limit to the wait: the caller does.

        Raises:
            redis.exceptions.RedisError: what the server replied, or that the connection is lost.
        """
        async with self._free:
            if not self._idle:
                connection = await self._pool.get_connection()
                connection.socket_timeout = None
                self._idle.append(connection)
            connection = self._idle.pop()
            try:
                if not connection.is_connected or await connection.can_read():
                    await self._pool.ensure_connection(connection)
                await AbstractConnection.send_packed_command(connection, packed, check_health=False)
                return await connection.read_response()
            finally:
                # An exchange that was cut off has closed it; the next one connects again. Nothing waits here.
                self._idle.append(connection)


_kept: WeakKeyDictionary[ConnectionPool, KeptConnections] = WeakKeyDictionary()


def _kept_for(redis: Redis) -> KeptConnections | None:
    """Return those of a client; None where it is no plain client of one server, or has few connections."""
    pool: Any = getattr(redis, "connection_pool", None)
    if type(pool) is not ConnectionPool or getattr(redis, "connection", None) is not None:
        return None
    if cast("Any", pool).max_connections < 2 * MOST_KEPT:
        return None
    kind: type = cast("Any", pool).connection_class
    if not issubclass(kind, _PLAIN) or kind.__module__.partition(".")[0] not in _KNOWN:
        return None
    return _kept.setdefault(pool, KeptConnections(pool))


class ScriptCall:
    """A script on one room's keys. Redis's errors (redis.exceptions.RedisError, OSError) pass through.

    On a client of redis-py's Cluster or Sentinel, or of another kind, it is called as redis-py does.
    """

    def __init__(self, redis: Redis, text: str, keys: Sequence[str], *, arguments: int) -> None:
        self._script = redis.register_script(text)
        self._keys = list(keys)
        self._kept = _kept_for(redis)
        if self._kept is not None:
            self._encode = cast("Any", redis.connection_pool).get_encoder().encode
            self._repeats = retries_by_itself(redis)
            parts = ["EVALSHA", self._script.sha, str(len(keys)), *keys]
            self._head = f"*{len(parts) + arguments}\r\n".encode() + b"".join(map(self._packed, parts))

    async def __call__(self, *args: str) -> Any:
        """Return the reply to `args`, as many as were told of."""
        if self._kept is None:
            return await self._script(keys=self._keys, args=args)
        try:
            return await self._kept.exchange(self._head + b"".join(map(self._packed, args)))
        except exceptions.NoScriptError:
            return await self._script(keys=self._keys, args=args)
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError):
            if not self._repeats:
                raise
            return await self._script(keys=self._keys, args=args)

    def _packed(self, part: str) -> bytes:
        encoded: bytes = self._encode(part)
        return b"$%d\r\n%b\r\n" % (len(encoded), encoded)

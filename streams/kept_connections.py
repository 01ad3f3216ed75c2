"""Connections of a client's pool that stay taken between commands, and commands packed without redis-py.

redis-py takes several times as long for a command as the server takes to answer it: it builds the command
out of its parts, goes to the pool twice, and has a timeout around each half of the exchange.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as LostConnectionError
from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from redis.asyncio import Redis

__all__ = ("MOST_KEPT", "KeptConnections", "command", "own_connection", "packed", "shared_connections")

MOST_KEPT = 8
"""Connections kept for the short calls of one client; more calls at a time wait for one of them, in order."""

_PLAIN = (Connection, SSLConnection, UnixDomainSocketConnection)
_KNOWN = ("redis", "streams")
"""Packages whose connections are known to send what they are given packed; others may only look like them."""


class KeptConnections:
    """At most `most` connections of a pool. The end of the pool ends them too."""

    def __init__(self, pool: ConnectionPool, most: int) -> None:
        self._pool = cast("Any", pool)
        self._idle: list[Any] = []
        self._free = asyncio.Semaphore(most)
        self.encode: Callable[[Any], bytes] = self._pool.get_encoder().encode

    async def exchange(self, command: bytes) -> Any:
        """Send a packed command and return its reply. Sets no limit to the wait: the caller does.

        Raises:
            redis.exceptions.RedisError: what the server replied, or that the connection is lost.
        """
        [reply] = await self._exchange(command, 1)
        if isinstance(reply, ResponseError):
            raise reply
        return reply

    async def exchange_all(self, commands: Sequence[bytes]) -> list[Any]:
        """Send packed commands in one go and return their replies; a refusal is in its place.

        Other clients' commands may come between them. Sets no limit to the wait: the caller does.

        Raises:
            redis.exceptions.ConnectionError: the connection is lost.
        """
        return await self._exchange(b"".join(commands), len(commands))

    async def _exchange(self, commands: bytes, number: int) -> list[Any]:
        async with self._free:
            if not self._idle:
                connection = await self._pool.get_connection()
                connection.socket_timeout = None
                self._idle.append(connection)
            connection = self._idle.pop()
            try:
                if not connection.is_connected or await connection.can_read():
                    await self._pool.ensure_connection(connection)
                try:
                    await _send(connection, commands)
                except LostConnectionError:
                    # It was lost before: the server has not got the whole of it, and another may be there.
                    await self._pool.ensure_connection(connection)
                    await _send(connection, commands)
                return [await _reply(connection) for _ in range(number)]
            finally:
                # An exchange that was cut off has closed it; the next one connects again. Nothing waits here.
                self._idle.append(connection)

    async def give_back(self) -> None:
        """Return what no exchange uses to the pool."""
        while self._idle:
            connection = self._idle.pop()
            connection.socket_timeout = self._pool.connection_kwargs.get("socket_timeout")
            await self._pool.release(connection)


_shared: WeakKeyDictionary[ConnectionPool, KeptConnections] = WeakKeyDictionary()


def shared_connections(redis: Redis) -> KeptConnections | None:
    """Return those that all short calls of a client share; None where it has to be called as redis-py does.

    That is a client of a Cluster or of Sentinel, of another kind, or one that may have few connections.
    """
    pool = _plain_pool(redis)
    return None if pool is None else _shared.setdefault(pool, KeptConnections(pool, MOST_KEPT))


def own_connection(redis: Redis) -> KeptConnections | None:
    """Return one connection for commands that block, to be given back; None as `shared_connections`."""
    pool = _plain_pool(redis)
    return None if pool is None else KeptConnections(pool, 1)


async def _send(connection: Any, commands: bytes) -> None:
    await AbstractConnection.send_packed_command(connection, commands, check_health=False)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as refusal:
        return refusal


def packed(encode: Callable[[Any], bytes], parts: Iterable[str | int]) -> bytes:
    """Return arguments of a command as they are sent."""
    texts = [part if isinstance(part, str) else str(part) for part in parts]
    whole = "".join([f"${len(part)}\r\n{part}\r\n" for part in texts])
    if whole.isascii():  # every character is one byte
        return whole.encode()
    encoded = [encode(part) for part in texts]
    return b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded])


def command(encode: Callable[[Any], bytes], *parts: str | int) -> bytes:
    """Return a command, its name first, as it is sent."""
    return b"*%d\r\n%b" % (len(parts), packed(encode, parts))


def _plain_pool(redis: Redis) -> ConnectionPool | None:
    pool: Any = getattr(redis, "connection_pool", None)
    if type(pool) is not ConnectionPool or getattr(redis, "connection", None) is not None:
        return None
    if cast("Any", pool).max_connections < 2 * MOST_KEPT:
        return None
    kind: type = cast("Any", pool).connection_class
    if not issubclass(kind, _PLAIN) or kind.__module__.partition(".")[0] not in _KNOWN:
        return None
    return pool

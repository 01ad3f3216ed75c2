"""redis-py's connections, made to end when their task is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

__all__ = ("CANCELLABLE", "CancellableSentinelTcp", "CancellableSentinelTls")


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


class CancellableSentinelTcp(_Cancellable, SentinelManagedConnection):
    """To the server that Sentinels name."""


class CancellableSentinelTls(_Cancellable, SentinelManagedSSLConnection):
    """To the server that Sentinels name, by TLS."""


CANCELLABLE: dict[type, type] = {
    Connection: _CancellableTcp,
    SSLConnection: _CancellableTls,
    UnixDomainSocketConnection: _CancellableUnix,
}
"""redis-py's kinds of connection, to what takes their place."""

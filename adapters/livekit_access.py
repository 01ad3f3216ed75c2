"""Getting into a LiveKit room: the address, the token, and what went wrong in words that help.

No error and no log line carries a secret or a token.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from adapters.errors import RoomUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

URL, KEY, SECRET, TOKEN = "LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_TOKEN"
_TOKEN_TTL = timedelta(hours=6)
_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_LATE_LINES_S = 1.0
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_URL_CURE = "Set it to the server's address, such as ws://127.0.0.1:7880"
_REACH_CURE = "Start livekit-server there, or correct the address"


@dataclass(frozen=True, slots=True)
class Access:
    """A way into one room: an address, and a token or what makes one. Secrets stay out of its repr.

    Raises:
        RoomUnavailableError: something is missing, or the address is none.
    """

    url: str
    room: str = ""
    identity: str = ""
    token: str = field(default="", repr=False)
    api_key: str = field(default="", repr=False)
    api_secret: str = field(default="", repr=False)
    kind: Literal["standard", "agent"] = "standard"
    """LiveKit's kind of participant; who is a person is not decided by it."""

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in _PORTS and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable:
            raise RoomUnavailableError("no ws:// or wss:// address", setting=URL, cure=_URL_CURE)
        if self.token:
            return
        for setting, value in ((KEY, self.api_key), (SECRET, self.api_secret)):
            if not value:
                raise RoomUnavailableError(
                    "not set", setting=setting, cure="Set it to a pair of the server's `keys`"
                )
        if not self.room or not self.identity:
            raise ValueError("a room and an identity are needed to make a token")

    @property
    def place(self) -> str:
        """Host and port."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"

    def make_token(self) -> str:
        """The token given, or a new one to join, publish and subscribe."""
        if self.token:
            return self.token
        from livekit import api

        return (
            api.AccessToken(self.api_key, self.api_secret)
            .with_identity(self.identity)
            .with_kind(self.kind)
            .with_ttl(_TOKEN_TTL)
            .with_grants(api.VideoGrants(room_join=True, room=self.room))
            .to_jwt()
        )

    def refusal(self, message: str) -> RoomUnavailableError:
        """What a failed connect means to whoever set it up."""
        if "401" in message or "unauthorized" in message.lower():
            if self.token:
                return RoomUnavailableError(
                    "refused by the server", setting=TOKEN, cure="Make a new one for this server and room"
                )
            if "API key" in message:
                return RoomUnavailableError(
                    f"unknown to the server at {self.place}", setting=KEY, cure="Use one of its `keys`"
                )
            return RoomUnavailableError(
                f"refused by the server at {self.place}",
                setting=SECRET,
                cure=f"Use the secret that belongs to {KEY}",
            )
        return RoomUnavailableError(
            f"{self.place} does not let us in ({without_tokens(message)})", setting=URL, cure=_REACH_CURE
        )

    def unreachable(self, reason: str) -> RoomUnavailableError:
        """Nothing that answers is at the address."""
        return RoomUnavailableError(f"{self.place} {reason}", setting=URL, cure=_REACH_CURE)


async def check_reachable(access: Access, *, limit_s: float) -> None:
    """Return when something that speaks HTTP answers at the address.

    LiveKit's own client takes 16 s and more to find out that nothing does, cannot be stopped
    meanwhile, and may still join after it was given up. Behind a proxy nothing is checked.

    Raises:
        RoomUnavailableError: the host is not known, refuses, or does not answer in `limit_s`.
    """
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")):
        return
    parts = urlsplit(access.url)
    tls = ssl.create_default_context() if parts.scheme in ("wss", "https") else None
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(limit_s):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port or _PORTS[parts.scheme], ssl=tls
            )
            writer.write(f"GET / HTTP/1.1\r\nHost: {access.place}\r\nConnection: close\r\n\r\n".encode())
            if not (await reader.readline()).startswith(b"HTTP/"):
                raise access.unreachable("is no web server")
    except TimeoutError as error:
        raise access.unreachable(f"does not answer within {limit_s:.0f} s") from error
    except ConnectionRefusedError as error:
        raise access.unreachable("refuses connections") from error
    except (OSError, ValueError) as error:
        raise access.unreachable(f"cannot be reached ({error})") from error
    finally:
        if writer is not None:
            writer.close()


def without_tokens(text: str) -> str:
    """The text with every token struck out."""
    return _JWT.sub("[token]", text)


class _ClientLog(logging.Filter):
    """Strikes tokens out of the client library's log lines, and keeps back those of a failing connect.

    The error that is raised says the same in one line. The library's lines come late, from a thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._connecting = 0
        self._quiet_until_s = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        redacted = without_tokens(message)
        if redacted != message:
            record.msg, record.args = redacted, ()
        quiet = self._connecting > 0 or time.monotonic() < self._quiet_until_s
        return not quiet or logging.getLogger("livekit").isEnabledFor(logging.DEBUG)

    def failed(self) -> None:
        """The connect that is going on has failed."""
        self._quiet_until_s = time.monotonic() + _LATE_LINES_S

    @contextmanager
    def connecting(self) -> Generator[_ClientLog]:
        self._connecting += 1
        try:
            yield self
        finally:
            self._connecting -= 1


_client_log = _ClientLog()


def quiet_connect() -> AbstractContextManager[_ClientLog]:
    """For the time of a connect; from the first one on, tokens stay out of the library's log."""
    logging.getLogger("livekit").addFilter(_client_log)
    return _client_log.connecting()

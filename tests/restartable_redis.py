"""A real Redis at one address that tests may kill and start again, with or without its data."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Self

from swarm.embedded_redis import available_binaries

_LOADING_S = 60.0
"""Longest wait for a start: an append-only file of a million events takes its time."""


class RestartableRedis:
    """Keeps its data in an append-only file, each write synced, unless `start(empty=True)`."""

    def __init__(self) -> None:
        self._directory = Path(mkdtemp(prefix="swarm-test-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._directory}/redis.sock"

    def start(self, *, empty: bool = False) -> Self:
        if empty:
            for file in self._directory.glob("appendonly*"):
                file.unlink()
        socket = str(self._directory / "redis.sock")
        where = ["--port", "0", "--unixsocket", socket, "--dir", str(self._directory)]
        self._process = subprocess.Popen(
            [available_binaries()[0], *where, "--save", "", "--appendonly", "yes", "--appendfsync", "always"],
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        deadline_s = time.monotonic() + _LOADING_S
        for line in self._process.stdout:
            if b"eady to accept" in line:
                return self
            assert time.monotonic() < deadline_s
        raise AssertionError("the server ended while starting")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None
        (self._directory / "redis.sock").unlink(missing_ok=True)

    def remove(self) -> None:
        self.kill()
        for file in self._directory.iterdir():
            file.unlink()
        self._directory.rmdir()

"""The real command `swarm` in a process of its own, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

SWARM = Path(sys.executable).with_name("swarm")
LIMIT_S = 50.0
_MARK = "SWARM_TEST_RUN"
_OURS = ("REDIS_", "LIVEKIT_", "GOOGLE_", "GEMINI_", "SWARM_", "OPENAI_", "PYTHON")
NOISE = (
    "Traceback",
    "Task was destroyed",
    "Exception ignored",
    "never retrieved",
    "never awaited",
    "Aborted",
    "Warning:",
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str
    lasted_s: float
    left: list[str]
    """Command lines of the processes it left behind."""

    @property
    def noise(self) -> list[str]:
        return [word for word in NOISE if word in self.stderr]


def heed_signals() -> None:
    """Undo what a background job's shell does: a Ctrl-C that was ignored by our parent would stay ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Running:
    """A command that runs; `async with Running("demo", "--json") as command`.

    It starts in a session of its own, so that signals reach it and its children as from a terminal, and with
    an environment that sets nothing but `env`. What it left is found by a mark in its environment.
    """

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        program: tuple[str, ...] = (str(SWARM),),
        cwd: Path | None = None,
    ) -> None:
        self._command = (*program, *arguments)
        self._mark = secrets.token_hex(8)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self._env = {**kept, **(env or {}), _MARK: self._mark}
        self._cwd = cwd
        self._begun = b""
        self._process: asyncio.subprocess.Process | None = None
        self._signalled_s: float | None = None

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._started_s = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._env,
            cwd=self._cwd,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
            preexec_fn=heed_signals,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        for process in self._marked():
            with contextlib.suppress(psutil.Error):
                process.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals, *, to_all: bool = False) -> None:
        """Signal the command; `to_all` also its children, as Ctrl-C in a terminal does."""
        self._signalled_s = time.monotonic()
        if to_all:
            os.killpg(self.pid, number)
        else:
            os.kill(self.pid, number)

    def children(self) -> list[psutil.Process]:
        """The processes that it has started and that run."""
        return [process for process in self._marked() if process.pid != self.pid]

    async def until(self, true: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
        """Return when `true()` holds; looked at every 20 ms."""
        async with asyncio.timeout(limit_s):
            while not true():  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(0.02)

    async def first_output(self) -> None:
        """Wait for its first line on stdout."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            self._begun = await self._process.stdout.readline()

    async def end(self, limit_s: float = LIMIT_S) -> Ended:
        """Wait for its end; `lasted_s` counts from the signal, where there was one."""
        assert self._process is not None
        async with asyncio.timeout(limit_s):
            stdout, stderr = await self._process.communicate()
        ended_s = time.monotonic()
        assert self._process.returncode is not None
        with contextlib.suppress(TimeoutError):  # a private Redis sees its pipe closed some ms later
            await self.until(lambda: not self._marked(), 1.0)
        return Ended(
            self._process.returncode,
            (self._begun + stdout).decode(),
            stderr.decode(),
            ended_s - (self._signalled_s or self._started_s),
            [" ".join(process.info["cmdline"] or []) for process in self._marked()],
        )

    def _marked(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for process in psutil.process_iter(["environ", "status", "cmdline"]):
            environ = process.info["environ"] or {}
            if environ.get(_MARK) == self._mark and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found


async def ended(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    program: tuple[str, ...] = (str(SWARM),),
    cwd: Path | None = None,
) -> Ended:
    """Run a command to its end."""
    async with Running(*arguments, env=env, program=program, cwd=cwd) as command:
        return await command.end()

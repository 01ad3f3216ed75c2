"""A contender in a process of its own, so that its load does not disturb the clock that measures it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from contenders.contender import Notes

if TYPE_CHECKING:
    from types import TracebackType

START_LIMIT_S = 40.0
ANSWER_LIMIT_S = 15.0
STOP_LIMIT_S = 1.5
BENCHMARKS = Path(__file__).resolve().parent.parent


class ContenderError(RuntimeError):
    """A contender's process failed; the text has the end of its log."""


class WorkerProcess:
    """A process that answers a line of JSON with another: `async with WorkerProcess(name, module, *args)`.

    It ends with the `async with` block, and by itself when this process dies.
    """

    def __init__(self, name: str, module: str, *args: str) -> None:
        self.name = name
        self._command = ("-m", module, *args)
        self._process: asyncio.subprocess.Process | None = None
        self._log: Any = None

    async def __aenter__(self) -> Self:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process is
        paths = [str(BENCHMARKS), str(BENCHMARKS.parent), os.environ.get("PYTHONPATH", "")]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_LIMIT_S):
                    await process.wait()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        self._log.close()

    @property
    def pid(self) -> int:
        """The process id, which is its group's too.

        Raises:
            ContenderError: it is not running.
        """
        if self._process is None:
            raise ContenderError(f"{self.name} is not running")
        return self._process.pid

    async def ask(self, limit_s: float = ANSWER_LIMIT_S, **request: Any) -> dict[str, Any]:
        """Send `request` and return the reply.

        Raises:
            ContenderError: the worker failed or did not answer in time.
        """
        process, do = self._process, request["do"]
        if process is None or process.stdin is None or process.stdout is None:
            raise ContenderError(f"{self.name} is not running")
        try:
            async with asyncio.timeout(limit_s):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
        except TimeoutError:
            raise ContenderError(
                f"{self.name} did not {do} within {limit_s:.0f} s{self._log_end()}"
            ) from None
        except OSError as error:
            raise ContenderError(f"{self.name} died at {do}{self._log_end()}") from error
        if not line:
            raise ContenderError(f"{self.name} died at {do}{self._log_end()}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise ContenderError(f"{self.name} failed to {do}: {reply['error']}{self._log_end()}")
        return reply

    def _log_end(self) -> str:
        self._log.seek(0)
        text = self._log.read().decode(errors="replace").strip()
        return f"\n{text[-1500:]}" if text else ""


class ContenderProcess(WorkerProcess):
    """A contender in a process of its own: a `Contender` but for `aclose`. Methods raise ContenderError."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "contenders.worker", name)

    async def start(self, url: str, token: str) -> None:
        """Join the room."""
        await self.ask(START_LIMIT_S, do="start", url=url, token=token)

    async def speak(self) -> None:
        """Begin to speak."""
        await self.ask(do="speak")

    async def hear(self, text: str, *, final: bool) -> None:
        """Tell its recogniser what the person has said so far."""
        await self.ask(do="hear", text=text, final=final)

    async def finish(self) -> Notes:
        """Come to rest, and tell."""
        return Notes(**await self.ask(do="finish"))

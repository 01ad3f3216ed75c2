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


class ContenderProcess:
    """Drives a worker: `async with ContenderProcess(name) as contender`. A `Contender` but for `aclose`.

    The process ends with the `async with` block, and by itself when this process dies.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._process: asyncio.subprocess.Process | None = None
        self._log: Any = None

    async def __aenter__(self) -> Self:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process is
        paths = [str(BENCHMARKS), str(BENCHMARKS.parent), os.environ.get("PYTHONPATH", "")]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "contenders.worker",
            self.name,
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
        """The worker's process id.

        Raises:
            ContenderError: it is not running.
        """
        if self._process is None:
            raise ContenderError(f"{self.name} is not running")
        return self._process.pid

    async def start(self, url: str, token: str) -> None:
        """Join the room.

        Raises:
            ContenderError: the worker failed or did not answer in time; so for all that follow.
        """
        await self._ask({"do": "start", "url": url, "token": token}, START_LIMIT_S)

    async def speak(self) -> None:
        """Begin to speak."""
        await self._ask({"do": "speak"}, ANSWER_LIMIT_S)

    async def finish(self) -> Notes:
        """Come to rest, and tell."""
        return Notes(**await self._ask({"do": "finish"}, ANSWER_LIMIT_S))

    async def _ask(self, request: dict[str, str], limit_s: float) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ContenderError(f"{self.name} is not running")
        try:
            async with asyncio.timeout(limit_s):
                process.stdin.write(json.dumps(request).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
        except TimeoutError:
            raise ContenderError(
                f"{self.name} did not {request['do']} within {limit_s:.0f} s{self._end_of_log()}"
            ) from None
        except OSError as error:
            raise ContenderError(f"{self.name} died at {request['do']}{self._end_of_log()}") from error
        if not line:
            raise ContenderError(f"{self.name} died at {request['do']}{self._end_of_log()}")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise ContenderError(
                f"{self.name} failed to {request['do']}: {reply['error']}{self._end_of_log()}"
            )
        return reply

    def _end_of_log(self) -> str:
        self._log.seek(0)
        text = self._log.read().decode(errors="replace").strip()
        return f"\n{text[-1500:]}" if text else ""

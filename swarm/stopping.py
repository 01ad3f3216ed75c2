"""How a command ends on Ctrl-C, SIGTERM or a closed terminal: orderly, in time, and without a word."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import FrameType

T = TypeVar("T")

LIMIT_S = 1.7
"""Closing takes no longer: what is open then is left to leases, and to the pipes that children watch."""

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = b"\x1b[?25h"


class Stop:
    """Turns the first stopping signal into the cancellation of the work; later ones change nothing.

    The process then ends with 128 plus the signal's number (130 for Ctrl-C, 143 for SIGTERM), at the latest
    LIMIT_S after the signal, also where a thread or an import holds the event loop.
    """

    def __init__(self) -> None:
        self._exit_code: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def install(self) -> None:
        """Take the signals over, for the rest of the process; one that is ignored (nohup) stays so."""
        for each in _STOPPING:
            if signal.getsignal(each) is not signal.SIG_IGN:
                signal.signal(each, self._on_signal)
        signal.signal(signal.SIGALRM, self._on_late)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end and return its result; does not return once there was a signal."""
        try:
            return asyncio.run(self._within(work))
        finally:
            work.close()
            if self._exit_code is not None:
                leave(self._exit_code)

    async def _within(self, work: Coroutine[Any, Any, T]) -> T:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            return await work
        finally:
            self._task = None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._exit_code is not None:
            return
        self._exit_code = 128 + number
        if self._loop is None or self._task is None:
            leave(self._exit_code)  # nothing is open yet, or nothing any more
        signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
        self._task.cancel()
        self._loop.call_soon_threadsafe(lambda: None)  # wakes the loop where it waits for input

    def _on_late(self, _number: int, _frame: FrameType | None) -> None:
        if os.isatty(1):
            os.write(1, _SHOW_CURSOR)
        leave(self._exit_code or 1)


def leave(exit_code: int) -> NoReturn:
    """End the process without waiting for its threads or taking the interpreter down piece by piece.

    Native threads that call into an interpreter on its way down abort the process.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # a signal may come amid a write
            stream.flush()
    os._exit(exit_code)

"""Processes that a proof starts, kills and stops: forked, so that each is there within a few ms."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_CONTEXT = get_context("forkserver")
PRELOADED = ["tests.proofs.archiving", "tests.proofs.contender", "tests.proofs.flow", "tests.proofs.listener"]


class Worker:
    """One process. Signals to one that has ended do nothing."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._process = _CONTEXT.Process(target=target, args=args, daemon=True)
        self._process.start()
        self._stopped = False

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def finish(self) -> None:
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        self._stopped = True
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._stopped = False
        self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, which)

    async def ended(self, limit_s: float) -> bool:
        """Return whether it ends within the limit."""
        await asyncio.to_thread(self._process.join, limit_s)
        return not self._process.is_alive()


class Workers:
    """All processes of one proof; none outlives the `with` block."""

    def __init__(self) -> None:
        self._all: list[Worker] = []
        """Those that had not ended when the last was started."""
        _CONTEXT.set_forkserver_preload(PRELOADED)

    @property
    def all(self) -> tuple[Worker, ...]:
        return tuple(self._all)

    def start(self, target: Callable[..., None], *args: Any) -> Worker:
        worker = Worker(target, args)
        self._all = [each for each in self._all if each.alive]
        self._all.append(worker)
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each in self._all:
            each.kill()
        for each in self._all:
            each._process.join(10)


class Witness:
    """Sleeps and wakes beside a proof, and so knows when the machine had no time for anybody."""

    EVERY_S = 0.005

    def __init__(self) -> None:
        self._stalls: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def worst_ms(self, from_s: float, to_s: float) -> float:
        """Return the longest that it overslept between two monotonic moments."""
        return max((late for at_s, late in tuple(self._stalls) if from_s <= at_s <= to_s), default=0.0)

    def _watch(self) -> None:
        while not self._over.is_set():
            before_s = time.monotonic()
            self._over.wait(self.EVERY_S)
            now_s = time.monotonic()
            late_ms = (now_s - before_s - self.EVERY_S) * 1000
            if late_ms > 10:
                self._stalls.append((now_s, late_ms))

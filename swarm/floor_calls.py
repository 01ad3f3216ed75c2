"""Calls to the floor that a callback asks for: made in order by one task, bounded, each with a limit."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    FloorCall = Callable[[], Awaitable[object]]

_log = logging.getLogger(__name__)

MAX_WAITING = 256


class FloorCalls:
    """Takes calls without waiting; `run` makes them one after another.

    When MAX_WAITING calls wait, the oldest is given up: the floor's leases and timers make good for it. A
    call that fails or takes longer than `limit_s` is logged and given up for the same reason.
    """

    def __init__(self, limit_s: float = 2.0) -> None:
        self._limit_s = limit_s
        self._waiting: deque[tuple[str, FloorCall]] = deque(maxlen=MAX_WAITING)
        self._came = asyncio.Event()

    def soon(self, what: str, call: FloorCall) -> None:
        """Have `call` made; `what` names it in the log if it fails."""
        self._waiting.append((what, call))
        self._came.set()

    async def run(self) -> None:
        """Make the calls until cancelled."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._waiting:
                what, call = self._waiting.popleft()
                try:
                    async with asyncio.timeout(self._limit_s):
                        await call()
                except Exception as error:
                    _log.warning(
                        "swarm.floor_call_failed", extra={"call": what, "error": type(error).__name__}
                    )

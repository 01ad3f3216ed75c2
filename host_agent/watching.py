"""The watchdog at work: one timer for the earliest deadline, nothing polls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from host_agent.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from host_agent.watchdog import Alarm


class Watching:
    """Calls `on_alarm` when something armed does not happen in time."""

    def __init__(self, *, clock: Callable[[], float], on_alarm: Callable[[Alarm], None]) -> None:
        self._clock = clock
        self._on_alarm = on_alarm
        self._watchdog = Watchdog()
        self._changed = asyncio.Event()

    def expect(self, alarm: Alarm, limit_s: float) -> None:
        """Alarm after `limit_s`, unless it is forgotten before."""
        self._watchdog.arm(alarm, now_s=self._clock(), limit_s=limit_s)
        self._changed.set()

    def forget(self, *alarms: Alarm) -> None:
        self._watchdog.disarm(*alarms)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._changed.clear()
            deadline_s = self._watchdog.next_deadline_s()
            left_s = None if deadline_s is None else max(0.0, deadline_s - self._clock())
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                for alarm in self._watchdog.overdue(self._clock()):
                    self._on_alarm(alarm)

"""Has an idle room closed when its time is over, though nobody waits for its floor here."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from typing import TYPE_CHECKING

from streams import events as ev
from streams.connection import end_if_cancelled
from streams.errors import StreamUnavailableError
from swarm import floor_commands as fc
from swarm.waiters import AWAY_S, JITTER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.events import Recorded
    from swarm.floor_link import Answer, FloorLink
    from swarm.floor_state import FloorSettings

logger = logging.getLogger(__name__)


class IdleRoom:
    """Looks after a room when its `room_idle_ms` may be over: by the last event, then as Redis says.

    Every process that watches the room does, so that it is closed whoever leaves it last. A room that is to
    stay open needs no looking after. `own` are the settings if this process is the first at the floor.
    """

    def __init__(
        self, link: FloorLink, *, source: str, clock: Callable[[], float], own: FloorSettings | None
    ) -> None:
        self._link = link
        self._source = source
        self._clock = clock
        self._limit_s = own.room_idle_ms / 1000 if own else 0.0
        self._known = False
        self._look_s = math.inf
        self._changed = asyncio.Event()

    def saw(self, recorded: Recorded) -> None:
        """Take note of an event: from it on the room may be idle."""
        match recorded.event:
            case ev.SettingsChanged(settings=changed) if type(changed.get("room_idle_ms")) is int:
                self._known, self._limit_s = True, max(0, changed["room_idle_ms"]) / 1000
                self._changed.set()
            case ev.RoomClosed():
                self._look_s = math.inf
                return
            case _:
                pass
        if not self._known and recorded.type.startswith("FLOOR_"):
            self._changed.set()  # whoever was the first at the floor has set it up
        if self._limit_s:
            self._look_at(self._clock() + self._limit_s)

    def saw_answer(self, answer: Answer) -> None:
        """Take note of when Redis says that something is due."""
        if not self._limit_s:
            return
        outlook = answer.outlook
        if outlook.due_in_ms is None:
            self._look_s = math.inf
        else:
            due_s = answer.received_s + outlook.due_in_ms / 1000
            self._look_at(due_s + self._limit_s if outlook.holder else due_s)

    async def keep_time(self) -> None:
        """Have the room closed when that is due, until cancelled."""
        await self._learn()
        while True:
            end_if_cancelled()
            self._changed.clear()
            if not self._known:
                await self._learn()
            look_s = self._look_s + random.uniform(0.001, JITTER_S)
            try:
                async with asyncio.timeout(None if look_s == math.inf else max(0.0, look_s - self._clock())):
                    await self._changed.wait()
            except TimeoutError:
                if self._look_s <= self._clock():
                    await self._tick()

    def _look_at(self, look_s: float) -> None:
        """Look then; a timer that is set for earlier finds out by itself."""
        sooner = look_s < self._look_s
        self._look_s = look_s
        if sooner:
            self._changed.set()

    async def _learn(self) -> None:
        """Learn the room's setting, once there is one."""
        try:
            found_ms = await self._link.room_idle_ms()
        except StreamUnavailableError as error:
            logger.info("swarm.floor_away", extra={"reason": error.reason})
            return
        if found_ms is not None:
            self._known, self._limit_s = True, found_ms / 1000
            if found_ms:
                self._look_at(self._clock() + self._limit_s)

    async def _tick(self) -> None:
        self._look_s = self._clock() + self._limit_s if self._limit_s else math.inf
        if not self._limit_s:
            return
        try:
            await self._link.send(fc.Tick(), self._source)
        except StreamUnavailableError as error:
            logger.info("swarm.floor_away", extra={"reason": error.reason})
            self._look_s = self._clock() + AWAY_S * random.uniform(0.5, 1.5)

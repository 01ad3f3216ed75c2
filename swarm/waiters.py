"""Who waits for the floor in one process, and when to look again: at the next known deadline, not before."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streams import events as ev
from streams.connection import end_if_cancelled
from streams.errors import StreamUnavailableError
from swarm import floor_commands as fc
from swarm.queue_place import place_after, places, reorders

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from streams.events import Recorded
    from swarm.floor_link import Answer, FloorLink

logger = logging.getLogger(__name__)

JITTER_S = 0.03
"""Processes that wait for one deadline spread over this, so that one finds it first and tells the others."""
RECHECK_S = 10.0
"""When to look again where no deadline is known: for what no event tells, as a Redis that lost its data."""
AWAY_S = 0.25
"""About how long to wait for a Redis that is away before it is asked again."""


class Waiter:
    """One request that waits in this process."""

    def __init__(self, participant: str, on_position: Callable[[int], None] | None = None) -> None:
        self.participant = participant
        self._hint = asyncio.Event()
        self._on_position = on_position
        self._position = 0
        self._told_us = 0
        self._follows = False
        self._granted: Recorded | None = None

    async def hint(self) -> Recorded | None:
        """Return when it is time to ask again, with the event that grants the request where one came.

        A hint: the state is what counts.
        """
        await self._hint.wait()
        self._hint.clear()
        granted, self._granted = self._granted, None
        return granted

    def wake(self, granted: Recorded | None = None) -> None:
        """Give the hint."""
        self._granted = granted or self._granted
        self._hint.set()

    def stands_at(self, position: int, told_us: int) -> None:
        """Take note of the place in the queue that an answer told, at `told_us` on Redis's clock.

        Once its place was read off the record, it is followed there: answers overtake events.
        """
        if not self._follows and told_us > self._told_us:
            self._told_us = told_us
            self._place(position)

    def saw(self, request_id: str, recorded: Recorded) -> None:
        """Follow the place in the queue by an event, in the order of the record."""
        event = recorded.event
        if self._on_position is None:
            return
        if reorders(event):
            self._follows, self._told_us = False, recorded.at_ms * 1000
            self.wake()
        elif places(event, request_id):
            self._follows = True
            self._place(place_after(self._position, request_id, event))
        elif self._position and (self._follows or recorded.at_ms * 1000 > self._told_us):
            self._place(place_after(self._position, request_id, event))

    def _place(self, position: int) -> None:
        if position != self._position and self._on_position is not None:
            self._position = position
            self._on_position(position)


class Waiters:
    """The waiting requests by id, woken by events; and one timer for all of them."""

    def __init__(self, link: FloorLink, *, source: str, clock: Callable[[], float]) -> None:
        self._link = link
        self._source = source
        self._clock = clock
        self._waiting: dict[str, Waiter] = {}
        self._placed: dict[str, Waiter] = {}
        self._expected: dict[str, str] = {}
        self._due_s: float | None = None
        self._recheck_s = 0.0
        self._looks_s = math.inf
        self._told_us = 0
        self._token = 0
        self._changed = asyncio.Event()

    @contextmanager
    def waiting(
        self, request_id: str, participant: str, on_position: Callable[[int], None] | None = None
    ) -> Generator[Waiter]:
        """Have a request woken while the body runs; `on_position` is told of each new place in the queue."""
        if not self._waiting:
            self._recheck_s = self._clock() + RECHECK_S
        waiter = self._waiting[request_id] = Waiter(participant, on_position)
        if on_position is not None:
            self._placed[request_id] = waiter
        self._arm()
        try:
            yield waiter
        finally:
            self._waiting.pop(request_id, None)
            self._placed.pop(request_id, None)

    def waits(self, request_id: str) -> bool:
        """Return whether somebody here waits for this request."""
        return request_id in self._waiting

    def saw_answer(self, answer: Answer) -> None:
        """Take note of the deadline and the holder in an answer."""
        outlook = answer.outlook
        if outlook.now_us < self._told_us:
            return
        self._told_us = outlook.now_us
        self._set_due(None if outlook.due_in_ms is None else answer.received_s + outlook.due_in_ms / 1000)
        if outlook.token > self._token:
            self._token = outlook.token
            for waiter in self._waiting.values():
                if waiter.participant == outlook.holder:
                    waiter.wake()

    def saw(self, recorded: Recorded, *, subscribed: Callable[[str], bool]) -> None:
        """Take note of an event; `subscribed` says for whose queued requests the timer is kept."""
        for waiting_id, waiter in self._placed.items():
            waiter.saw(waiting_id, recorded)
        match recorded.event:
            case ev.FloorGranted(request_id=request_id, lease_ms=lease_ms):
                self._token = max(self._token, recorded.token or 0)
                self._over(request_id, recorded)
                self._due_from_event(recorded, lease_ms)
            case ev.FloorDenied(request_id=request_id) | ev.FloorWithdrawn(request_id=request_id):
                self._over(request_id)
            case ev.FloorQueued(participant=who, request_id=request_id) if subscribed(who):
                if not self._expected and not self._waiting:
                    self._recheck_s = self._clock() + RECHECK_S
                self._expected[request_id] = who
                self._arm()
            case ev.FloorRevoking(grace_ms=grace_ms):
                self._due_from_event(recorded, grace_ms)
            case ev.SettingsChanged():  # what was not due may be now
                self._due_from_event(recorded, 0)
            case _:
                pass

    async def keep_time(self) -> None:
        """Have what is due happen, as soon as a deadline passes that somebody here waits for."""
        while True:
            end_if_cancelled()
            self._changed.clear()
            now_s, looks_s = self._clock(), self._next_look_s()
            self._looks_s = max(now_s, looks_s) + random.uniform(0.001, JITTER_S)
            try:
                async with asyncio.timeout(None if looks_s == math.inf else self._looks_s - now_s):
                    await self._changed.wait()
            except TimeoutError:
                if self._next_look_s() <= self._clock():
                    await self._tick()

    def _next_look_s(self) -> float:
        if not self._waiting and not self._expected:
            return math.inf
        return self._recheck_s if self._due_s is None else self._due_s

    def _arm(self) -> None:
        """Have the timer set anew where it would look too late; where it looks too early, it looks again."""
        if self._next_look_s() + JITTER_S < self._looks_s:
            self._changed.set()

    async def _tick(self) -> None:
        recheck = self._due_s is None
        self._recheck_s = self._clock() + RECHECK_S
        try:
            await self._link.send(fc.Tick(), self._source)
        except StreamUnavailableError as error:
            logger.info("swarm.floor_away", extra={"reason": error.reason})
            self._due_s = self._clock() + AWAY_S * random.uniform(0.5, 1.5)
            return
        if recheck:
            for waiter in self._waiting.values():
                waiter.wake()

    def _over(self, request_id: str, granted: Recorded | None = None) -> None:
        self._expected.pop(request_id, None)
        waiter = self._waiting.get(request_id)
        if waiter is not None:
            waiter.wake(granted)

    def _due_from_event(self, recorded: Recorded, in_ms: int) -> None:
        if recorded.at_ms * 1000 > self._told_us:
            self._told_us = recorded.at_ms * 1000
            self._set_due(self._clock() + in_ms / 1000)

    def _set_due(self, due_s: float | None) -> None:
        if due_s is None and self._due_s is not None:
            self._recheck_s = self._clock() + RECHECK_S
        self._due_s = due_s
        self._arm()

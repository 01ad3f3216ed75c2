"""Waits for a chair to decide who answers a turn, and acts for one that does not."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from streams.errors import StreamError
from swarm.errors import SwarmError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from swarm.speech_notes import Turn

logger = logging.getLogger(__name__)

_TRIES, _AWAY_S = 3, 0.25


class ChairWatch:
    """At most one turn waits: a newer one takes the place of an older one. `run` watches until cancelled.

    `overdue` is awaited with a turn that was not decided in time, and again, up to three times, where Redis
    was away.
    """

    def __init__(self, overdue: Callable[[Turn], Awaitable[None]], *, clock: Callable[[], float]) -> None:
        self._overdue = overdue
        self._clock = clock
        self._turn: Turn | None = None
        self._due_s = 0.0
        self._changed = asyncio.Event()

    @property
    def undecided(self) -> Turn | None:
        """The turn that waits."""
        return self._turn

    def wait(self, turn: Turn, limit_s: float) -> None:
        """Wait for the decision about `turn`, at most `limit_s`; the shortest of several limits counts."""
        due_s = self._clock() + limit_s
        if self._turn is not None:
            if self._turn.onset_ms > turn.onset_ms:
                return
            if self._turn.speech_id == turn.speech_id:
                due_s = min(due_s, self._due_s)
        self._turn, self._due_s = turn, due_s
        self._changed.set()

    def decided(self) -> None:
        """Wait no longer."""
        self._turn = None
        self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._changed.clear()
            turn = self._turn
            left_s = None if turn is None else max(0.0, self._due_s - self._clock())
            try:
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
            except TimeoutError:
                if turn is not None:
                    self.decided()
                    await self._act(turn)

    async def _act(self, turn: Turn) -> None:
        for _ in range(_TRIES):
            try:
                await self._overdue(turn)
            except (StreamError, SwarmError) as error:
                logger.warning("swarm.turn_waits", extra={"error": type(error).__name__})
                await asyncio.sleep(_AWAY_S)
            else:
                return

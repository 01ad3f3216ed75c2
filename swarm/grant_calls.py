"""What grants ask of the floor: first audio, and to be given back. Satisfies `swarm.grant.GrantCalls`."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from streams.errors import StreamUnavailableError
from swarm import floor_commands as fc
from swarm.grant import Lost

if TYPE_CHECKING:
    from swarm.floor_link import Answer, FloorLink
    from swarm.grant import Grant
    from swarm.spawning import Spawning

logger = logging.getLogger(__name__)

CLEANUP_S = 1.0
"""Longest wait for the calls that tidy up."""


class StickCalls:
    """The calls of one stick's grants. What a cancellation leaves undone is done beside the caller."""

    def __init__(self, link: FloorLink, spawning: Spawning) -> None:
        self._link = link
        self._spawning = spawning

    def report_first_audio(self, grant: Grant) -> None:
        """See `Grant.taken`."""
        command = fc.Take(participant=grant.participant, token=grant.token)
        self._spawning.see_through("take", lambda: self._link.send(command, grant.participant))

    async def give_back(self, grant: Grant, *, to: str, tail_done: bool, reason: str) -> bool:
        """See `Grant.release`."""
        command = fc.Release(
            participant=grant.participant, token=grant.token, tail_done=tail_done, to=to, reason=reason
        )
        try:
            answer = await self._tidy(command)
        except StreamUnavailableError as error:
            logger.warning("swarm.release_failed", extra={"token": grant.token, "reason": error.reason})
            return False
        except asyncio.CancelledError:
            # The call may or may not have arrived: it is repeated, which changes nothing if it had.
            self._spawning.see_through("release", lambda: self._tidy(command))
            raise
        return isinstance(answer.outcome, fc.Changed)

    def release_at_end(self, grant: Grant) -> None:
        """Give back what is still held when the stick is closed."""
        command = fc.Release(
            participant=grant.participant, token=grant.token, tail_done=False, reason="stick closed"
        )
        grant.end(Lost("stick closed"))
        self._spawning.see_through("release", lambda: self._tidy(command))

    async def _tidy(self, command: fc.Release) -> Answer:
        return await self._link.send(command, command.participant, limit_s=CLEANUP_S)

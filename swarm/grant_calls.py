"""What grants ask of the floor: first audio, and to be given back. Satisfies `swarm.grant.GrantCalls`."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from streams.connection import backoff_s, end_if_cancelled
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
MOST_APART_S = 0.25
"""Longest wait before a release is tried again: meanwhile the floor idles."""


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
            self._release_beside(command, grant)
            return False
        except asyncio.CancelledError:
            self._release_beside(command, grant)
            raise
        return isinstance(answer.outcome, fc.Changed)

    def release_at_end(self, grant: Grant) -> None:
        """Give back what is still held when the stick is closed."""
        command = fc.Release(
            participant=grant.participant, token=grant.token, tail_done=False, reason="stick closed"
        )
        grant.end(Lost("stick closed"))
        self._release_beside(command, grant)

    def _release_beside(self, command: fc.Release, grant: Grant) -> None:
        """Release again beside the caller; where a call had arrived already, that changes nothing."""
        self._spawning.see_through("release", lambda: self._until_answered(command, grant.lease_ms / 1000))

    async def _until_answered(self, command: fc.Release, lease_s: float) -> None:
        """Release until Redis answers, no longer than a lease: by then the floor is free without it."""
        delays = backoff_s(longest_s=MOST_APART_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(lease_s):
                while True:
                    end_if_cancelled()
                    try:
                        await self._tidy(command)
                    except StreamUnavailableError:
                        await asyncio.sleep(next(delays))
                    else:
                        return

    async def _tidy(self, command: fc.Release) -> Answer:
        return await self._link.send(command, command.participant, limit_s=CLEANUP_S)

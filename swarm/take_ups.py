"""Grants for those who iterate over `TalkingStick.grants`: taken up as soon as an event tells of them."""

from __future__ import annotations

import logging
import weakref
from typing import TYPE_CHECKING

from streams.errors import StreamUnavailableError
from swarm import floor_commands as fc
from swarm.grant import Grants

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams import events as ev
    from streams.events import Recorded
    from swarm.floor_link import FloorLink
    from swarm.holdings import Holdings

logger = logging.getLogger(__name__)


class TakeUps:
    """The iterators of one process, held weakly: one that nobody uses any more takes up nothing."""

    def __init__(self, link: FloorLink, holdings: Holdings, *, waited_for: Callable[[str], bool]) -> None:
        self._link = link
        self._holdings = holdings
        self._waited_for = waited_for
        self._grants: weakref.WeakSet[Grants] = weakref.WeakSet()

    def open(self, participant: str) -> Grants:
        """Return a new iterator over the grants of `participant`."""
        grants = Grants(participant)
        self._grants.add(grants)
        return grants

    def wanted(self, participant: str) -> bool:
        """Return whether somebody iterates over the grants of `participant`."""
        return bool(self._iterators(participant))

    def take_up_by_event(self, recorded: Recorded, event: ev.FloorGranted) -> bool:
        """Hand a grant to the iterator as its event comes; False where it has to be confirmed first."""
        takers = self._iterators(event.participant)
        grant = self._holdings.add_by_event(recorded, event) if takers else None
        if grant is None:
            return False
        takers[0].put(grant)
        return True

    async def take_up(self, participant: str, token: int) -> None:
        """Confirm a grant and hand it to the iterator; where that comes too late, it is somebody else's."""
        if self._holdings.get(token) is not None:
            return
        try:
            answer = await self._link.send(fc.Renew(participant=participant, token=token), participant)
        except StreamUnavailableError as error:
            logger.warning("swarm.take_up_failed", extra={"token": token, "reason": error.reason})
            return
        takers = self._iterators(participant)
        if isinstance(answer.outcome, fc.Granted) and takers and self._holdings.get(token) is None:
            takers[0].put(self._holdings.add(answer, answer.outcome))

    async def take_up_current(self, participant: str) -> None:
        """Take up a grant that was made before anybody iterated."""
        try:
            hold = (await self._link.read()).hold
        except StreamUnavailableError as error:
            logger.warning("swarm.take_up_failed", extra={"reason": error.reason})
            return
        if hold is not None and hold.participant == participant and not self._waited_for(hold.request_id):
            await self.take_up(participant, hold.token)

    def close(self) -> None:
        """End every iteration."""
        for grants in tuple(self._grants):
            grants.close()

    def _iterators(self, participant: str) -> list[Grants]:
        return [each for each in self._grants if each.participant == participant and not each.closed]

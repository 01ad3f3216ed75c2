"""What turn allocation knows of a room: a fold over the room's record, and so the same in every process.

No I/O. `seen` takes the events in their order; `waiting`, `offers`, `overdue` are filled in for one choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streams import events as ev
from swarm.allocation_turns import turn_of

if TYPE_CHECKING:
    from streams.events import Event
    from swarm.allocation_bids import Offer

TURN_ID_PREFIX = "turn:"
"""Begins the id of the request that answers a person's turn."""
_HAND_OVER_PREFIX = "yield:"
_KEPT = 64


@dataclass(frozen=True, slots=True)
class Asking:
    """An agent that waits for the floor by a request of its own."""

    participant: str
    priority: int
    arrived_us: int


@dataclass(frozen=True, slots=True)
class History:
    """What has happened in the room, as far as it matters for who answers next."""

    last_holder: str | None = None
    """Who was granted the floor last."""
    answered: tuple[str, ...] = ()
    """Who answered the last turns, the latest last; each once, at its latest."""
    muted: frozenset[str] = frozenset()
    chosen_at_ms: int = 0
    """When somebody last asked by hand for the floor for somebody else, as a chair does. Redis's clock."""
    waiting: tuple[Asking, ...] = ()
    """Who waits for the floor at the moment of choosing."""
    offers: tuple[Offer, ...] = ()
    """The bids for the turn, those in time."""
    overdue: bool = False
    """The chair has let its time pass."""

    def seen(self, event: Event, at_ms: int = 0) -> History:
        """Return the history after `event`, written at `at_ms` on Redis's clock."""
        match event:
            case ev.FloorGranted(participant=who, request_id=request_id, reason=reason):
                if not request_id.startswith(TURN_ID_PREFIX) and not turn_of(reason):
                    return replace(self, last_holder=who)
                others = tuple(each for each in self.answered if each != who)
                return replace(self, last_holder=who, answered=(*others, who)[-_KEPT:])
            case ev.FloorRequested(on_behalf_of=str(), request_id=request_id) if not request_id.startswith(
                (TURN_ID_PREFIX, _HAND_OVER_PREFIX)
            ):
                return replace(self, chosen_at_ms=at_ms)
            case ev.ParticipantMuted(participant=who, muted=True):
                return replace(self, muted=self.muted | {who})
            case ev.ParticipantMuted(participant=who, muted=False):
                return replace(self, muted=self.muted - {who})
            case _:
                return self

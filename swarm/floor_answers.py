"""What a floor answers: plain values, no rules and no I/O. The rules are in `swarm.floor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swarm.floor_state import RequestState


@dataclass(frozen=True, slots=True)
class Granted:
    """The request holds the floor."""

    participant: str
    request_id: str
    token: int
    remaining_ms: int
    """From the moment of the answer to the end of the lease."""
    guard_ms: int
    """From the moment of the answer to when the holder may be audible."""
    lease_ms: int
    confirmed: bool
    reason: str = ""
    """What the request said it was for."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits; `position` counts from 1."""

    participant: str
    request_id: str
    position: int


@dataclass(frozen=True, slots=True)
class Denied:
    """The request was refused: "closed", "queue_full", "muted", "too_old", "too_new", or as the chair said.

    An acknowledgement: "off", "muted", "closed", "idle", "holds" or "busy"; its request id is empty.
    """

    participant: str
    request_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The request is over; `token` is 0 where it was never granted."""

    participant: str
    request_id: str
    state: RequestState
    token: int
    reason: str


@dataclass(frozen=True, slots=True)
class Lent:
    """The participant may be audible for an acknowledgement, for this long from the moment of the answer."""

    participant: str
    remaining_ms: int


@dataclass(frozen=True, slots=True)
class Stale:
    """The command named a token that is not its participant's current one; `current` is the floor's last."""

    current: int


@dataclass(frozen=True, slots=True)
class Changed:
    """The command did what it says; of whom and of which token."""

    what: str
    participant: str
    token: int = 0


@dataclass(frozen=True, slots=True)
class Unchanged:
    """There was nothing to do, and nothing was done."""

    reason: str


@dataclass(frozen=True, slots=True)
class Invalid:
    """The command makes no sense; `what` names the part."""

    what: str


Outcome = Granted | Queued | Denied | Ended | Lent | Stale | Changed | Unchanged | Invalid

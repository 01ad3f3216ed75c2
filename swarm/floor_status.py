"""A floor at one moment, for people and scripts. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from swarm.floor_draft import in_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarm.floor_state import Floor, FloorSettings, RequestState, Waiting


class FloorState(StrEnum):
    """What a floor is doing."""

    IDLE = "idle"
    HELD = "held"
    """By a grant, or by people who are speaking."""
    REVOKING = "revoking"
    """The holder was pre-empted, or its turn lasted too long, and it has a moment to finish."""
    CLOSED = "closed"
    """Nobody holds it, and no request is served."""


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """One request that is not over."""

    participant: str
    request_id: str
    state: RequestState
    """"granted", "queued", or "pending": this process asks for it right now and has no answer yet."""
    position: int = 0
    """Of a queued one, from 1."""


@dataclass(frozen=True, slots=True)
class FloorStatus:
    """A floor at one moment."""

    state: FloorState
    token: int
    """The last token granted."""
    holder: str | None
    """Who holds it by a grant."""
    remaining_ms: int
    """Of the holder's lease; 0 without one."""
    queue: tuple[Waiting, ...]
    """In the order in which it is served."""
    people: tuple[str, ...]
    """Who is speaking."""
    closed: bool
    settings: FloorSettings
    now_ms: int = 0
    """When that was, on Redis's clock."""
    muted: tuple[str, ...] = ()
    """Who may not hold it."""
    backchannel: str | None = None
    """Who may be audible for an acknowledgement."""
    requests: tuple[RequestStatus, ...] = ()
    """Every request that is not over: granted, then queued in order, then pending."""


def status_of(floor: Floor, now_ms: int, pending: Mapping[str, str]) -> FloorStatus:
    """Return what `floor` is doing at `now_ms`; `pending` are request ids that await their answer."""
    people = tuple(sorted(who for who, person in floor.people.items() if not person.stale))
    queue = tuple(in_order(floor.queue, floor.settings.age_step_ms))
    hold = floor.hold
    state = FloorState.HELD if people or hold is not None else FloorState.IDLE
    if hold is not None and hold.revoking:
        state = FloorState.REVOKING
    elif state is FloorState.IDLE and floor.closed_by:
        state = FloorState.CLOSED
    granted = () if hold is None else (RequestStatus(hold.participant, hold.request_id, "granted"),)
    queued = [
        RequestStatus(each.participant, each.request_id, "queued", n) for n, each in enumerate(queue, 1)
    ]
    asked = [
        RequestStatus(who, name, "pending") for name, who in pending.items() if name not in floor.requests
    ]
    return FloorStatus(
        state=state,
        token=floor.token,
        holder=hold.participant if hold else None,
        remaining_ms=max(0, hold.deadline_ms - now_ms) if hold else 0,
        queue=queue,
        people=people,
        closed=bool(floor.closed_by),
        settings=floor.settings,
        now_ms=now_ms,
        muted=tuple(sorted(floor.muted)),
        backchannel=floor.backchannel_by or None,
        requests=(*granted, *queued, *asked),
    )

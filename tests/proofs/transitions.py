"""Every transition of a request and of the floor, told from the events of one step. No I/O.

A step is right if the events alone lead from the states before it to the states after it, by legal ways only:
each transition is one event, and there is none without one. What was gone through is kept, so that a run can
say which legal transitions it never met.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams import events as ev
from streams.request_ids import KEPT_MS
from swarm import floor_commands as fc
from swarm.floor_state import LIVE

if TYPE_CHECKING:
    from streams.events import Event
    from swarm.floor_state import Floor

REQUEST: frozenset[tuple[str, str]] = frozenset(
    (
        ("", "pending"),
        ("pending", "queued"),
        ("pending", "granted"),
        ("pending", "denied"),
        ("pending", "withdrawn"),
        ("queued", "granted"),
        ("queued", "withdrawn"),
        ("granted", "released"),
        ("granted", "revoked"),
        ("granted", "expired"),
    )
)
"""Legal ways of a request; one that is withdrawn before it was asked is only remembered."""
RARE: frozenset[tuple[str, str]] = frozenset((("queued", "denied"), ("queued", "queued")))
"""Legal too: a chair refuses who waits; who waits is put to another place."""
FLOOR: frozenset[tuple[str, str]] = frozenset(
    (
        ("idle", "held"),
        ("held", "idle"),
        ("held", "held"),
        ("held", "revoking"),
        ("revoking", "idle"),
        ("revoking", "held"),
        ("idle", "closed"),
        ("closed", "idle"),
        ("held", "closed"),
    )
)
"""Ways of the floor from step to step; one that is closed while it is held is closed when it is free."""


@dataclass(slots=True)
class Transitions:
    """What was gone through so far."""

    request: set[tuple[str, str]] = field(default_factory=set)
    floor: set[tuple[str, str]] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    """Commands that were refused at least once."""

    @property
    def missed(self) -> list[str]:
        """Legal transitions that were not met."""
        missed = [f"request {old or 'nothing'} to {new}" for old, new in sorted(REQUEST - self.request)]
        return missed + [f"floor {old} to {new}" for old, new in sorted(FLOOR - self.floor)]

    def met(
        self,
        before: Floor,
        command: fc.Command,
        outcome: fc.Outcome,
        events: list[tuple[Event, int | None]],
        after: Floor,
        now_ms: int,
    ) -> None:
        """Take note of one step at `now_ms`.

        Raises:
            AssertionError: the events do not lead from `before` to `after` by legal ways.
        """
        states = {request_id: str(known.state) for request_id, known in before.requests.items()}
        forgotten = {
            request_id
            for request_id, known in before.requests.items()
            if known.state not in LIVE and known.touched_ms < now_ms - KEPT_MS
        }
        holding = {before.hold.token: before.hold.request_id} if before.hold else {}
        for event, token in events:
            found = _step_of(event, token, holding)
            if found is None:
                continue
            request_id, new = found
            if new == "pending" and request_id in forgotten:
                states.pop(request_id, None)
            step = (states.get(request_id, ""), new)
            assert step in REQUEST | RARE, f"{request_id}: {step[0] or 'nothing'} to {new}"
            self.request.add(step)
            states[request_id] = new
        for request_id, known in after.requests.items():
            expected = states.get(request_id, "")
            # What this step forgot first was withdrawn like one that was never asked.
            unknown = not expected and request_id not in before.requests
            unsent = known.state == "withdrawn" and (unknown or request_id in forgotten)
            assert known.state == expected or unsent, (
                f"{request_id} is {known.state}, by the events {expected or 'unknown'}"
            )
        self.floor.add((state_of(before), state_of(after)))
        if isinstance(outcome, fc.Stale | fc.Invalid | fc.Unchanged | fc.Denied):
            self.refused.add(type(command).__name__)


def _step_of(event: Event, token: int | None, holding: dict[int, str]) -> tuple[str, str] | None:
    match event:
        case ev.FloorRequested(request_id=request_id):
            return request_id, "pending"
        case ev.FloorQueued(request_id=request_id):
            return request_id, "queued"
        case ev.FloorDenied(request_id=request_id):
            return request_id, "denied"
        case ev.FloorWithdrawn(request_id=request_id):
            return request_id, "withdrawn"
        case ev.FloorGranted(request_id=request_id):
            assert not holding, "granted while held"
            assert token is not None
            holding[token] = request_id
            return request_id, "granted"
        case ev.FloorReleased() | ev.FloorRevoked() | ev.FloorExpired() if token is not None:
            assert token in holding, f"{event.type} of a token that is not held"
            ends = {ev.FloorReleased: "released", ev.FloorRevoked: "revoked", ev.FloorExpired: "expired"}
            return holding.pop(token), ends[type(event)]
        case _:
            return None


def state_of(floor: Floor) -> str:
    """Return the floor's state as `status` shows it."""
    if floor.hold is not None:
        return "revoking" if floor.hold.revoking_by else "held"
    if any(not person.stale for person in floor.people.values()):
        return "held"
    return "closed" if floor.closed_by else "idle"

"""What a room is at one moment, from its events alone: a pure fold. No I/O.

`after(state, entry)` gives the state that an entry leads to. Folded over a room's whole stream, in order, it
is what the live keys hold; begun later, it is what has changed since. Apart from the record: a lease is
renewed without an event, so a lease that lapsed shows when somebody noticed and FLOOR_EXPIRED was written;
and a person who speaks while an agent holds the floor is in `speaking`, not in `people`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from streams import events as ev

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.events import Recorded
    from streams.vocabulary import ParticipantKind


@dataclass(frozen=True, slots=True)
class Asked:
    """The last request that was made."""

    request_id: str
    participant: str
    """Whom it is for."""
    by: str
    priority: int
    reason: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the floor by a grant."""

    participant: str
    token: int
    request_id: str
    priority: int | None
    """None where the fold did not see the request."""
    reason: str
    granted_ms: int
    lease_ms: int
    """As it was granted; renewals write no event."""
    taken_ms: int | None = None
    """When its first audio went out."""
    revoking_by: str | None = None
    """Who told it to finish; empty for its own turn's limit, None where nobody did."""
    revoking_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Waiter:
    """Who waits for the floor."""

    participant: str
    request_id: str
    priority: int
    reason: str
    queued_ms: int
    """When this request was queued. A request that replaced another one keeps its place, not its time."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """A person who is heard speaking."""

    participant: str
    speech_id: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class HostState:
    """What a host is doing."""

    participant: str
    state: str
    since_ms: int
    cause: str


@dataclass(frozen=True, slots=True)
class Present:
    """Who is in the room."""

    participant: str
    kind: ParticipantKind
    role: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Lent:
    """Who may be audible for an acknowledgement, without the floor."""

    participant: str
    until_ms: int


@dataclass(frozen=True, slots=True)
class RoomState:
    """A room after an entry. Times in ms on Redis's clock."""

    room: str = ""
    session: str = ""
    seq: int = 0
    last_id: str = ""
    """Id of the last entry that was folded in; empty before the first."""
    at_ms: int = 0
    """When that was written."""
    open: bool = False
    """A session is open."""
    token: int = 0
    """The last token granted."""
    holder: Holder | None = None
    waiting: tuple[Waiter, ...] = ()
    """In the order in which they are served."""
    waiting_order_known: bool = True
    """False after `age_step_ms` changed while requests of several priorities waited: who waits is still
    right, in which order is not, until at most one waits."""
    people: Mapping[str, int] = field(default_factory=dict[str, int])
    """People who hold the floor by speaking, to since when."""
    speaking: Mapping[str, Speaker] = field(default_factory=dict[str, Speaker])
    hosts: Mapping[str, HostState] = field(default_factory=dict[str, HostState])
    participants: Mapping[str, Present] = field(default_factory=dict[str, Present])
    closed_by: str = ""
    """Who closed the floor; empty where it is open."""
    muted: frozenset[str] = frozenset()
    lent: Lent | None = None
    """Over at its time, without an event."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What was changed; a room's first settings write no event."""
    asked: Asked | None = None

    @property
    def closed(self) -> bool:
        """Whether no request is served."""
        return bool(self.closed_by)

    @property
    def idle(self) -> bool:
        """Whether nobody holds the floor."""
        return self.holder is None and not self.people


def fold(entries: Iterable[Recorded], state: RoomState | None = None) -> RoomState:
    """Return the state after all `entries`, which are in the order of the stream."""
    state = state or RoomState()
    for entry in entries:
        state = after(state, entry)
    return state


def after(state: RoomState, entry: Recorded) -> RoomState:
    """Return the state after `entry`. An event of an unknown type changes nothing but the position."""
    changes = _changes(state, entry)
    return replace(
        state,
        room=entry.room,
        session=entry.session,
        seq=entry.seq,
        last_id=entry.id,
        at_ms=entry.at_ms,
        **{"open": True, **changes},
    )


def _changes(state: RoomState, entry: Recorded) -> dict[str, Any]:
    event = entry.event
    match event:
        case ev.RoomClosed():
            return {"open": False}
        case ev.ParticipantJoined(participant=who, participant_kind=kind, role=role):
            here = Present(who, kind, role, entry.occurred_ms)
            return {"participants": {**state.participants, who: here}}
        case ev.ParticipantLeft(participant=who):
            return {"participants": _without(state.participants, who), "hosts": _without(state.hosts, who)}
        case ev.StateChanged(participant=who, new=new, cause=cause):
            return {"hosts": {**state.hosts, who: HostState(who, new, entry.occurred_ms, cause)}}
        case ev.SpeechStarted(participant=who, speech_id=speech_id):
            return {"speaking": {**state.speaking, who: Speaker(who, speech_id, entry.occurred_ms)}}
        case ev.SpeechEnded(participant=who):
            return {"speaking": _without(state.speaking, who)}
        case _:
            return _floor_changes(state, entry)


def _floor_changes(state: RoomState, entry: Recorded) -> dict[str, Any]:
    match entry.event:
        case ev.FloorRequested() as event:
            who = event.on_behalf_of or event.participant
            asked = Asked(event.request_id, who, event.participant, event.priority, event.reason)
            return {"asked": asked}
        case ev.FloorQueued() as event:
            return _order(state, _queued(state, event, entry.at_ms))
        case ev.FloorGranted() as event if entry.token is not None:
            return _granted(state, event, entry.token, entry.at_ms)
        case ev.FloorWithdrawn(reason="joined", position=None) as event:
            return {"waiting": tuple(_joined(each, state.asked, event) for each in state.waiting)}
        case ev.FloorDenied(request_id=request_id) | ev.FloorWithdrawn(request_id=request_id):
            return _order(state, _not_waiting(state, request_id))
        case ev.FloorTaken(participant=who):
            return _taken(state, who, entry)
        case ev.FloorReleased(participant=who) | ev.FloorRevoked(participant=who):
            return _ended(state, who, entry.token)
        case ev.FloorExpired(participant=who):
            return _ended(state, who, entry.token)
        case ev.FloorRevoking(by=by, grace_ms=grace_ms):
            return _holder(state, entry.token, revoking_by=by, revoking_until_ms=entry.at_ms + grace_ms)
        case ev.FloorLent(participant=who, limit_ms=limit_ms):
            return {"lent": Lent(who, entry.at_ms + limit_ms)}
        case _:
            return _chair_changes(state, entry)


def _chair_changes(state: RoomState, entry: Recorded) -> dict[str, Any]:
    match entry.event:
        case ev.FloorClosed(by=by):
            return {"closed_by": by}
        case ev.FloorOpened():
            return {"closed_by": ""}
        case ev.ParticipantMuted(participant=who, muted=True):
            lent = None if state.lent is not None and state.lent.participant == who else state.lent
            return {"muted": state.muted | {who}, "lent": lent}
        case ev.ParticipantMuted(participant=who):
            return {"muted": state.muted - {who}}
        case ev.SettingsChanged(settings=settings):
            priorities = {each.priority for each in state.waiting}
            moved = "age_step_ms" in settings and len(priorities) > 1
            known = state.waiting_order_known and not moved
            return {"settings": {**state.settings, **settings}, "waiting_order_known": known}
        case _:
            return {}


def _queued(state: RoomState, event: ev.FloorQueued, at_ms: int) -> tuple[Waiter, ...]:
    before = next((each for each in state.waiting if each.request_id == event.request_id), None)
    asked = state.asked
    reason = asked.reason if asked is not None and asked.request_id == event.request_id else ""
    waiter = before or Waiter(event.participant, event.request_id, event.priority, reason, at_ms)
    others = _not_waiting(state, event.request_id)
    at = max(0, event.position - 1)
    return (*others[:at], waiter, *others[at:])


def _joined(waiter: Waiter, asked: Asked | None, event: ev.FloorWithdrawn) -> Waiter:
    """Somebody else's request for the waiter joins its own."""
    if asked is None or asked.request_id != event.request_id or waiter.participant != event.participant:
        return waiter
    priority = max(waiter.priority, asked.priority)
    return replace(waiter, priority=priority, reason=asked.reason or waiter.reason)


def _granted(state: RoomState, event: ev.FloorGranted, token: int, at_ms: int) -> dict[str, Any]:
    request_id = event.request_id
    waited = next((each for each in state.waiting if each.request_id == request_id), None)
    asked = state.asked if state.asked is not None and state.asked.request_id == request_id else None
    known = waited or asked
    holder = Holder(
        participant=event.participant,
        token=token,
        request_id=request_id,
        priority=None if known is None else known.priority,
        reason=event.reason,
        granted_ms=at_ms,
        lease_ms=event.lease_ms,
    )
    return {"holder": holder, "token": token, **_order(state, _not_waiting(state, request_id))}


def _taken(state: RoomState, who: str, entry: Recorded) -> dict[str, Any]:
    if entry.token is None:  # a person takes the floor by speaking, without a grant
        return {"people": {**state.people, who: entry.at_ms}}
    return _holder(state, entry.token, taken_ms=entry.at_ms)


def _ended(state: RoomState, who: str, token: int | None) -> dict[str, Any]:
    if token is None:
        return {"people": _without(state.people, who)}
    return {"holder": None} if state.holder is not None and state.holder.token == token else {}


def _holder(state: RoomState, token: int | None, **changes: Any) -> dict[str, Any]:
    if state.holder is None or state.holder.token != token:
        return {}
    return {"holder": replace(state.holder, **changes)}


def _not_waiting(state: RoomState, request_id: str) -> tuple[Waiter, ...]:
    return tuple(each for each in state.waiting if each.request_id != request_id)


def _order(state: RoomState, waiting: tuple[Waiter, ...]) -> dict[str, Any]:
    return {"waiting": waiting, "waiting_order_known": state.waiting_order_known or len(waiting) < 2}


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in mapping.items() if each != name}

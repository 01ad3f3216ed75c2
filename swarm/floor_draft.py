"""The parts of the floor's transitions. See `swarm.floor`. No I/O."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from streams import events as ev
from streams.request_ids import KEPT_MS
from streams.vocabulary import ParticipantKind
from swarm.floor_state import LIVE, RESUMABLE, Floor, Hold, Known, RequestState, Waiting

if TYPE_CHECKING:
    from collections.abc import Mapping

FRONT_US = 4_000_000_000_000_000
_DATED = re.compile(r"(\d{13})-")
_TRIM = 8


def score(waiting: Waiting, age_step_ms: int) -> int:
    """Return the place in the queue as a number: lower is served first."""
    head_start_us = waiting.priority * age_step_ms * 1_000
    return waiting.arrived_us - (waiting.front * FRONT_US if waiting.front else head_start_us)


def in_order(queue: Mapping[str, Waiting], age_step_ms: int) -> list[Waiting]:
    """Return the queue in the order in which it is served."""
    return sorted(queue.values(), key=lambda each: (score(each, age_step_ms), each.participant.encode()))


def made_ms(request_id: str) -> int | None:
    """Return when a request id was made, where it says."""
    found = _DATED.match(request_id)
    return int(found[1]) if found else None


class Draft:
    """The state while one command is worked on."""

    def __init__(self, floor: Floor, now_us: int) -> None:
        self.now_us, self.now_ms = now_us, now_us // 1_000
        self.settings, self.token = floor.settings, floor.token
        self.hold: Hold | None = floor.hold
        self.queue, self.people = dict(floor.queue), dict(floor.people)
        self.closed_by, self.quiet_ms, self.arrived_us = floor.closed_by, floor.quiet_ms, floor.arrived_us
        self.requests, self.tokens = dict(floor.requests), dict(floor.tokens)
        self.muted: frozenset[str] = floor.muted
        self.preempted = dict(floor.preempted)
        self.backchannel_by, self.backchannel_until_ms = floor.backchannel_by, floor.backchannel_until_ms
        self.idle_since_ms, self.session = floor.idle_since_ms, floor.session
        self.heard_ms = floor.heard_ms
        self.events: list[tuple[ev.Event, int | None]] = []

    def floor(self) -> Floor:
        return Floor(
            settings=self.settings,
            token=self.token,
            hold=self.hold,
            queue=self.queue,
            people=self.people,
            closed_by=self.closed_by,
            quiet_ms=self.quiet_ms,
            arrived_us=self.arrived_us,
            requests=self.requests,
            tokens=self.tokens,
            muted=self.muted,
            preempted=self.preempted,
            backchannel_by=self.backchannel_by,
            backchannel_until_ms=self.backchannel_until_ms,
            idle_since_ms=self.idle_since_ms,
            heard_ms=self.heard_ms,
            session=self.session,
        )

    def serve(self) -> None:
        """Give a floor that nobody holds to the people who are speaking, or else to the head of the queue."""
        if self.hold is not None:
            return
        for who in sorted(self.present(), key=str.encode):
            person = self.people[who]
            if person.taken_ms is None:
                self.people[who] = replace(person, taken_ms=self.now_ms)
                self.emit(ev.FloorTaken(participant=who, participant_kind=ParticipantKind.PERSON))
        if self.closed_by or not self.queue or self.present():
            return
        head = in_order(self.queue, self.settings.age_step_ms)[0]
        self.grant(self.queue.pop(head.participant), confirmed=False, position=1)

    def present(self) -> list[str]:
        return [who for who, person in self.people.items() if not person.stale]

    def emit(self, event: ev.Event, token: int | None = None) -> None:
        self.events.append((event, token))
        self.session = True

    def grant(
        self,
        waiting: Waiting,
        *,
        confirmed: bool,
        position: int | None = None,
        of: tuple[str, str] | None = None,
    ) -> None:
        lease_ms = self.settings.lease_ms if confirmed else self.settings.take_up_ms
        self.token = max(self.token + 1, self.now_us)
        self.hold = Hold(
            participant=waiting.participant,
            token=self.token,
            request_id=waiting.request_id,
            priority=waiting.priority,
            granted_ms=self.now_ms,
            deadline_ms=self.now_ms + lease_ms,
            lease_ms=lease_ms,
            confirmed=confirmed,
            reason=waiting.reason,
            sounding_ms=self.now_ms,
        )
        self.tokens[self.token] = waiting.participant
        if len(self.tokens) > 2 * self.settings.tokens_kept:
            for old in sorted(self.tokens)[: -self.settings.tokens_kept]:
                del self.tokens[old]
        self.note(waiting.request_id, "granted", token=self.token, of=of)
        self.emit(
            ev.FloorGranted(
                participant=waiting.participant,
                request_id=waiting.request_id,
                lease_ms=lease_ms,
                waited_ms=max(0, self.now_ms - waiting.arrived_us // 1_000),
                guard_ms=max(0, self.quiet_ms - self.now_ms),
                reason=waiting.reason,
                position=position,
            ),
            self.token,
        )

    def end(self, hold: Hold, state: RequestState, reason: str, audible_until_ms: int | None) -> None:
        """End the grant; `audible_until_ms` is when its gate closes at the latest, None for a clean end."""
        self.hold = None
        self.note(hold.request_id, state, token=hold.token, reason=reason)
        # Who never confirmed may have spoken by the event alone, but not in the second half of its lease.
        if audible_until_ms is not None and (hold.confirmed or state != "expired"):
            self.quiet_ms = max(self.quiet_ms, audible_until_ms + self.settings.guard_ms)

    def begin_revoking(self, hold: Hold, by: str, grace_ms: int, reason: str) -> None:
        until_ms = self.now_ms + grace_ms
        self.hold = replace(
            hold,
            deadline_ms=min(hold.deadline_ms, until_ms),
            grace_until_ms=until_ms,
            revoking_by=by,
            revoking_reason=reason,
        )
        event = ev.FloorRevoking(participant=hold.participant, by=by, grace_ms=grace_ms, reason=reason)
        self.emit(event, hold.token)

    def end_by_preempting(self, hold: Hold, by: str, reason: str, at_ms: int) -> None:
        """As `end_by_revoking`; the holder may ask to be put back at the front."""
        self.preempted[hold.token] = hold.request_id
        if len(self.preempted) > RESUMABLE:
            del self.preempted[min(self.preempted)]
        self.end_by_revoking(hold, by, reason, at_ms)

    def end_by_revoking(self, hold: Hold, by: str, reason: str, at_ms: int) -> None:
        self.end(hold, "revoked", reason, at_ms)
        self.emit(
            ev.FloorRevoked(
                participant=hold.participant, by=by, held_ms=at_ms - hold.granted_ms, reason=reason
            ),
            hold.token,
        )

    def end_person(self, who: str, reason: str) -> None:
        person = self.people.pop(who)
        if person.taken_ms is not None:
            held_ms = max(0, self.now_ms - person.taken_ms)
            self.emit(ev.FloorReleased(participant=who, held_ms=held_ms, reason=reason))

    def note(
        self,
        request_id: str,
        state: RequestState,
        *,
        token: int = 0,
        reason: str = "",
        of: tuple[str, str] | None = None,
    ) -> None:
        """Remember what became of a request; `of` is participant and requester of one not known before."""
        known = self.requests.get(request_id)
        participant, by = of or ((known.participant, known.by) if known else ("", ""))
        touched_ms = max(self.now_ms, made_ms(request_id) or 0)
        self.requests[request_id] = Known(participant, by, state, touched_ms, token, reason)
        oldest = sorted(self.requests.items(), key=lambda item: (item[1].touched_ms, item[0].encode()))
        for old_id, old in oldest[:_TRIM]:
            if old.touched_ms >= self.now_ms - KEPT_MS:
                break
            if old.state in LIVE:
                self.requests[old_id] = replace(old, touched_ms=self.now_ms)
            else:
                del self.requests[old_id]

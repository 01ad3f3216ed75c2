"""What becomes of a request for the floor. See `swarm.floor`. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streams import events as ev
from streams.request_ids import KEPT_MS
from swarm.floor_commands import Changed, Denied, Ended, Granted, Invalid, Queued, Unchanged
from swarm.floor_draft import Draft, in_order, made_ms
from swarm.floor_state import Hold, Waiting
from swarm.participant import Priority

if TYPE_CHECKING:
    from swarm import floor_commands as fc
    from swarm.floor_state import Known

YIELD = "yield:"
"""Begins the ids of requests that a hand-over made; nobody else may use them."""


class Requests(Draft):
    """Requests, from asking to being granted or not."""

    def request(self, command: fc.Request) -> fc.Outcome:
        known = self.requests.get(command.request_id)
        if known is not None:
            return self.state_of(command.request_id, known)
        if command.request_id.startswith(YIELD):
            return Invalid("request_id")
        made = made_ms(command.request_id)
        who = command.on_behalf_of or command.participant
        if made is not None and abs(self.now_ms - made) > KEPT_MS:
            return Denied(who, command.request_id, "too_old" if made < self.now_ms else "too_new")
        self.emit(
            ev.FloorRequested(
                participant=command.participant,
                priority=command.priority,
                request_id=command.request_id,
                on_behalf_of=command.on_behalf_of or None,
                reason=command.reason,
            )
        )
        hold = self.hold
        idle = hold is None and not self.present()
        preempted = hold if hold is not None and self.may_preempt(command, who, hold) else None
        grace_ms = self.settings.grace_ms if preempted is not None and preempted.confirmed else 0
        must_wait = not idle and (preempted is None or grace_ms > 0)
        if self.closed_by or (must_wait and who not in self.queue and self.queue_is_full()):
            return self.deny(command, who, "closed" if self.closed_by else "queue_full")
        before = self.withdraw_waiting(who, "replaced")
        waiting = Waiting(
            participant=who,
            request_id=command.request_id,
            priority=command.priority,
            arrived_us=before.arrived_us if before is not None else max(self.now_us, self.arrived_us + 1),
            front=preempted is not None or (before is not None and before.front),
            reason=command.reason,
        )
        of = (who, command.participant)
        if preempted is not None and grace_ms > 0:
            self.begin_revoking(preempted, who, grace_ms, command.reason)
        elif preempted is not None:
            self.end_by_revoking(preempted, who, command.reason, self.now_ms)
        if must_wait:
            return self.enqueue(waiting, of)
        self.note(command.request_id, "granted", of=of)
        self.grant(waiting, confirmed=who == command.participant)
        return self.state_of(command.request_id, self.requests[command.request_id])

    def may_preempt(self, command: fc.Request, who: str, hold: Hold) -> bool:
        return (
            command.priority == Priority.URGENT > hold.priority
            and command.observed_token == hold.token
            and hold.participant != who
            and not hold.revoking_by
            and not self.present()
            and not self.closed_by
        )

    def begin_revoking(self, hold: Hold, by: str, grace_ms: int, reason: str) -> None:
        self.hold = replace(
            hold,
            deadline_ms=min(hold.deadline_ms, self.now_ms + grace_ms),
            revoking_by=by,
            revoking_reason=reason,
        )
        event = ev.FloorRevoking(participant=hold.participant, by=by, grace_ms=grace_ms, reason=reason)
        self.emit(event, hold.token)

    def deny(self, command: fc.Request, who: str, reason: str) -> Denied:
        self.note(command.request_id, "denied", reason=reason, of=(who, command.participant))
        self.emit(ev.FloorDenied(participant=who, request_id=command.request_id, reason=reason))
        return Denied(who, command.request_id, reason)

    def queue_is_full(self) -> bool:
        return len(self.queue) >= self.settings.max_queue

    def enqueue(self, waiting: Waiting, of: tuple[str, str]) -> Queued:
        self.arrived_us = max(self.arrived_us, waiting.arrived_us)
        self.queue[waiting.participant] = waiting
        self.note(waiting.request_id, "queued", of=of)
        position = self.position(waiting.participant)
        self.emit(
            ev.FloorQueued(
                participant=waiting.participant,
                priority=waiting.priority,
                request_id=waiting.request_id,
                position=position,
            )
        )
        return Queued(waiting.participant, waiting.request_id, position)

    def position(self, who: str) -> int:
        ordered = in_order(self.queue, self.settings.age_step_ms)
        return 1 + [each.participant for each in ordered].index(who)

    def withdraw_waiting(self, who: str, reason: str) -> Waiting | None:
        waiting = self.queue.pop(who, None)
        if waiting is not None:
            self.note(waiting.request_id, "withdrawn", reason=reason)
            event = ev.FloorWithdrawn(participant=who, request_id=waiting.request_id, reason=reason)
            self.emit(event)
        return waiting

    def state_of(self, request_id: str, known: Known) -> fc.Outcome:
        if known.state == "granted" and self.hold is not None:
            return self.granted(self.hold)
        if known.state == "queued":
            return Queued(known.participant, request_id, self.position(known.participant))
        if known.state == "denied":
            return Denied(known.participant, request_id, known.reason)
        return Ended(known.participant, request_id, known.state, known.token, known.reason)

    def confirm(self, command: fc.Confirm) -> fc.Outcome:
        known = self.requests.get(command.request_id)
        if known is None:
            return Unchanged("unknown")
        if known.participant != command.participant:
            return Invalid("request_id")
        if known.state == "granted" and self.hold is not None:
            return self.granted(self.extend(self.hold))
        return self.state_of(command.request_id, known)

    def withdraw(self, command: fc.Withdraw) -> fc.Outcome:
        who, request_id = command.participant, command.request_id
        known = self.requests.get(request_id)
        if known is None:
            made = made_ms(request_id)
            if made is None or abs(self.now_ms - made) <= KEPT_MS:
                self.note(request_id, "withdrawn", reason=command.reason, of=(who, who))
            return Changed("withdrawn", who)
        if who not in (known.participant, known.by):
            return Invalid("request_id")
        if known.state == "queued":
            self.withdraw_waiting(known.participant, command.reason)
            return Changed("withdrawn", known.participant)
        if known.state == "granted" and self.hold is not None:
            self.give_back(self.hold, None, command.reason or "withdrawn", tail_done=False)
            self.serve()
            return Changed("released", known.participant, known.token)
        return Unchanged(known.state)

    def extend(self, hold: Hold) -> Hold:
        if hold.revoking_by:
            self.hold = replace(hold, confirmed=True)
        else:
            lease_ms = self.settings.lease_ms
            self.hold = replace(hold, deadline_ms=self.now_ms + lease_ms, lease_ms=lease_ms, confirmed=True)
        return self.hold

    def granted(self, hold: Hold) -> Granted:
        return Granted(
            participant=hold.participant,
            request_id=hold.request_id,
            token=hold.token,
            remaining_ms=hold.deadline_ms - self.now_ms,
            guard_ms=max(0, self.quiet_ms - self.now_ms),
            lease_ms=hold.lease_ms,
            confirmed=hold.confirmed,
            reason=hold.reason,
        )

    def give_back(self, hold: Hold, to: str | None, reason: str, *, tail_done: bool) -> None:
        self.end(hold, "released", reason, None if tail_done else self.now_ms)
        held_ms = self.now_ms - hold.granted_ms
        event = ev.FloorReleased(participant=hold.participant, held_ms=held_ms, to=to, reason=reason)
        self.emit(event, hold.token)

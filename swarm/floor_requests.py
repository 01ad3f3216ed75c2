"""What becomes of a request for the floor. See `swarm.floor`. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streams import events as ev
from streams.request_ids import KEPT_MS
from swarm.floor_commands import Changed, Denied, Ended, Granted, Invalid, Queued, Unchanged
from swarm.floor_draft import in_order, made_ms
from swarm.floor_state import IN_FRONT, Waiting
from swarm.floor_timers import Timers
from swarm.participant import Priority

if TYPE_CHECKING:
    from swarm import floor_commands as fc
    from swarm.floor_state import Hold, Known

YIELD = "yield:"
"""Begins the ids of requests that a hand-over made; nobody else may use them."""


class Requests(Timers):
    """Requests, from asking to being granted or not."""

    def request(self, command: fc.Request) -> fc.Outcome:
        who = command.on_behalf_of or command.participant
        answered = self.answered(command.request_id, who)
        if answered is not None:
            return answered
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
        denied, of = self.why_denied(who, must_wait=must_wait), (who, command.participant)
        if denied:
            return self.deny(command.request_id, of, denied)
        resumes = self.resumes(command.resume_token, who)
        waiting, was = self.replacing(
            Waiting(
                participant=who,
                request_id=command.request_id,
                priority=command.priority,
                arrived_us=self.next_arrival_us(),
                front=IN_FRONT if preempted is not None or resumes else 0,
                reason=command.reason,
            ),
            of,
        )
        if preempted is not None and grace_ms > 0:
            self.begin_revoking(preempted, who, grace_ms, command.reason)
        elif preempted is not None:
            self.end_by_preempting(preempted, who, command.reason, self.now_ms)
        return self.let_in(waiting, of, was=was, must_wait=must_wait)

    def answered(self, request_id: str, who: str) -> fc.Outcome | None:
        """Return what a request gets that is known already, or that cannot be one."""
        known = self.requests.get(request_id)
        if known is not None:
            return self.state_of(request_id, known)
        if request_id.startswith(YIELD):
            return Invalid("request_id")
        made = made_ms(request_id)
        if made is not None and abs(self.now_ms - made) > KEPT_MS:
            return Denied(who, request_id, "too_old" if made < self.now_ms else "too_new")
        return None

    def why_denied(self, who: str, *, must_wait: bool) -> str:
        if self.closed_by:
            return "closed"
        if who in self.muted:
            return "muted"
        full = len(self.queue) >= self.settings.max_queue
        return "queue_full" if must_wait and full and who not in self.queue else ""

    def resumes(self, token: int, who: str) -> bool:
        """Return whether `who` lost `token` by a pre-emption that is remembered; that counts once."""
        known = self.requests.get(self.preempted.get(token, ""))
        if known is None or (known.participant, known.state) != (who, "revoked"):
            return False
        del self.preempted[token]
        return True

    def next_arrival_us(self) -> int:
        return max(self.now_us, self.arrived_us + 1)

    def replacing(self, waiting: Waiting, of: tuple[str, str]) -> tuple[Waiting, int | None]:
        """Withdraw what the participant waited for; its new request keeps the place.

        What it asked for itself and somebody may await stays, and is served instead of what another asks for
        it: that one's request joins it. Then its position so far is returned too.
        """
        before = self.queue.get(waiting.participant)
        if before is not None and of[0] != of[1] and self.requests[before.request_id].by == of[0]:
            return self.joined_by(waiting, before, of)
        self.withdraw_waiting(waiting.participant, "replaced")
        if before is None:
            return waiting, None
        kept = replace(waiting, arrived_us=before.arrived_us, front=max(waiting.front, before.front))
        return kept, None

    def joined_by(self, waiting: Waiting, own: Waiting, of: tuple[str, str]) -> tuple[Waiting, int]:
        was = self.position(own.participant)
        self.note(waiting.request_id, "withdrawn", reason="joined", of=of)
        self.emit(ev.FloorWithdrawn(participant=of[0], request_id=waiting.request_id, reason="joined"))
        own = self.queue[own.participant] = replace(
            own,
            priority=max(own.priority, waiting.priority),
            front=max(own.front, waiting.front),
            reason=waiting.reason or own.reason,
        )
        return own, was

    def let_in(
        self, waiting: Waiting, of: tuple[str, str], *, was: int | None, must_wait: bool
    ) -> fc.Outcome:
        """Queue a request or grant it.

        `of` is its participant and who asked; `was` its position where it waited before, as its own.
        """
        who = waiting.participant
        if must_wait and was is None:
            return self.enqueue(waiting, of)
        if must_wait:
            position = self.position(who)
            if position != was:
                self.tell_place(waiting, was)
            return Queued(who, waiting.request_id, position)
        self.queue.pop(who, None)
        self.grant(waiting, confirmed=of[0] == of[1], position=was, of=of if was is None else None)
        return self.state_of(waiting.request_id, self.requests[waiting.request_id])

    def may_preempt(self, command: fc.Request, who: str, hold: Hold) -> bool:
        return (
            command.priority == Priority.URGENT > hold.priority
            and command.observed_token == hold.token
            and hold.participant != who
            and not hold.revoking
            and not self.present()
            and not self.closed_by
        )

    def deny(self, request_id: str, of: tuple[str, str], reason: str) -> Denied:
        self.note(request_id, "denied", reason=reason, of=of)
        self.emit(ev.FloorDenied(participant=of[0], request_id=request_id, reason=reason))
        return Denied(of[0], request_id, reason)

    def enqueue(self, waiting: Waiting, of: tuple[str, str]) -> Queued:
        self.arrived_us = max(self.arrived_us, waiting.arrived_us)
        self.queue[waiting.participant] = waiting
        self.note(waiting.request_id, "queued", of=of)
        position = self.tell_place(waiting)
        return Queued(waiting.participant, waiting.request_id, position)

    def tell_place(self, waiting: Waiting, was: int | None = None) -> int:
        """Record where a request waits; `was` is its position before it was moved."""
        position = self.position(waiting.participant)
        self.emit(
            ev.FloorQueued(
                participant=waiting.participant,
                priority=waiting.priority,
                request_id=waiting.request_id,
                position=position,
                was=was,
            )
        )
        return position

    def position(self, who: str) -> int:
        ordered = in_order(self.queue, self.settings.age_step_ms)
        return 1 + [each.participant for each in ordered].index(who)

    def withdraw_waiting(self, who: str, reason: str) -> Waiting | None:
        waiting = self.queue.get(who)
        if waiting is not None:
            position = self.position(who)
            del self.queue[who]
            self.note(waiting.request_id, "withdrawn", reason=reason)
            self.emit(
                ev.FloorWithdrawn(
                    participant=who, request_id=waiting.request_id, reason=reason, position=position
                )
            )
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

    def extend(self, hold: Hold, *, sounding: bool = False) -> Hold:
        """Renew the lease, within a grace; whoever takes up a grant begins to be silent only then."""
        lease_ms = self.settings.lease_ms
        deadline_ms = self.now_ms + lease_ms
        self.hold = replace(
            hold,
            deadline_ms=min(deadline_ms, hold.grace_until_ms) if hold.revoking else deadline_ms,
            lease_ms=lease_ms,
            confirmed=True,
            sounding_ms=self.now_ms if sounding or not hold.confirmed else hold.sounding_ms,
        )
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

"""What the chair orders, what the dead leave, and the backchannel lane. See `swarm.floor`. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from streams import events as ev
from swarm import floor_commands as fc
from swarm.floor_commands import Changed, Denied, Lent, Unchanged
from swarm.floor_requests import Requests
from swarm.floor_state import FIRST_OF_ALL, MAX_MUTED, RENEWED_LATELY_MS, SILENT_AFTER_MS, Waiting
from swarm.participant import Priority


class Orders(Requests):
    """Commands about others, and acknowledgements without the floor."""

    def order(self, command: fc.Order) -> fc.Outcome:
        match command:
            case fc.Revoke():
                return self.revoke(command)
            case fc.Deny():
                return self.refuse(command)
            case fc.GrantTo():
                return self.grant_to(command)
            case fc.Mute():
                return self.mute(command)
            case fc.Gone():
                return self.gone(command)
            case fc.Backchannel():
                return self.backchannel(command)
            case fc.Close(by=by, reason=reason):
                return self.close(by, reason)
            case fc.Open(by=by):
                return self.open(by)
            case fc.Configure():
                return self.configure(command)
            case _:
                assert_never(command)

    def revoke(self, command: fc.Revoke) -> fc.Outcome:
        hold = self.hold
        if hold is None:
            return Unchanged("idle")
        if command.token not in (0, hold.token):
            return Unchanged("token")
        self.end_by_revoking(hold, command.by, command.reason, self.now_ms)
        self.serve()
        return Changed("revoked", hold.participant, hold.token)

    def refuse(self, command: fc.Deny) -> fc.Outcome:
        who = command.participant
        waiting = self.queue.get(who)
        if waiting is None:
            return Unchanged("not_waiting")
        position = self.position(who)
        del self.queue[who]
        self.note(waiting.request_id, "denied", reason=command.reason)
        self.emit(
            ev.FloorDenied(
                participant=who,
                request_id=waiting.request_id,
                reason=command.reason,
                by=command.by,
                position=position,
            )
        )
        return Changed("denied", who)

    def grant_to(self, command: fc.GrantTo) -> fc.Outcome:
        who, hold = command.participant, self.hold
        known = self.answered(command.request_id, who)
        if known is not None:
            self.serve()
            return self.answered(command.request_id, who) or known
        if hold is not None and hold.participant == who:
            return Unchanged("holds")
        self.emit(
            ev.FloorRequested(
                participant=command.by,
                priority=Priority.HIGH,
                request_id=command.request_id,
                on_behalf_of=who,
                reason=command.reason,
            )
        )
        must_wait = bool(self.present()) or (hold is not None and not command.now)
        of = (who, command.by)
        denied = self.why_denied(who, must_wait=must_wait)
        if denied:
            self.serve()
            return self.deny(command.request_id, of, denied)
        waiting, was = self.replacing(
            Waiting(
                participant=who,
                request_id=command.request_id,
                priority=Priority.HIGH,
                arrived_us=self.next_arrival_us(),
                front=FIRST_OF_ALL,
                reason=command.reason,
            ),
            of,
        )
        if hold is not None and command.now:
            self.end_by_revoking(hold, command.by, command.reason, self.now_ms)
        outcome = self.let_in(waiting, of, was=was, must_wait=must_wait)
        self.serve()
        return outcome

    def close(self, by: str, reason: str) -> fc.Outcome:
        if self.closed_by:
            return Unchanged("closed")
        self.closed_by = by
        self.emit(ev.FloorClosed(by=by, reason=reason))
        return Changed("closed", by)

    def open(self, by: str) -> fc.Outcome:
        if not self.closed_by:
            return Unchanged("open")
        self.closed_by = ""
        self.emit(ev.FloorOpened(by=by))
        self.serve()
        return Changed("opened", by)

    def configure(self, command: fc.Configure) -> fc.Outcome:
        old = self.settings.as_dict()
        changed = {name: value for name, value in command.settings.items() if value != old[name]}
        if not changed:
            return Unchanged("settings")
        self.settings = replace(self.settings, **changed)
        self.emit(ev.SettingsChanged(by=command.by, settings=changed))
        return Changed("configured", command.by)

    def mute(self, command: fc.Mute) -> fc.Outcome:
        who = command.participant
        if command.muted == (who in self.muted):
            return Unchanged("muted" if command.muted else "not_muted")
        if command.muted and len(self.muted) >= MAX_MUTED:
            return Unchanged("too_many")
        self.muted ^= {who}
        self.emit(ev.ParticipantMuted(participant=who, by=command.by, muted=command.muted))
        if command.muted:
            self.strip(who, command.by, "muted")
        return Changed("muted" if command.muted else "unmuted", who)

    def gone(self, command: fc.Gone) -> fc.Outcome:
        if self.is_alive(command.participant):
            return Unchanged("alive")
        if not self.strip(command.participant, "", "gone"):
            return Unchanged("absent")
        return Changed("gone", command.participant)

    def is_alive(self, who: str) -> bool:
        """Return whether the roster heard of `who` lately, or it renewed its grant lately."""
        heard_ms, hold = self.heard_ms.get(who), self.hold
        if heard_ms is not None and abs(self.now_ms - heard_ms) <= SILENT_AFTER_MS:
            return True
        if hold is None or hold.participant != who or not hold.confirmed:
            return False
        # In a grace the deadline may be nearer than a lease: then this is earlier than the last renewal.
        renewed_ms = hold.deadline_ms - hold.lease_ms
        return self.now_ms - renewed_ms <= min(RENEWED_LATELY_MS, hold.lease_ms // 2)

    def strip(self, who: str, by: str, reason: str) -> bool:
        """Take from `who` whatever it has of the floor; False where that is nothing."""
        found = self.withdraw_waiting(who, reason) is not None
        if self.backchannel_by == who:
            self.end_backchannel()
            found = True
        if who in self.people:
            self.end_person(who, reason)
            found = True
        if self.hold is not None and self.hold.participant == who:
            self.end_by_revoking(self.hold, by, reason, self.now_ms)
            found = True
        self.serve()
        return found

    def backchannel(self, command: fc.Backchannel) -> fc.Outcome:
        who, limit_ms = command.participant, self.settings.backchannel_ms
        denied = self.why_no_backchannel(who)
        if denied:
            return Denied(who, "", denied)
        self.backchannel_by, self.backchannel_until_ms = who, self.now_ms + limit_ms
        self.emit(ev.FloorLent(participant=who, limit_ms=limit_ms))
        return Lent(who, limit_ms)

    def why_no_backchannel(self, who: str) -> str:
        if not self.settings.backchannel_ms:
            return "off"
        if who in self.muted:
            return "muted"
        if self.closed_by:
            return "closed"
        if self.hold is None and not self.present():
            return "idle"
        if self.hold is not None and self.hold.participant == who:
            return "holds"
        return "busy" if self.backchannel_by else ""

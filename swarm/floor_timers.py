"""What happens on a floor by itself: leases, turns, silences and idle rooms. See `swarm.floor`. No I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streams import events as ev
from swarm.floor_draft import Draft

if TYPE_CHECKING:
    from swarm.floor_state import Floor, FloorSettings, Hold, Speaking


def due_ms(floor: Floor) -> int | None:
    """Return when the next deadline is known to fall: of the holder, a person who speaks, or an idle room."""
    settings = floor.settings
    dues = [] if floor.hold is None else holder_dues_ms(floor.hold, settings)
    for person in floor.people.values():
        if not person.stale:
            dues.append(min(person.words_ms + settings.person_stale_ms, max(person.observers.values())))
    if floor.idle_since_ms:
        dues.append(floor.idle_since_ms + settings.room_idle_ms)
    return min(dues, default=None)


def holder_dues_ms(hold: Hold, settings: FloorSettings) -> list[int]:
    """Return the end of the holder's lease, of its turn and of its silence, as far as they are known."""
    dues = (hold.deadline_ms, turn_due_ms(hold, settings), silence_due_ms(hold, settings))
    return [due for due in dues if due is not None]


def turn_due_ms(hold: Hold, settings: FloorSettings) -> int | None:
    """Return when the holder is told to finish; None where it is not, or was."""
    if hold.revoking or not hold.taken_ms or not settings.max_turn_ms:
        return None
    return hold.taken_ms + settings.max_turn_ms


def silence_due_ms(hold: Hold, settings: FloorSettings) -> int | None:
    """Return when a holder that stays silent loses the floor; None where it does not.

    Renewals tell of its sound, and come several times in a lease: a shorter limit would end who speaks.
    """
    if hold.revoking or not hold.confirmed or not settings.silent_ms:
        return None
    return hold.sounding_ms + max(settings.silent_ms, settings.lease_ms)


class Timers(Draft):
    """Lets what is due happen."""

    def settle(self, *, serving: bool) -> None:
        self.distrust_the_future()
        for who, person in sorted(self.people.items(), key=lambda item: item[0].encode()):
            self.lapse_person(who, person)
        if self.backchannel_by and self.backchannel_until_ms <= self.now_ms:
            self.end_backchannel()
        if self.hold is not None:
            self.lapse_hold(self.hold)
        if serving:
            self.serve()
        self.close_if_idle()

    def distrust_the_future(self) -> None:
        """No deadline is further away than its limit: a clock that was set back must not stall the floor."""
        hold, now, settings = self.hold, self.now_ms, self.settings
        if hold is not None:
            if hold.deadline_ms > now + hold.lease_ms:
                hold = replace(hold, deadline_ms=now + hold.lease_ms, granted_ms=min(hold.granted_ms, now))
            until_ms = min(hold.grace_until_ms, now + settings.grace_ms)
            self.hold = replace(
                hold,
                deadline_ms=min(hold.deadline_ms, until_ms) if hold.revoking else hold.deadline_ms,
                grace_until_ms=until_ms,
                taken_ms=min(hold.taken_ms, now),
                sounding_ms=min(hold.sounding_ms, now),
            )
        self.quiet_ms = min(self.quiet_ms, now + settings.guard_ms)
        self.backchannel_until_ms = min(self.backchannel_until_ms, now + settings.backchannel_ms)
        self.idle_since_ms = min(self.idle_since_ms, now)
        latest = now + settings.person_lease_ms
        for who, person in self.people.items():
            observers = {observer: min(until, latest) for observer, until in person.observers.items()}
            self.people[who] = replace(person, observers=observers, words_ms=min(person.words_ms, now))

    def lapse_person(self, who: str, person: Speaking) -> None:
        heard = {observer: until for observer, until in person.observers.items() if until > self.now_ms}
        if not heard:
            self.end_person(who, "lapsed")
            return
        self.people[who] = replace(person, observers=heard)
        if not person.stale and self.now_ms - person.words_ms >= self.settings.person_stale_ms:
            self.end_person(who, "stale")
            self.people[who] = replace(person, observers=heard, stale=True, taken_ms=None)

    def lapse_hold(self, hold: Hold) -> None:
        turn_due, silence_due = turn_due_ms(hold, self.settings), silence_due_ms(hold, self.settings)
        if hold.deadline_ms <= self.now_ms:
            self.lapse_lease(hold)
        elif turn_due is not None and turn_due <= self.now_ms:
            if self.settings.grace_ms:
                self.begin_revoking(hold, "", self.settings.grace_ms, "max_turn")
            else:
                self.end_by_revoking(hold, "", "max_turn", self.now_ms)
        elif silence_due is not None and silence_due <= self.now_ms:
            self.end_by_revoking(hold, "", "silent", self.now_ms)

    def lapse_lease(self, hold: Hold) -> None:
        due = hold.deadline_ms
        if hold.revoking and hold.grace_until_ms <= due:
            end = self.end_by_preempting if hold.revoking_by else self.end_by_revoking
            end(hold, hold.revoking_by, hold.revoking_reason, due)
            return
        reason = "lease" if hold.confirmed else "take_up"
        self.end(hold, "expired", reason, due)
        held_ms = due - hold.granted_ms
        event = ev.FloorExpired(participant=hold.participant, held_ms=held_ms, due_ms=due, reason=reason)
        self.emit(event, hold.token)

    def end_backchannel(self) -> None:
        self.backchannel_by, self.backchannel_until_ms = "", 0

    # The room

    def idle(self) -> bool:
        return self.hold is None and not self.queue and not self.backchannel_by and not self.present()

    def close_if_idle(self) -> None:
        if (
            self.settings.room_idle_ms
            and self.idle_since_ms
            and self.session
            and self.idle()
            and self.now_ms - self.idle_since_ms >= self.settings.room_idle_ms
        ):
            self.emit(ev.RoomClosed(reason="idle"))
            self.session = False

    def note_idleness(self) -> None:
        """Begin or end the time that an idle room is given; it runs while a session is open."""
        if not self.settings.room_idle_ms or not self.session or not self.idle():
            self.idle_since_ms = 0
        elif not self.idle_since_ms:
            self.idle_since_ms = self.now_ms

"""The rules of the floor: one state, one command, one moment in; the next state, the answer, the events out.

This is the specification. `lua/floor.lua` is what runs, step for step the same, and the tests drive both with
the same commands. No I/O, no clock: the moment is an argument.

The floor is held by at most one grant, or by the people who are speaking, or it is idle or closed. Each
command first lets what is due happen (leases lapse, the next request is served), then does what it says. A
command that makes no sense changes nothing beyond what was due.

Order of the queue: arrival, with each level of priority worth `age_step_ms` of waiting. So within a priority
nobody is overtaken, and even the lowest is served in bounded time.

An agent is granted the floor only while no person is speaking. `quiet_ms` is when the tail of a holder that
was cut off has died away; a grant's guard lasts until then, whoever held the floor in between.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from streams import events as ev
from streams.vocabulary import ParticipantKind
from swarm import floor_commands as fc
from swarm.floor_commands import Changed, Invalid, Stale, Step, Unchanged
from swarm.floor_orders import Orders
from swarm.floor_requests import YIELD
from swarm.floor_state import IN_FRONT, MAX_PEOPLE, Hold, Speaking, Waiting
from swarm.floor_timers import due_ms

if TYPE_CHECKING:
    from swarm.floor_state import Floor


def decide(floor: Floor, command: fc.Command, now_us: int) -> Step:
    """Return what `command` leads to at `now_us`. Never raises, whatever the command names."""
    draft = _Commands(floor, now_us)
    # A chair's choice decides who follows a holder whose time ran out just now: it serves by itself.
    draft.settle(serving=not isinstance(command, fc.GrantTo))
    outcome = draft.answer(command)
    draft.note_idleness()
    after = draft.floor()
    return Step(after, outcome, tuple(draft.events), due_ms(after))


class _Commands(Orders):
    """What each command does."""

    def answer(self, command: fc.Command) -> fc.Outcome:
        match command:
            case fc.Request():
                return self.request(command)
            case fc.Confirm():
                return self.confirm(command)
            case fc.Renew():
                return self.renew(command)
            case fc.Take():
                return self.take(command)
            case fc.Release():
                return self.release(command)
            case fc.Withdraw():
                return self.withdraw(command)
            case fc.Preempt():
                return self.preempt(command)
            case fc.PersonSpeaking(person=who, observer=observer, words=words):
                return self.speaking(who, observer, words=words)
            case fc.PersonSilent(person=who, observer=observer):
                return self.silent(who, observer)
            case fc.Tick():
                return Unchanged("tick")
            case _:
                return self.order(command)

    # The holder

    def held_by(self, who: str, token: int) -> Hold | None:
        hold = self.hold
        return hold if hold is not None and (hold.participant, hold.token) == (who, token) else None

    def renew(self, command: fc.Renew) -> fc.Outcome:
        hold = self.held_by(command.participant, command.token)
        if hold is None:
            return Stale(self.token)
        return self.granted(self.extend(hold, sounding=command.sounding))

    def take(self, command: fc.Take) -> fc.Outcome:
        hold = self.held_by(command.participant, command.token)
        if hold is None:
            return Stale(self.token)
        hold = self.extend(hold, sounding=True)
        if not hold.taken_ms:
            self.hold = replace(hold, taken_ms=self.now_ms)
            event = ev.FloorTaken(
                participant=hold.participant,
                participant_kind=ParticipantKind(command.participant_kind),
                granted_to_audio_ms=self.now_ms - hold.granted_ms,
            )
            self.emit(event, hold.token)
        return self.granted(hold)

    def release(self, command: fc.Release) -> fc.Outcome:
        hold = self.held_by(command.participant, command.token)
        if hold is None:
            return Stale(self.token)
        if command.to == command.participant:
            return Invalid("to")
        to = "" if self.closed_by or command.to in self.muted else command.to
        self.give_back(hold, to or None, command.reason, tail_done=command.tail_done)
        if to:
            self.put_in_front(to, hold, command.reason)
        self.serve()
        return Changed("released", hold.participant, hold.token)

    def put_in_front(self, to: str, hold: Hold, reason: str) -> None:
        waiting = self.queue.get(to)
        if waiting is not None:
            was = self.position(to)
            self.queue[to] = replace(waiting, front=max(waiting.front, IN_FRONT))
            if self.position(to) != was:
                self.tell_place(self.queue[to], was)
            return
        request_id = f"{YIELD}{hold.token}"
        self.emit(
            ev.FloorRequested(
                participant=hold.participant,
                priority=hold.priority,
                request_id=request_id,
                on_behalf_of=to,
                reason=reason,
            )
        )
        arrived_us = self.next_arrival_us()
        waiting = Waiting(to, request_id, hold.priority, arrived_us, front=IN_FRONT, reason=reason)
        self.enqueue(waiting, (to, hold.participant))

    # People

    def preempt(self, command: fc.Preempt) -> fc.Outcome:
        hold = self.hold
        if hold is None:
            return Unchanged("idle")
        if command.observed_token != hold.token:
            return Unchanged("token")
        if command.person in self.muted:
            return Unchanged("muted")
        self.hear(command.person, command.observer, words=True)
        self.end_by_preempting(hold, command.person, command.reason, self.now_ms)
        self.serve()
        return Changed("revoked", hold.participant, hold.token)

    def speaking(self, who: str, observer: str, *, words: bool) -> fc.Outcome:
        if who in self.muted:
            return Unchanged("muted")
        if not self.hear(who, observer, words=words):
            return Unchanged("too_many")
        self.serve()
        return Changed("speaking", who)

    def hear(self, who: str, observer: str, *, words: bool) -> bool:
        person = self.people.get(who) or Speaking(who, self.now_ms, {})
        crowded = who not in self.people and len(self.people) >= MAX_PEOPLE
        if crowded or (observer not in person.observers and len(person.observers) >= MAX_PEOPLE):
            return False
        self.people[who] = replace(
            person,
            observers={**person.observers, observer: self.now_ms + self.settings.person_lease_ms},
            words_ms=self.now_ms if words else person.words_ms,
            stale=person.stale and not words,
        )
        return True

    def silent(self, who: str, observer: str) -> fc.Outcome:
        person = self.people.get(who)
        if person is None or observer not in person.observers:
            return Unchanged("not_speaking")
        observers = {each: until for each, until in person.observers.items() if each != observer}
        if observers:
            self.people[who] = replace(person, observers=observers)
        else:
            self.end_person(who, "silent")
            self.serve()
        return Changed("silent", who)

    # The chair

"""The figures of a room, kept current event by event: a fold over its stream. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from streams import events as ev
from streams.sequence import Gap, without
from streams.vocabulary import ParticipantKind
from swarm.analytics.bins import whole_ms
from swarm.analytics.speeches import Speech, Speeches, relation
from swarm.analytics.tally import Tally, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.events import Recorded

WORD = r"[^ \t\n\r\f\v]+"
"""A word is what stands between ASCII white space; the same expression in SQL."""
_WORD = re.compile(WORD)


def words(text: str) -> int:
    """Return how many words a text has."""
    return len(_WORD.findall(text))


class LiveTally:
    """Tallies the events of one room as they come, in the order of its stream.

    Holds, beside the counts, the stretches of speech of the last ten minutes at most.
    """

    def __init__(self) -> None:
        self._tally = Tally()
        self._speeches = Speeches(_Relations(self._tally).take)
        self._session: str | None = None
        self._last_seq = 0
        self._holes: list[Gap] = []
        self._forgotten: dict[str, set[int]] = {}

    def feed(self, entry: Recorded) -> None:
        """Take the next event."""
        tally = self._tally
        if entry.session != self._session:
            self._begin_session(entry)
        elif entry.seq > self._last_seq + 1:
            self._holes.append(Gap(entry.room, entry.session, self._last_seq, entry.seq))
        self._last_seq = max(self._last_seq, entry.seq)
        tally.types[entry.type] = tally.types.get(entry.type, 0) + 1
        tally.first_ms = entry.at_ms if tally.first_ms is None else min(tally.first_ms, entry.at_ms)
        tally.last_ms = entry.at_ms if tally.last_ms is None else max(tally.last_ms, entry.at_ms)
        counts = _COUNTS.get(type(entry.event))
        if counts is not None:
            counts(tally, entry.event, entry)
        elif isinstance(entry.event, ev.WordsForgotten):
            of = entry.event.session or entry.session
            self._forgotten.setdefault(of, set()).update(entry.event.seqs)
        marks = _MARKS.get(type(entry.event))
        if marks is not None:
            marks(self._speeches, entry.event, entry)

    def tally(self) -> Tally:
        """Return what has been counted so far; it does not change with what comes."""
        tally = self._tally.copy()
        self._speeches.rest(_Relations(tally).take)
        tally.missing = sum(
            left.missing
            for hole in self._holes
            for left in without(hole, self._forgotten.get(hole.session, ()))
        )
        return tally

    def _begin_session(self, entry: Recorded) -> None:
        self._speeches.rest(_Relations(self._tally).take)
        self._speeches = Speeches(_Relations(self._tally).take)
        self._session, self._last_seq = entry.session, entry.seq
        self._tally.sessions += 1


class _Relations:
    """Counts stretches of speech and how they lie to each other."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def take(self, speech: Speech, before: Speech | None) -> None:
        self._tally.count(speech.participant, "speeches")
        self._tally.count(speech.participant, "speech_ms", speech.to_ms - speech.from_ms)
        if speech.is_person:
            self._tally.count(speech.participant, "is_person")
        if before is None:
            return
        found = relation(before, speech)
        self._tally.duration(found.name, found.ms)
        if found.answers_person:
            self._tally.duration("response", found.ms)


# What each event counts for


def _requested(tally: Tally, event: ev.FloorRequested, entry: Recorded) -> None:
    tally.count(event.on_behalf_of or event.participant, "requests")


def _granted(tally: Tally, event: ev.FloorGranted, entry: Recorded) -> None:
    tally.count(event.participant, "grants")
    if event.position is not None:
        tally.duration("queue_wait", whole_ms(event.waited_ms))


def _denied(tally: Tally, event: ev.FloorDenied, entry: Recorded) -> None:
    tally.count(event.participant, "denials")


def _taken(tally: Tally, event: ev.FloorTaken, entry: Recorded) -> None:
    tally.count(event.participant, "turns")
    if event.granted_to_audio_ms is not None:
        tally.duration("grant_to_audio", whole_ms(event.granted_to_audio_ms))


def _ended(counter: str) -> Callable[[Tally, Any, Recorded], None]:
    def count(tally: Tally, event: Any, entry: Recorded) -> None:
        held_ms = whole_ms(event.held_ms)
        tally.count(event.participant, counter)
        tally.count(event.participant, "floor_ms", held_ms)
        tally.duration("turn", held_ms)

    return count


def _expired(tally: Tally, event: ev.FloorExpired, entry: Recorded) -> None:
    _ended("expired")(tally, event, entry)
    if event.reason == "take_up":
        tally.count(event.participant, "expired_untaken")


def _interrupted(tally: Tally, event: ev.Interruption, entry: Recorded) -> None:
    tally.pair("interruption", event.interruptor, event.interrupted)
    latency = event.latency
    if latency.onset_to_detector_ms is not None:
        silent_ms = latency.onset_to_detector_ms + (latency.detector_to_gate_ms or 0.0)
        tally.duration("onset_to_silence", whole_ms(silent_ms))


def _false_interruption(tally: Tally, event: ev.FalseInterruption, entry: Recorded) -> None:
    tally.pair("false_interruption", event.by, event.speaker, whole_ms(event.held_ms))


def _backchannel(tally: Tally, event: ev.Backchannel, entry: Recorded) -> None:
    tally.pair("backchannel", event.by, event.speaker, whole_ms(event.held_ms))


def _uttered(tally: Tally, event: ev.Utterance, entry: Recorded) -> None:
    who = event.participant
    tally.count(who, "utterances")
    tally.count(who, "words_generated", words(event.generated_text))
    tally.count(who, "words_heard", words(event.heard_text))
    tally.count(who, "generated_ms", whole_ms(event.generated_ms))
    tally.count(who, "heard_ms", whole_ms(event.heard_ms))
    if event.interrupted:
        tally.count(who, "utterances_cut")


def _said(tally: Tally, event: ev.Transcript, entry: Recorded) -> None:
    if event.final:
        tally.count(event.participant, "words_said", words(event.text))


def _joined(tally: Tally, event: ev.ParticipantJoined, entry: Recorded) -> None:
    person = event.participant_kind is ParticipantKind.PERSON
    tally.count(event.participant, "is_person" if person else "joined_as_agent")


def _bid(tally: Tally, event: ev.Bid, entry: Recorded) -> None:
    tally.count(event.participant, "bids")


def _failed(tally: Tally, event: ev.AgentFailed, entry: Recorded) -> None:
    tally.count(event.participant, "agent_failures")


_COUNTS: dict[type[ev.Event], Callable[[Tally, Any, Recorded], None]] = {
    ev.FloorRequested: _requested,
    ev.FloorGranted: _granted,
    ev.FloorDenied: _denied,
    ev.FloorTaken: _taken,
    ev.FloorReleased: _ended("released"),
    ev.FloorRevoked: _ended("revoked"),
    ev.FloorExpired: _expired,
    ev.Interruption: _interrupted,
    ev.FalseInterruption: _false_interruption,
    ev.Backchannel: _backchannel,
    ev.Utterance: _uttered,
    ev.Transcript: _said,
    ev.ParticipantJoined: _joined,
    ev.Bid: _bid,
    ev.AgentFailed: _failed,
}

# What begins and ends a stretch of speech


def _person_begins(speeches: Speeches, event: ev.SpeechStarted, entry: Recorded) -> None:
    speeches.begin(
        event.speech_id,
        plain(event.participant),
        is_person=True,
        from_ms=entry.occurred_ms,
        at_ms=entry.at_ms,
    )


def _person_ends(speeches: Speeches, event: ev.SpeechEnded, entry: Recorded) -> None:
    speeches.end(event.speech_id, entry.at_ms, None, whole_ms(event.duration_ms))


def _agent_begins(speeches: Speeches, event: ev.FloorTaken, entry: Recorded) -> None:
    if entry.token is not None and event.participant_kind is ParticipantKind.AGENT:
        speeches.begin(
            entry.token,
            plain(event.participant),
            is_person=False,
            from_ms=entry.occurred_ms,
            at_ms=entry.at_ms,
        )


def _agent_ends(speeches: Speeches, event: ev.Event, entry: Recorded) -> None:
    speeches.end(entry.token, entry.at_ms, entry.occurred_ms)


def _agent_expires(speeches: Speeches, event: ev.FloorExpired, entry: Recorded) -> None:
    speeches.end(entry.token, entry.at_ms, event.due_ms)


_MARKS: dict[type[ev.Event], Callable[[Speeches, Any, Recorded], None]] = {
    ev.SpeechStarted: _person_begins,
    ev.SpeechEnded: _person_ends,
    ev.FloorTaken: _agent_begins,
    ev.Utterance: _agent_ends,
    ev.FloorReleased: _agent_ends,
    ev.Interruption: _agent_ends,
    ev.FloorExpired: _agent_expires,
}

"""The demo's document: a fold over the room's events and its recording. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from streams import events as ev
from swarm.demo import timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from streams.events import Recorded

ENDED = {"FLOOR_RELEASED": "released", "FLOOR_REVOKED": "revoked", "FLOOR_EXPIRED": "expired"}


class Turn(BaseModel):
    """One stay on the floor; times in ms from the start of the recording."""

    holder: str
    kind: str
    token: int | None
    from_ms: float
    to_ms: float | None
    ended: str | None


class Interruption(BaseModel):
    """One stretch of somebody's speech over an agent's, and what it led to."""

    interrupted: str
    interruptor: str
    interruptor_kind: str
    decision: str
    reason: str
    at_ms: float
    onset_to_gate_ms: float | None
    gate_to_interrupted_ms: float | None
    onset_to_silence_ms: float | None
    heard_text: str
    unheard_text: str
    heard_ms: float
    held_ms: float | None = None


class Heard(BaseModel):
    """What the microphone's stretches of speech were taken for (with `--mic`)."""

    from_ms: float
    to_ms: float | None
    transcript: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recording:
    """What the room heard: int16 mono at one rate for each participant, all from the same instant."""

    rate_hz: int
    started_ms: float
    """Redis time of the first sample."""
    samples: Mapping[str, NDArray[np.int16]]


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one run."""

    turns: list[Turn] = field(default_factory=list[Turn])
    interruptions: list[Interruption] = field(default_factory=list[Interruption])
    decisions: list[Heard] = field(default_factory=list[Heard])
    utterances: list[ev.Utterance] = field(default_factory=list[ev.Utterance])
    agents_overlap_ms: float = 0.0
    seq_gaps: int = 0
    events: int = 0


def seq_gaps(events: Sequence[Recorded]) -> int:
    """Return how many sequence numbers are missing within the sessions seen."""
    last: dict[str, int] = {}
    missing = 0
    for entry in events:
        before = last.get(entry.session)
        if before is not None and entry.seq != before + 1:
            missing += max(1, entry.seq - before - 1)
        last[entry.session] = entry.seq
    return missing


def turns(events: Sequence[Recorded], started_ms: float, people: frozenset[str]) -> list[Turn]:
    """Return every stay on the floor, in order; a person's lasts from taking it to the next grant or END."""
    done: list[Turn] = []
    open_turns: dict[str, Turn] = {}

    def close(holder: str, at_ms: float, how: str) -> None:
        turn = open_turns.pop(holder, None)
        if turn is not None:
            done.append(turn.model_copy(update={"to_ms": at_ms - started_ms, "ended": how}))

    for entry in events:
        at = float(entry.occurred_ms)
        match entry.event:
            case ev.FloorGranted(participant=who):
                for person in [p for p in open_turns if p in people]:
                    close(person, at, "released")
                open_turns[who] = Turn(
                    holder=who,
                    kind="agent",
                    token=entry.token,
                    from_ms=at - started_ms,
                    to_ms=None,
                    ended=None,
                )
            case ev.FloorTaken(participant=who) if who in people and who not in open_turns:
                open_turns[who] = Turn(
                    holder=who, kind="person", token=None, from_ms=at - started_ms, to_ms=None, ended=None
                )
            case (
                ev.FloorReleased(participant=who)
                | ev.FloorRevoked(participant=who)
                | ev.FloorExpired(participant=who)
            ):
                close(who, at, ENDED[entry.type])
            case ev.SpeechEnded(participant=who):
                close(who, at, "released")
            case _:
                pass
    return sorted([*done, *open_turns.values()], key=lambda turn: turn.from_ms)


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return round(sum(known), 2) if known else None


def interruptions(events: Sequence[Recorded], recording: Recording) -> list[Interruption]:
    """Return every interruption and false alarm, with the silence measured on the recording."""
    loud = {
        who: timeline.loud_blocks(samples, recording.rate_hz) for who, samples in recording.samples.items()
    }
    found: list[Interruption] = []
    for entry in events:
        event = entry.event
        if not isinstance(event, ev.Interruption | ev.Backchannel | ev.FalseInterruption):
            continue
        latency = event.latency
        to_gate = _sum(latency.onset_to_detector_ms, latency.detector_to_gate_ms)
        after_gate = _sum(latency.gate_to_decision_ms, latency.decision_to_model_ms)
        onset_ms = entry.occurred_ms - recording.started_ms - (to_gate or 0.0)
        if isinstance(event, ev.Interruption):
            whom, about = event.interrupted, _cut(event, after_gate)
        else:
            onset_ms -= after_gate or 0.0
            whom, about = event.speaker, _no_cut(event)
        heard = loud.get(whom)
        silence = None if heard is None else timeline.silence_after_ms(heard, max(0.0, onset_ms))
        found.append(
            Interruption(
                interrupted=whom,
                reason=event.reason,
                at_ms=round(onset_ms, 1),
                onset_to_gate_ms=to_gate,
                onset_to_silence_ms=silence,
                **about,
            )
        )
    return found


def _cut(event: ev.Interruption, gate_to_interrupted_ms: float | None) -> dict[str, Any]:
    return {
        "interruptor": event.interruptor,
        "interruptor_kind": event.interruptor_kind,
        "decision": "interrupt",
        "gate_to_interrupted_ms": gate_to_interrupted_ms,
        "heard_text": event.heard_text,
        "unheard_text": event.unheard_text,
        "heard_ms": event.heard_ms,
    }


def _no_cut(event: ev.Backchannel | ev.FalseInterruption) -> dict[str, Any]:
    return {
        "interruptor": event.by,
        "interruptor_kind": "person",
        "decision": "resume",
        "gate_to_interrupted_ms": None,
        "heard_text": "",
        "unheard_text": "",
        "heard_ms": 0.0,
        "held_ms": event.held_ms,
    }


def decisions(events: Sequence[Recorded], started_ms: float, person: str) -> list[Heard]:
    """Return what each stretch of `person`'s speech was taken for.

    A stretch over nobody's speech is a `turn`; one that was judged over an agent's is `interrupt` or
    `resume`.
    """
    found: dict[str, Heard] = {}
    current = ""
    for entry in events:
        at = entry.occurred_ms - started_ms
        match entry.event:
            case ev.SpeechStarted(participant=who, speech_id=speech) if who == person:
                current = speech
                found[speech] = Heard(
                    from_ms=at, to_ms=None, transcript="", decision="turn", reason="the floor was free"
                )
            case ev.SpeechEnded(participant=who, speech_id=speech) if who == person and speech in found:
                found[speech] = found[speech].model_copy(update={"to_ms": at})
            case ev.Transcript(participant=who, speech_id=speech, text=text) if (
                who == person and speech in found
            ):
                found[speech] = found[speech].model_copy(update={"transcript": text})
            case ev.Interruption(interruptor=who, reason=reason) if who == person and current in found:
                found[current] = found[current].model_copy(update={"decision": "interrupt", "reason": reason})
            case ev.Backchannel(by=who, reason=reason) | ev.FalseInterruption(by=who, reason=reason) if (
                who == person and current in found
            ):
                found[current] = found[current].model_copy(update={"decision": "resume", "reason": reason})
            case _:
                pass
    return sorted(found.values(), key=lambda heard: heard.from_ms)


def build(
    events: Sequence[Recorded], recording: Recording, *, agents: frozenset[str], people: frozenset[str]
) -> Report:
    """Return the findings of a run from its events, in stream order, and its recording."""
    loud = {
        who: timeline.loud_blocks(samples, recording.rate_hz)
        for who, samples in recording.samples.items()
        if who in agents
    }
    person = next(iter(sorted(people)), "")
    return Report(
        turns=turns(events, recording.started_ms, people),
        interruptions=interruptions(events, recording),
        decisions=decisions(events, recording.started_ms, person),
        utterances=[entry.event for entry in events if isinstance(entry.event, ev.Utterance)],
        agents_overlap_ms=timeline.overlap_ms(loud),
        seq_gaps=seq_gaps(events),
        events=len(events),
    )


def missed(report: Report) -> list[str]:
    """Return which parts of the demo's story did not happen."""
    spoke = {turn.holder for turn in report.turns if turn.kind == "agent"}
    found = {(item.decision, item.interruptor_kind): item for item in report.interruptions}
    cut_in = found.get(("interrupt", "person"))
    answered = cut_in is not None and any(
        turn.kind == "agent" and turn.from_ms > cut_in.at_ms for turn in report.turns
    )
    story = {
        "two agents took turns": len(spoke) >= 2,
        "an agent cut another off": ("interrupt", "agent") in found,
        "a person's backchannel did not end the agent's turn": ("resume", "person") in found,
        "a person cut an agent off": cut_in is not None,
        "an agent answered the person": answered,
    }
    return [part for part, happened in story.items() if not happened]


def document(report: Report, *, mic: bool, **about: Any) -> dict[str, Any]:
    """Return what `swarm demo --json` prints; `about` holds redis, room, stream, recording, picture."""
    agent_turns = [turn for turn in report.turns if turn.kind == "agent"]
    parts_missed = [] if mic else missed(report)
    result: dict[str, Any] = {
        "ok": report.agents_overlap_ms == 0
        and report.seq_gaps == 0
        and bool(agent_turns)
        and not parts_missed,
        "missed": parts_missed,
        **about,
        "turns": [turn.model_dump() for turn in report.turns],
        "interruptions": [item.model_dump() for item in report.interruptions],
        "overlap_ms": {"agents": report.agents_overlap_ms},
    }
    result["stream"] = {**result.get("stream", {}), "events": report.events, "seq_gaps": report.seq_gaps}
    if mic:
        result["decisions"] = [item.model_dump() for item in report.decisions]
    return result

"""What an event adds to which metric, and what figures say at a scrape. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams import events as ev
from streams.sequence import Gap

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from streams.consumer_settings import ConsumerFigures
    from streams.events import Latency, Recorded
    from streams.sequence import Fork
    from swarm.archive.archiver import ArchiverTotals
    from swarm.archive.retention import RetentionTotals

__all__ = ("Reading", "of_agents", "of_archiver", "of_consumer", "of_missed", "of_retention", "of_room")


@dataclass(frozen=True, slots=True)
class Reading:
    """A value for one series of a metric: what to add to a counter, to observe, or to show."""

    metric: str
    value: float
    labels: tuple[str, ...]
    """In the order of the metric's own."""


def of_room(recorded: Recorded, *, read_at_ms: float) -> Iterator[Reading]:
    """Yield what an event says of its room; `read_at_ms` is on Redis's clock."""
    room = (recorded.room,)
    yield Reading("swarm_events", 1, (recorded.room, recorded.type))
    yield Reading("swarm_event_delivery_seconds", max(0.0, read_at_ms - recorded.at_ms) / 1000, room)
    match recorded.event:
        case ev.RecordGap(lost=lost):
            yield Reading("swarm_record_gap_events", lost, room)
        case ev.RetentionTrimmed(events=removed, passed_groups=groups):
            yield Reading("swarm_retention_trimmed_events", removed, room)
            for group in groups:
                yield Reading("swarm_retention_passed_groups", 1, (recorded.room, group))
        case _:
            pass


def of_missed(missed: Gap | Fork) -> Reading:
    """Return what a gap or a fork adds."""
    if isinstance(missed, Gap):
        return Reading("swarm_record_missed_events", missed.missing if missed.exact else 1, (missed.room,))
    return Reading("swarm_record_forks", 1, (missed.room,))


def of_agents(recorded: Recorded, agents: Collection[str]) -> Iterator[Reading]:
    """Yield what an event says of one of `agents`; nothing where it is about somebody else."""
    agent = _agent(recorded.event)
    if agent not in agents:
        return
    labels = (recorded.room, agent)
    match recorded.event:
        case ev.FloorGranted(waited_ms=waited_ms):
            yield Reading("swarm_floor_wait_seconds", waited_ms / 1000, labels)
        case ev.FloorReleased(held_ms=held_ms) | ev.FloorRevoked(held_ms=held_ms):
            yield Reading("swarm_floor_held_seconds", held_ms / 1000, labels)
        case ev.FloorExpired(held_ms=held_ms):
            yield Reading("swarm_floor_held_seconds", held_ms / 1000, labels)
            yield Reading("swarm_leases_expired", 1, labels)
        case ev.Interruption() as cut:
            yield Reading("swarm_interruptions", 1, (*labels, cut.interruptor_kind.value))
            yield from _steps(cut.latency, labels)
        case ev.FalseInterruption() as alarm:
            yield Reading("swarm_false_interruptions", 1, labels)
            yield Reading("swarm_held_seconds", alarm.held_ms / 1000, labels)
        case ev.Backchannel() as said:
            yield Reading("swarm_backchannels", 1, labels)
            yield Reading("swarm_held_seconds", said.held_ms / 1000, labels)
        case ev.Utterance() as said:
            yield Reading("swarm_speech_generated_seconds", said.generated_ms / 1000, labels)
            yield Reading("swarm_speech_heard_seconds", said.heard_ms / 1000, labels)
        case ev.Usage() as used:
            yield Reading("swarm_tokens", used.input_tokens, (*labels, "input"))
            yield Reading("swarm_tokens", used.output_tokens, (*labels, "output"))
        case ev.AgentFailed():
            yield Reading("swarm_agent_failures", 1, labels)
        case _:
            pass


def of_consumer(figures: ConsumerFigures) -> Iterator[Reading]:
    """Yield the state of a member of a consumer group."""
    member = (figures.group, figures.consumer)
    for metric, value in (
        ("swarm_consumer_handled_events", figures.handled),
        ("swarm_consumer_failed_tries", figures.failed),
        ("swarm_consumer_claimed_events", figures.claimed),
        ("swarm_consumer_dead_letters", figures.dead_letters),
        ("swarm_consumer_quarantined_entries", figures.quarantined),
        ("swarm_consumer_lost_events", figures.lost),
        ("swarm_consumer_forks", figures.forks),
    ):
        yield Reading(metric, value, member)
    for room, lag in figures.rooms.items():
        yield Reading("swarm_consumer_lag_events", lag.lag, (*member, room))
        yield Reading("swarm_consumer_pending_events", lag.pending, (*member, room))


def of_archiver(name: str, totals: ArchiverTotals) -> Iterator[Reading]:
    """Yield what the archiver of the archive called `name` has done."""
    for metric, value in (
        ("swarm_archive_events", totals.events),
        ("swarm_archive_quarantined_entries", totals.quarantined),
        ("swarm_archive_batches", totals.batches),
        ("swarm_archive_waits", totals.waits),
    ):
        yield Reading(metric, value, (name,))


def of_retention(totals: RetentionTotals) -> Iterator[Reading]:
    """Yield what this process has trimmed."""
    yield Reading("swarm_retention_passes", totals.passes, ())
    for stream, removed in totals.removed.items():
        yield Reading("swarm_retention_removed_entries", removed, (stream,))
    for labels, times in totals.passed.items():
        yield Reading("swarm_retention_passed_readers", times, labels)


def _agent(event: ev.Event) -> str:
    """Return whom an event is about."""
    match event:
        case ev.Interruption(interrupted=who):
            return who
        case ev.FalseInterruption(speaker=who) | ev.Backchannel(speaker=who):
            return who
        case _:
            return str(getattr(event, "participant", ""))


def _steps(latency: Latency, labels: tuple[str, ...]) -> Iterator[Reading]:
    detected_ms, gate_ms = latency.onset_to_detector_ms, latency.detector_to_gate_ms
    if detected_ms is not None and gate_ms is not None:
        yield Reading("swarm_onset_to_silence_seconds", (detected_ms + gate_ms) / 1000, labels)
    if latency.gate_to_decision_ms is not None:
        yield Reading("swarm_judgement_seconds", latency.gate_to_decision_ms / 1000, labels)
    if latency.decision_to_model_ms is not None:
        yield Reading("swarm_model_stop_seconds", latency.decision_to_model_ms / 1000, labels)

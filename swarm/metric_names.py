"""Every metric of the swarm: its name, unit and meaning. The one place that defines them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ("METRICS", "Kind", "Metric", "exposed_names")


class Kind(StrEnum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Times are in seconds, as Prometheus has it; a counter's exposed name ends in `_total`."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram."""


_QUICK = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SPEECH = (0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0)
_WAIT = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0)
_ROOM, _AGENT, _GROUP = ("room",), ("room", "agent"), ("group", "consumer")
_ARCHIVE = ("archive",)
_COUNTER, _HISTOGRAM, _GAUGE = Kind.COUNTER, Kind.HISTOGRAM, Kind.GAUGE

_LIST = (
    # Of the room, as each process that follows it reads it: the same in all of them.
    Metric("swarm_events", _COUNTER, "Events of the room that this process has read", ("room", "type")),
    Metric(
        "swarm_event_delivery_seconds",
        _HISTOGRAM,
        "Lag: from Redis's writing of an event until this process had it",
        _ROOM,
        _QUICK,
    ),
    Metric(
        "swarm_record_missed_events",
        _COUNTER,
        "Events that this process did not get (gaps in seq), at least",
        _ROOM,
    ),
    Metric(
        "swarm_record_forks", _COUNTER, "Times the record went on from an older entry: lost writes", _ROOM
    ),
    Metric("swarm_record_gap_events", _COUNTER, "Events that RECORD_GAP tells were never recorded", _ROOM),
    Metric("swarm_retention_trimmed_events", _COUNTER, "Events that retention removed", _ROOM),
    Metric(
        "swarm_retention_passed_groups",
        _COUNTER,
        "Times retention passed a live consumer group",
        ("room", "group"),
    ),
    # Of this process's own agents.
    Metric("swarm_floor_wait_seconds", _HISTOGRAM, "From an agent's request to its grant", _AGENT, _WAIT),
    Metric("swarm_floor_held_seconds", _HISTOGRAM, "From a grant to the loss of it", _AGENT, _WAIT),
    Metric("swarm_leases_expired", _COUNTER, "Grants that lapsed because nobody renewed them", _AGENT),
    Metric(
        "swarm_onset_to_silence_seconds",
        _HISTOGRAM,
        "From the onset of a person's speech until the agent that it interrupts is silent",
        _AGENT,
        _SPEECH,
    ),
    Metric(
        "swarm_judgement_seconds", _HISTOGRAM, "From the silence to the judge's decision", _AGENT, _SPEECH
    ),
    Metric(
        "swarm_model_stop_seconds",
        _HISTOGRAM,
        "From the decision until the model has stopped",
        _AGENT,
        _QUICK,
    ),
    Metric("swarm_interruptions", _COUNTER, "Times the agent was cut off", ("room", "agent", "by")),
    Metric("swarm_false_interruptions", _COUNTER, "Times the agent was held for no words", _AGENT),
    Metric("swarm_backchannels", _COUNTER, "Acknowledgements that did not stop the agent", _AGENT),
    Metric("swarm_held_seconds", _COUNTER, "Silence that false alarms and backchannels cost", _AGENT),
    Metric("swarm_speech_generated_seconds", _COUNTER, "Speech that was made", _AGENT),
    Metric("swarm_speech_heard_seconds", _COUNTER, "Speech that was heard of it", _AGENT),
    Metric("swarm_tokens", _COUNTER, "Tokens that the model counted", ("room", "agent", "direction")),
    Metric("swarm_agent_failures", _COUNTER, "Times an agent could not do its part", _AGENT),
    Metric(
        "swarm_dropped_frames",
        _COUNTER,
        "Audio frames that the transport took no more: it had too many on their way",
        _AGENT,
    ),
    # Of this process.
    Metric("swarm_outbox_reports", _GAUGE, "Reports that wait to be written", _ROOM),
    Metric("swarm_outbox_refused", _COUNTER, "Reports that the record would not take", _ROOM),
    Metric(
        "swarm_redis_silence_seconds", _GAUGE, "Since Redis last answered; it does every few seconds", _ROOM
    ),
    # Of a member of a consumer group.
    Metric("swarm_consumer_handled_events", _COUNTER, "Events handled", _GROUP),
    Metric("swarm_consumer_failed_tries", _COUNTER, "Handlers that raised", _GROUP),
    Metric("swarm_consumer_claimed_events", _COUNTER, "Events taken over from a dead consumer", _GROUP),
    Metric("swarm_consumer_dead_letters", _COUNTER, "Events given up on", _GROUP),
    Metric("swarm_consumer_quarantined_entries", _COUNTER, "Entries that broke the schema", _GROUP),
    Metric("swarm_consumer_lost_events", _COUNTER, "Events removed before the group had them", _GROUP),
    Metric("swarm_consumer_forks", _COUNTER, "Times the record went on from an older entry", _GROUP),
    Metric(
        "swarm_consumer_lag_events",
        _GAUGE,
        "Events written and not handled yet",
        ("group", "consumer", "room"),
    ),
    Metric(
        "swarm_consumer_pending_events",
        _GAUGE,
        "Events given out, unacknowledged",
        ("group", "consumer", "room"),
    ),
    # Of an archiver.
    Metric("swarm_archive_events", _COUNTER, "Events that this process has archived", _ARCHIVE),
    Metric(
        "swarm_archive_quarantined_entries", _COUNTER, "Entries put aside: they break the schema", _ARCHIVE
    ),
    Metric("swarm_archive_batches", _COUNTER, "Transactions", _ARCHIVE),
    Metric("swarm_archive_waits", _COUNTER, "Times that the database was away", _ARCHIVE),
    # Of a process that trims the streams.
    Metric("swarm_retention_passes", _COUNTER, "Times that this process looked at all streams", ()),
    Metric("swarm_retention_removed_entries", _COUNTER, "Entries that this process removed", ("stream",)),
    Metric(
        "swarm_retention_passed_readers",
        _COUNTER,
        "Times that a live group or an archive lost entries by that",
        ("stream", "reader"),
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _LIST}
"""Every metric by its name."""


def exposed_names(metric: Metric) -> tuple[str, ...]:
    """Return the names of the series that a scrape of `metric` has."""
    match metric.kind:
        case Kind.COUNTER:
            return (f"{metric.name}_total",)
        case Kind.HISTOGRAM:
            return tuple(f"{metric.name}_{part}" for part in ("bucket", "sum", "count"))
        case Kind.GAUGE:
            return (metric.name,)

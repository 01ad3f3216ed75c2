"""The fold over the stream and the SQL over the archive count the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import events as ev
from streams.vocabulary import ParticipantKind
from swarm.analytics.archived import tally_of
from swarm.analytics.live import LiveTally
from swarm.analytics.tally import DURATIONS, Tally
from tests.analytics.sessions import archive, recorded_demo, sessions, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.events import Recorded


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def live(entries: list[Recorded]) -> Tally:
    tally = LiveTally()
    for entry in entries:
        tally.feed(entry)
    return tally.tally()


def same(one: Tally, other: Tally) -> None:
    one, other = one.without_zeros(), other.without_zeros()
    assert one.participants == other.participants
    assert one.pairs == other.pairs
    assert one.durations == other.durations
    assert one == other
    for name in DURATIONS:
        if name in one.durations:
            for share in (0.5, 0.9, 0.99):
                assert one.durations[name].percentile_ms(share) == other.durations[name].percentile_ms(share)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(entries=sessions)
def test_both_agree_on_made_up_sessions(
    connection: duckdb.DuckDBPyConnection, entries: list[Recorded]
) -> None:
    archive(connection, entries)
    same(live(entries), tally_of(connection))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_both_agree_on_the_beginning_of_a_recorded_session(
    connection: duckdb.DuckDBPyConnection, share: float
) -> None:
    entries = recorded_demo()
    entries = entries[: round(share * len(entries))]
    archive(connection, entries)
    same(live(entries), tally_of(connection))


def test_one_room_is_told_from_the_others(connection: duckdb.DuckDBPyConnection) -> None:
    entries = recorded_demo()
    other = [entry.model_copy(update={"room": "other"}) for entry in entries]
    archive(connection, [*entries, *other])
    same(live(entries), tally_of(connection, entries[0].room))
    whole, half = tally_of(connection), live(entries)
    assert whole.events == 2 * half.events
    assert whole.durations["turn"].count == 2 * half.durations["turn"].count
    assert tally_of(connection, "nowhere").events == 0


def test_the_order_of_the_rows_does_not_matter(connection: duckdb.DuckDBPyConnection) -> None:
    entries = recorded_demo()
    archive(connection, entries[::-1])
    same(live(entries), tally_of(connection))


def started(slot: str, *, who: str = "paul") -> ev.SpeechStarted:
    return ev.SpeechStarted(participant=who, speech_id=slot)


def ended(slot: str, duration_ms: float) -> ev.SpeechEnded:
    return ev.SpeechEnded(participant="paul", speech_id=slot, duration_ms=duration_ms)


def cut(onset_ms: float | None, gate_ms: float | None) -> ev.Interruption:
    return ev.Interruption(
        interrupted="ada",
        interruptor="paul",
        interruptor_kind=ParticipantKind.PERSON,
        utterance_id="u",
        heard_text="",
        unheard_text="",
        heard_ms=0,
        generated_ms=0,
        reason="",
        latency=ev.Latency(onset_to_detector_ms=onset_ms, detector_to_gate_ms=gate_ms),
    )


TAKEN = ev.FloorTaken(participant="ada")
GIVEN = ev.FloorReleased(participant="ada", held_ms=1)
QUINN = started("s2", who="quinn")
EDGES: dict[str, tuple[list[tuple[Any, ...]], dict[str, int]]] = {
    "of two that end together the later one is the last": (
        [
            (started("s1"), 1, 0, 0, None, 1),
            (QUINN, 1, 100, 0, None, 1),
            (ended("s1", 500.0), 1, 500, 0, None, 1),
            (ended("s2", 400.0), 1, 0, 0, None, 1),
            (started("s3", who="quinn"), 1, 400, 0, None, 1),
            (ended("s3", 10.0), 1, 20, 0, None, 1),
        ],
        {"overlap_within": 1, "pause": 1},
    ),
    "a stretch of just the longest time counts": (
        [
            (TAKEN, 1, 0, 0, 5, 1),
            (GIVEN, 1, 600_000, 0, 5, 1),
            (QUINN, 1, 3, 0, None, 1),
            (ended("s2", 1), 1, 9, 0, None, 1),
        ],
        {"gap": 1, "turn": 1},
    ),
    "a stretch of longer does not": (
        [
            (TAKEN, 1, 0, 0, 5, 1),
            (GIVEN, 1, 600_001, 0, 5, 1),
            (QUINN, 1, 3, 0, None, 1),
            (ended("s2", 1), 1, 9, 0, None, 1),
        ],
        {"turn": 1},
    ),
    "a stretch does not reach into the next session": (
        [
            (started("s1"), 1, 0, 0, None, 1),
            (ended("s1", 1.0), 1, 9, 0, None, 1),
            (TAKEN, 1, 9, 0, 5, 1),
            (GIVEN, 9, 9, 0, 5, 0),
        ],
        {"turn": 1},
    ),
    "silence of a gate that closed with the detector": (
        [(cut(70.9, None), 1, 0, 0, 5, 1), (cut(None, 3.0), 1, 0, 0, 5, 1), (cut(70.6, 0.5), 1, 0, 0, 5, 1)],
        {"onset_to_silence": 2},
    ),
}


@pytest.mark.parametrize("edge", EDGES)
def test_both_agree_at_the_edges(connection: duckdb.DuckDBPyConnection, edge: str) -> None:
    made, counts = EDGES[edge]
    entries = told(made)
    archive(connection, entries)
    found = live(entries)
    assert {name: histogram.count for name, histogram in found.durations.items()} == counts
    same(found, tally_of(connection))

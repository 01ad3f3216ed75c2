"""The fold over the stream and the SQL over the archive count the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import events as ev
from streams.vocabulary import ParticipantKind
from swarm.analytics.archived import postgres_tally_of, tally_of
from swarm.analytics.live import LiveTally
from swarm.analytics.tally import DURATIONS, Tally
from swarm.archive import sql
from swarm.archive.rows import COLUMNS
from tests.analytics.sessions import recorded_demo, rows, sessions, told, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.events import Recorded
    from tests.engines.postgres import PostgresServer


class InDuckdb:
    """An archive in DuckDB."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def write(self, entries: list[Recorded]) -> None:
        self.write_rows(rows(entries))

    def write_rows(self, made: list[tuple[Any, ...]]) -> None:
        write_rows(self._connection, made)

    def tally(self, room: str | None = None) -> Tally:
        return tally_of(self._connection, room)


class InPostgres:
    """An archive in a real PostgreSQL."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute("CREATE SCHEMA agreement")
        connection.execute("SET search_path TO agreement")
        for migration in sql.migrations("postgres"):
            connection.execute(migration.statements.encode())

    def write(self, entries: list[Recorded]) -> None:
        self.write_rows(rows(entries))

    def write_rows(self, made: list[tuple[Any, ...]]) -> None:
        self._connection.execute("TRUNCATE events")
        into = f"INSERT INTO events VALUES ({', '.join('%s' for _ in COLUMNS)})"
        with self._connection.cursor() as cursor:
            cursor.executemany(into.encode(), made)

    def tally(self, room: str | None = None) -> Tally:
        with self._connection.transaction():
            return postgres_tally_of(self._connection, room)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[InDuckdb | InPostgres]:
    if request.param == "duckdb":
        with duckdb.connect() as connection:
            yield InDuckdb(connection)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with psycopg.connect(server.url, autocommit=True) as connection:
        yield InPostgres(connection)
        connection.execute("DROP SCHEMA agreement CASCADE")


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


@pytest.mark.timeout(180)
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(entries=sessions)
def test_both_agree_on_made_up_sessions(database: InDuckdb | InPostgres, entries: list[Recorded]) -> None:
    database.write(entries)
    same(live(entries), database.tally())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_both_agree_on_the_beginning_of_a_recorded_session(
    database: InDuckdb | InPostgres, share: float
) -> None:
    entries = recorded_demo()
    entries = entries[: round(share * len(entries))]
    database.write(entries)
    same(live(entries), database.tally())


def test_one_room_is_told_from_the_others(database: InDuckdb | InPostgres) -> None:
    entries = recorded_demo()
    other = [entry.model_copy(update={"room": "other"}) for entry in entries]
    database.write([*entries, *other])
    same(live(entries), database.tally(entries[0].room))
    whole, half = database.tally(), live(entries)
    assert whole.events == 2 * half.events
    assert whole.durations["turn"].count == 2 * half.durations["turn"].count
    assert database.tally("nowhere").events == 0


def test_odd_names_are_the_same_everywhere(database: InDuckdb | InPostgres) -> None:
    entries = told(
        [
            (
                ev.FloorRequested(participant=who, priority=2, request_id="r", on_behalf_of=behalf),
                1,
                10,
                0,
                None,
                1,
            )
            for who, behalf in (("", None), ("a\0b", None), ("ada", "\0"), ("", "b\ufffd"))
        ]
        + [(ev.Backchannel(speaker="", by="\0", utterance_id="u", held_ms=1.0), 1, 10, 0, None, 1)]
    )
    database.write(entries)
    same(live(entries), database.tally())


def test_the_order_of_the_rows_does_not_matter(database: InDuckdb | InPostgres) -> None:
    entries = recorded_demo()
    database.write(entries[::-1])
    same(live(entries), database.tally())


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
def test_both_agree_at_the_edges(database: InDuckdb | InPostgres, edge: str) -> None:
    made, counts = EDGES[edge]
    entries = told(made)
    database.write(entries)
    found = live(entries)
    assert {name: histogram.count for name, histogram in found.durations.items()} == counts
    same(found, database.tally())


FOREIGN = (
    ("UTTERANCE", "UTTERANCE", {"generated_text": "a\0b c\0", "heard_ms": "NaN", "generated_ms": " 12.75 "}),
    ("UTTERANCE", "UTTERANCE", {"heard_text": "a b\\u0000c", "heard_ms": "1e300", "generated_ms": 1e-320}),
    ("SYSTEM_SIGNAL", "FLOOR_RELEASED", {"held_ms": "Infinity", "to": None, "reason": 7}),
    ("SYSTEM_SIGNAL", "FLOOR_RELEASED", {"held_ms": "63.999999999", "reason": ""}),
    ("SYSTEM_SIGNAL", "FLOOR_EXPIRED", {"held_ms": 1e9, "due_ms": 2**70, "reason": "take_up"}),
    ("SYSTEM_SIGNAL", "FLOOR_EXPIRED", {"held_ms": None, "due_ms": "soon", "reason": ["lease"]}),
    ("TRANSCRIPT", "TRANSCRIPT", {"text": "yes\u2028no \ud83d\ude00", "final": "yes"}),
    ("TRANSCRIPT", "TRANSCRIPT", {"text": ["a"], "final": {}}),
    ("SYSTEM_SIGNAL", "INTERRUPTION", {"interrupted": "ada", "interruptor": "ada", "latency": [1]}),
    ("SYSTEM_SIGNAL", "FLOOR_GRANTED", {"waited_ms": "1_000", "position": 1.0}),
)


def test_what_a_foreign_producer_left_in_the_archive_breaks_no_query(
    database: InDuckdb | InPostgres,
) -> None:
    entries = told([(GIVEN, 1, 10, 0, n + 1, 1) for n in range(len(FOREIGN))])
    made = [dict(zip(COLUMNS, row, strict=True)) for row in rows(entries)]
    for row, (kind, event_type, data) in zip(made, FOREIGN, strict=True):
        row |= {"kind": kind, "type": event_type, "data": json.dumps({"participant": "ada", **data})}
    database.write_rows([tuple(row.values()) for row in made])
    found = database.tally()
    assert found.events == len(FOREIGN)
    ada = found.participants["ada"]
    assert (ada["released"], ada["floor_ms"]) == (2, 63 + 10**9)
    assert (ada["words_generated"], ada["words_heard"], ada["words_said"]) == (2, 2, 2)
    assert (ada["generated_ms"], ada["heard_ms"]) == (12, 10**12)

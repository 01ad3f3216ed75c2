"""The fold over the stream and the SQL over the archive count the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarm.analytics.archived import tally_of
from swarm.analytics.live import LiveTally
from swarm.analytics.tally import DURATIONS, Tally
from tests.analytics.sessions import archive, recorded_demo, sessions

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
    max_examples=120,
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

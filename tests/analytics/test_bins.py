from __future__ import annotations

import math
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.analytics import bins

EDGES = sorted({edge + off for power in range(24) for edge in (1 << power,) for off in (-1, 0, 1)})


@given(st.integers(0, bins.LONGEST_MS))
def test_a_duration_lies_within_its_bin_which_is_narrow(value_ms: int) -> None:
    low_ms, high_ms = bins.bounds_ms(bins.bin_of(value_ms))
    assert low_ms <= value_ms <= high_ms
    assert high_ms - low_ms <= value_ms / 32


def test_bins_follow_each_other_without_a_hole() -> None:
    numbers = range(bins.bin_of(bins.LONGEST_MS) + 1)
    for number in numbers[1:]:
        assert bins.bounds_ms(number)[0] == bins.bounds_ms(number - 1)[1] + 1


@pytest.mark.parametrize("database", ["duckdb", "postgres"])
def test_sql_puts_every_duration_into_the_same_bin(database: str, request: pytest.FixtureRequest) -> None:
    values = [*range(5_000), *EDGES, -5, 10**9]
    query = f"SELECT v, {bins.bin_of_sql('v')} FROM (SELECT unnest({{given}}::bigint[]) AS v) AS given"
    assert dict(answers(database, request, query, values)) == {v: bins.bin_of(v) for v in values}


@pytest.mark.parametrize("database", ["duckdb", "postgres"])
def test_sql_cuts_durations_to_the_same_whole_milliseconds(
    database: str, request: pytest.FixtureRequest
) -> None:
    values = [0.0, -0.0, 0.999, 63.5, -1.0, 1e300, math.inf, -math.inf, math.nan, None, 2.0**53]
    query = f"SELECT {bins.whole_ms_sql('v')} FROM (SELECT unnest({{given}}::float8[]) AS v) AS given"
    assert [row[0] for row in answers(database, request, query, values)] == [bins.whole_ms(v) for v in values]


def answers(
    database: str, request: pytest.FixtureRequest, query: str, values: list[Any]
) -> list[tuple[Any, ...]]:
    """Return the rows of a query in that database."""
    if database == "duckdb":
        with duckdb.connect() as connection:
            return connection.execute(query.format(given="$v"), {"v": values}).fetchall()
    with psycopg.connect(request.getfixturevalue("postgres_url")) as connection:
        return connection.execute(query.format(given="%(v)s"), {"v": values}).fetchall()


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_percentile_is_the_end_of_the_bin_of_the_exact_one(values: list[int], share: float) -> None:
    counted: dict[int, int] = {}
    for value in values:
        counted[bins.bin_of(value)] = counted.get(bins.bin_of(value), 0) + 1
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assert bins.percentile_ms(counted, share) == bins.bounds_ms(bins.bin_of(exact))[1]


def test_nothing_has_no_percentile() -> None:
    assert bins.percentile_ms({}, 0.5) is None

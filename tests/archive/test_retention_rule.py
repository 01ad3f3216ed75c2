from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from swarm.archive.retention_rule import (
    BEGINNING,
    Cut,
    Floors,
    Limits,
    Reader,
    age_floor,
    decide,
    needed_from,
)

LIMITS = Limits(live_ms=100, archive_held_ms=1000)
orders = st.tuples(st.integers(0, 30), st.integers(0, 3))
readers = st.builds(
    Reader, st.sampled_from(["a", "b", "c", "d"]), orders, st.one_of(st.none(), st.integers(0, 2000))
)
floors = st.tuples(orders, orders).map(lambda pair: Floors(max(pair), min(pair)))


def live(reader: Reader, limit_ms: int) -> bool:
    return reader.idle_ms is not None and reader.idle_ms <= limit_ms


@given(floors, st.lists(readers, max_size=4), st.lists(readers, max_size=2))
def test_nobody_who_counts_loses_anything_unsaid(
    kept: Floors, groups: list[Reader], archives: list[Reader]
) -> None:
    cut = decide(kept, groups, archives, LIMITS)
    if cut is None:
        return
    assert BEGINNING < cut.floor <= kept.soft
    for group in groups:
        if live(group, LIMITS.live_ms) and group.needs < cut.floor:
            assert group.name in cut.passed
            assert cut.floor <= kept.hard
    for archive in archives:
        if live(archive, LIMITS.archive_held_ms):
            assert archive.needs >= cut.floor
        elif archive.needs < cut.floor:
            assert archive.name in cut.passed


@given(floors, st.lists(readers, max_size=4), st.lists(readers, max_size=2))
def test_as_much_goes_as_may(kept: Floors, groups: list[Reader], archives: list[Reader]) -> None:
    cut = decide(kept, groups, archives, LIMITS)
    held = [group.needs for group in groups if live(group, LIMITS.live_ms)]
    kept_for_archives = [each.needs for each in archives if live(each, LIMITS.archive_held_ms)]
    most = min([max(kept.hard, min([kept.soft, *held])), *kept_for_archives])
    assert (cut.floor if cut else BEGINNING) == most


def test_a_group_needs_its_oldest_unacknowledged_entry_or_the_next() -> None:
    assert needed_from("0-0", None) == (0, 0)
    assert needed_from("7-1", None) == (7, 2)
    assert needed_from("7-1", "3-0") == (3, 0)


def test_age_and_memory_become_limits() -> None:
    assert age_floor(1000, 400) == (600, 0)
    assert age_floor(100, 400) == (0, 0)
    assert age_floor(100, None) == BEGINNING
    assert Limits(max_entries=10).entries(100, 0) == 10
    assert Limits(max_bytes=500).entries(100, 1000) == 50
    assert Limits(max_bytes=500, max_entries=10).entries(100, 1000) == 10
    assert Limits(max_bytes=5000).entries(100, 1000) is None
    assert Cut((5, 2)).floor_id == "5-2"

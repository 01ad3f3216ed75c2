from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.clock import ServerClock, better, reading
from streams.errors import InvalidEventError, StreamUnavailableError
from streams.events import Recorded, RoomClosed
from streams.fresh_ids import new_request_id
from streams.request_ids import checked_request_id
from streams.sequence import Fork, Gap, Sequence


@given(
    st.floats(0, 1e6),
    st.floats(0, 2.0),
    st.floats(0, 1),
    st.floats(-1e12, 1e12),
    st.sampled_from([0.0, 1.0]),
)
def test_the_true_offset_lies_within_the_error(
    sent_s: float, trip_s: float, share: float, offset_ms: float, resolution_ms: float
) -> None:
    true_ms = (sent_s + share * trip_s) * 1000 + offset_ms
    shown_ms = true_ms // resolution_ms * resolution_ms if resolution_ms else true_ms
    read = reading(shown_ms, sent_s, sent_s + trip_s, resolution_ms)
    assert abs(read.offset_ms - offset_ms) <= read.error_ms + 0.01


def test_the_quickest_answer_counts_until_drift_makes_a_newer_one_better() -> None:
    quick = reading(1000.0, 0.0, 0.001)
    slow = reading(1050.0, 0.0, 0.1)
    assert better(None, slow) is slow
    assert better(slow, quick) is quick
    assert better(quick, slow) is quick
    much_later = reading(1_000_000.0 + 1000.0, 999.9, 1000.0)
    assert better(quick, much_later) is much_later


def test_a_clock_that_was_set_is_believed_at_once() -> None:
    clock_s = 10.0
    clock = ServerClock(lambda: clock_s)
    clock.observe(50_000.0, 9.999, 10.0)
    assert clock.now_ms() in (50_000, 50_001)
    clock.observe(20_000.0, 9.9, 10.0)
    assert abs(clock.now_ms() - 20_050) <= 1


def test_times_convert_both_ways() -> None:
    clock = ServerClock(lambda: 12.0)
    with pytest.raises(StreamUnavailableError):
        clock.now_ms()
    assert clock.error_ms == float("inf")
    clock.observe(1_000_000.0, 10.0, 10.0)
    assert clock.now_ms() == 1_002_000
    assert clock.at_ms(9.5) == 999_500
    assert clock.monotonic_s(1_002_000) == 12.0


def test_request_ids_are_time_ordered_and_distinct() -> None:
    ids = [new_request_id(now_ms) for now_ms in (5, 999, 1_795_254_689_197, 1_795_254_689_198)]
    assert ids == sorted(ids)
    assert len({new_request_id(1) for _ in range(100)}) == 100
    assert all(checked_request_id(request_id) for request_id in [*ids, "turn:speech-1"])


@pytest.mark.parametrize("bad", ["", "a b", "a{b", "x" * 201, "a\tb", "a\x00b"])
def test_malformed_request_ids_are_refused(bad: str) -> None:
    with pytest.raises(InvalidEventError):
        checked_request_id(bad)


def entry(seq: int, *, session: str = "s", room: str = "r", prev: str | None = None, ms: int = 0) -> Recorded:
    return Recorded(
        id=f"{ms or seq}-0",
        kind="SYSTEM_SIGNAL",
        type="ROOM_CLOSED",
        room=room,
        session=session,
        seq=seq,
        prev=f"{seq - 1}-0" if prev is None else prev,
        source="x",
        at_ms=1,
        occurred_ms=1,
        event=RoomClosed(),
    )


def test_entries_that_follow_each_other_are_no_news() -> None:
    sequence = Sequence()
    assert [sequence.observe(entry(seq)) for seq in (7, 8, 9)] == [None, None, None]
    assert sequence.observe(entry(1, session="t", prev="", ms=10)) is None
    assert sequence.observe(entry(5, room="other")) is None


@given(st.integers(1, 50), st.integers(1, 50))
def test_a_gap_says_how_many_are_missing(first: int, missing: int) -> None:
    sequence = Sequence()
    sequence.observe(entry(first))
    gap = sequence.observe(entry(first + missing + 1))
    assert isinstance(gap, Gap)
    assert gap.missing == missing


def test_a_session_that_begins_in_the_middle_is_a_gap() -> None:
    sequence = Sequence()
    sequence.observe(entry(3))
    gap = sequence.observe(entry(4, session="t", ms=9))
    assert gap == Gap("r", "t", 0, 4)
    assert gap.missing == 3


def test_an_entry_seen_again_is_no_fork() -> None:
    sequence = Sequence()
    sequence.observe(entry(3))
    sequence.observe(entry(4))
    assert sequence.observe(entry(3)) is None
    assert sequence.observe(entry(5)) is None


def test_seq_values_that_come_again_are_a_fork() -> None:
    sequence = Sequence()
    sequence.observe(entry(3))
    sequence.observe(entry(4))
    fork = sequence.observe(entry(4, ms=20, prev="3-0"))
    assert fork == Fork("r", "s", 4, "20-0", "3-0", "4-0")


def test_a_next_seq_that_names_another_entry_before_it_is_a_fork() -> None:
    sequence = Sequence()
    sequence.observe(entry(3))
    assert isinstance(sequence.observe(entry(4, prev="2-7")), Fork)

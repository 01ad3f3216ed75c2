from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.ring import SampleRing


@given(
    capacity=st.integers(1, 40),
    writes=st.lists(st.integers(0, 90), max_size=12),
    asked=st.tuples(st.integers(0, 400), st.integers(0, 120)),
)
def test_a_ring_gives_what_a_list_that_keeps_everything_gives(
    capacity: int, writes: list[int], asked: tuple[int, int]
) -> None:
    ring = SampleRing(capacity)
    everything: list[int] = []
    for n in writes:
        fresh = np.arange(len(everything), len(everything) + n).astype(np.int16)
        ring.write(fresh)
        everything += fresh.tolist()
    oldest = max(0, len(everything) - capacity)
    assert (ring.start, ring.end) == (oldest, len(everything))
    from_sample, to_sample = asked[0], asked[0] + asked[1]
    stretch = ring.read(from_sample, to_sample)
    wanted = [n for n in range(from_sample, to_sample) if oldest <= n < len(everything)]
    assert stretch.samples.tolist() == [everything[n] for n in wanted]
    assert stretch.overwritten == sum(n < oldest for n in range(from_sample, to_sample))
    assert stretch.not_yet == sum(n >= len(everything) for n in range(from_sample, to_sample))
    if wanted:
        assert (stretch.start, stretch.end) == (wanted[0], wanted[-1] + 1)


def test_what_is_read_does_not_change_with_what_comes_after() -> None:
    ring = SampleRing(4)
    ring.write(np.array([1, 2, 3, 4], np.int16))
    kept = ring.read(0).samples
    ring.write(np.array([5, 6], np.int16))
    assert kept.tolist() == [1, 2, 3, 4]


def test_without_an_end_all_up_to_the_newest_is_read() -> None:
    ring = SampleRing(8)
    ring.write(np.arange(5, dtype=np.int16))
    assert ring.read(2).samples.tolist() == [2, 3, 4]
    ahead = ring.read(9)
    assert (ahead.samples.tolist(), ahead.not_yet) == ([], 0)


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (4, 3)])
def test_impossible_stretches_are_refused(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="no stretch"):
        SampleRing(8).read(start, end)


def test_a_ring_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity 0"):
        SampleRing(0)

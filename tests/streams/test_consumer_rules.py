"""The pure rules of consumers: what is a gap, who has which room, how long to wait."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.consumer_settings import ConsumerFigures, ConsumerSettings, RoomLag, share_of
from streams.dead_letters import pack
from streams.events import Recorded, RoomClosed, WordsForgotten
from streams.selection import Selection, after_ms
from streams.sequence import Fork, Gap, Position, Sequence, entry_order, without

NAMES = st.text("abcdef", min_size=1, max_size=4)


def entry(
    seq: int, *, session: str = "s", ms: int = 0, closes: bool = False, prev: str | None = None
) -> Recorded:
    return Recorded(
        id=f"{ms or seq}-0",
        kind="SYSTEM_SIGNAL",
        type="ROOM_CLOSED" if closes else "WORDS_FORGOTTEN",
        room="r",
        session=session,
        seq=seq,
        prev=(f"{(ms or seq) - 1}-0" if seq > 1 else "") if prev is None else prev,
        source="x",
        at_ms=1,
        occurred_ms=1,
        event=RoomClosed() if closes else WordsForgotten(participant="ann", seqs=[]),
    )


@given(st.integers(0, 50), st.integers(1, 30), st.sets(st.integers(0, 90)))
def test_a_gap_without_explained_seqs_is_what_is_missing_of_it(
    after: int, missing: int, explained: set[int]
) -> None:
    gap = Gap("r", "s", after, after + missing + 1)
    left = without(gap, explained)
    lost = [seq for each in left for seq in range(each.after_seq + 1, each.before_seq)]
    assert lost == [seq for seq in range(after + 1, after + missing + 1) if seq not in explained]
    assert sum(each.missing for each in left) == len(lost)
    assert all(each.missing > 0 for each in left)


def test_a_reader_that_begins_after_an_entry_misses_what_came_between() -> None:
    sequence = Sequence()
    sequence.begin("r", "3-0")
    assert sequence.observe(entry(4)) is None
    sequence.begin("r", "3-0")
    gap = sequence.observe(entry(9))
    assert gap == Gap("r", "s", 0, 9, exact=False)
    sequence.begin("r", "0-0")
    assert sequence.observe(entry(9)) is None


def test_a_reader_that_goes_on_for_another_misses_what_came_between() -> None:
    sequence = Sequence()
    sequence.resume("r", Position("s", 3, "3-0"))
    assert sequence.observe(entry(6)) == Gap("r", "s", 3, 6)
    assert sequence.before_fault() == Position("s", 3, "3-0")
    sequence.take_back()
    assert sequence.position("r") == Position("s", 3, "3-0")
    assert sequence.observe(entry(6)) == Gap("r", "s", 3, 6)
    assert sequence.observe(entry(6)) is None
    sequence.forget("r")
    assert sequence.position("r") is None


def test_a_session_that_was_not_closed_may_have_had_more() -> None:
    sequence = Sequence()
    sequence.resume("r", Position("s", 3, "3-0"))
    assert sequence.observe(entry(1, session="t", ms=9)) == Gap("r", "s", 3, 5, exact=False)
    sequence.resume("r", Position("s", 3, "3-0", closed=True))
    assert sequence.observe(entry(1, session="t", ms=9)) is None
    sequence.observe(entry(2, session="t", ms=10, closes=True))
    assert sequence.observe(entry(1, session="u", ms=11)) is None


def test_a_fork_is_taken_back_too() -> None:
    sequence = Sequence()
    sequence.resume("r", Position("s", 3, "3-0"))
    assert isinstance(sequence.observe(entry(4, prev="2-7")), Fork)
    sequence.take_back()
    assert isinstance(sequence.observe(entry(4, prev="2-7")), Fork)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30, unique=True).map(sorted))
def test_whatever_is_left_out_is_told_and_nothing_else(kept: list[int]) -> None:
    sequence, told = Sequence(), set[int]()
    for seq in kept:
        fault = sequence.observe(entry(seq))
        if isinstance(fault, Gap):
            told |= set(range(fault.after_seq + 1, fault.before_seq))
        else:
            assert fault is None
    assert told == set(range(kept[0], kept[-1] + 1)) - set(kept)


@given(st.dictionaries(NAMES, st.just("*") | st.sets(NAMES, min_size=1).map(" ".join), max_size=6), NAMES)
def test_a_room_falls_to_one_member_that_wants_it(members: dict[str, str], room: str) -> None:
    share = share_of(room, members)
    able = {name for name, rooms in members.items() if rooms == "*" or room in rooms.split()}
    assert (share in able) if able else share is None
    assert share == share_of(room, dict(reversed(members.items())))
    for other in set(members) - {share}:  # whoever else leaves, the room stays
        assert share_of(room, {name: rooms for name, rooms in members.items() if name != other}) == share


def test_rooms_are_spread_over_the_members() -> None:
    members = dict.fromkeys(("a", "b", "c", "d"), "*")
    counts = [sum(share_of(f"room-{n}", members) == name for n in range(1000)) for name in members]
    assert min(counts) > 180


@given(st.integers(1, 1000))
def test_waits_grow_up_to_the_longest(tried: int) -> None:
    settings = ConsumerSettings(first_delay_ms=10, longest_delay_ms=300)
    assert settings.delay_ms(1) == 10
    assert settings.delay_ms(tried) <= settings.delay_ms(tried + 1) <= 300


def test_figures_add_up_over_rooms() -> None:
    rooms = {"a": RoomLag(3, 1), "b": RoomLag(4, 2)}
    figures = ConsumerFigures("g", "c", 0, 0, 0, 0, 0, 0, 0, rooms)
    assert (figures.lag, figures.pending) == (7, 3)


def test_a_selection_takes_what_fits_all_of_it() -> None:
    recorded = entry(3)
    assert Selection().takes(recorded)
    assert Selection.of(kinds=["SYSTEM_SIGNAL"], types=["WORDS_FORGOTTEN"], sources=["x"]).takes(recorded)
    for wrong in ({"kinds": ["USAGE"]}, {"types": ["BID"]}, {"sources": ["y"]}, {"types": []}):
        assert not Selection.of(**wrong).takes(recorded)
    with pytest.raises(TypeError):
        Selection.of(types="BID")


@given(st.integers(1, 2**50))
def test_entries_of_a_moment_come_after_its_id(at_ms: int) -> None:
    assert entry_order(after_ms(at_ms)) < (at_ms, 0)
    assert entry_order(after_ms(at_ms)) > (at_ms - 1, 2**64 - 2)
    assert after_ms(0) == "0-0"
    assert after_ms(at_ms + 0.25) == after_ms(at_ms + 1)  # between two ms: the first that is not before it


def test_a_dead_letter_keeps_bytes_as_they_were() -> None:
    assert pack({b"\xff": b"\xc3\xa4"}) == '{"\\udcff": "\\u00e4"}'


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="concurrency"):
        replace(ConsumerSettings(), concurrency=0)

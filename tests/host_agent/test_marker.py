from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from host_agent.marker import (
    floor_line,
    mark_interrupted,
    read_floor,
    read_interrupted,
    read_said,
    say_line,
    without_notes,
)

names = st.text(alphabet="abc -_1", min_size=1, max_size=12).filter(str.strip)
plain = st.text(alphabet="abc .,!?'", max_size=60)


@given(plain, names)
def test_a_marked_utterance_is_read_back(heard: str, who: str) -> None:
    cut = read_interrupted(mark_interrupted(heard, who))
    assert cut is not None
    assert cut.heard.strip() == heard.strip()
    assert cut.who == who.strip()


@given(st.text(max_size=60))
def test_any_name_can_be_written_into_the_marker(who: str) -> None:
    assert read_interrupted(mark_interrupted("heard", who)) is not None


def test_an_utterance_without_the_marker_at_its_end_was_not_cut() -> None:
    assert read_interrupted("The talking stick.") is None
    assert read_interrupted(mark_interrupted("a", "ada") + " and on") is None


@given(st.lists(st.tuples(names, plain), max_size=4))
def test_what_others_said_is_read_back_in_order(said: list[tuple[str, str]]) -> None:
    text = "\n".join(say_line(who, words) for who, words in said)
    assert [(each.who, each.words) for each in read_said(text)] == [
        (who.strip(), " ".join(words.split())) for who, words in said
    ]
    assert without_notes(text) == ""


def test_the_floor_line_carries_its_task() -> None:
    assert read_floor(floor_line("Open [now].\nThen stop.")) == "Open (now). Then stop."
    assert read_floor(floor_line()) == ""
    assert read_floor("You have the floor.") is None
    assert without_notes(floor_line("x") + "\nhello") == "hello"

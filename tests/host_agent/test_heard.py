from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_agent.heard import Heard, SpokenTimeline, words_within

WORDS = st.lists(st.tuples(st.text("abcdefg", min_size=1, max_size=9), st.integers(40, 900)), max_size=30)


def spoken(*words: str, ms: float = 100.0) -> SpokenTimeline:
    timeline = SpokenTimeline()
    for word in words:
        timeline.add_audio(ms, accepted=True)
        timeline.add_text(f"{word} ")
    return timeline


@given(words=WORDS, at=st.integers(0, 30_000))
def test_a_word_counts_when_its_audio_has_finished(words: list[tuple[str, int]], at: int):
    timeline = SpokenTimeline()
    said, end_ms = [], 0
    for word, ms in words:
        timeline.add_audio(ms, accepted=True)
        timeline.add_text(f"{word} ")
        end_ms += ms
        if end_ms <= at:
            said.append(word)
    split = timeline.split(at)
    # one millisecond is given for the rounding of sample rates
    assert split.heard.split() in (said, [word for word, _ in words[: len(said) + 1]])
    assert split.heard.split() + split.unheard.split() == [word for word, _ in words]


@given(words=WORDS, at=st.integers(0, 30_000), more=st.integers(0, 5_000))
def test_more_playout_never_takes_a_word_back(words: list[tuple[str, int]], at: int, more: int):
    timeline = SpokenTimeline()
    for word, ms in words:
        timeline.add_text(f"{word} ")
        timeline.add_audio(ms, accepted=True)
    assert timeline.split(at + more).heard.startswith(timeline.split(at).heard)


def test_the_word_in_progress_does_not_count():
    assert spoken("one", "two", "three").split(290) == Heard("one two ", "three ")
    assert spoken("one", "two", "three").split(300) == Heard("one two three ", "")
    assert spoken("one").split(0) == Heard("", "one ")


def test_refused_audio_was_never_heard_and_takes_no_time():
    timeline = spoken("one", "two")
    for word in ("three", "four"):
        timeline.add_audio(100, accepted=False)
        timeline.add_text(f"{word} ")
    assert timeline.split(200) == Heard("one two ", "three four ")
    assert timeline.split(0, complete=True) == Heard("one two ", "three four ")
    assert timeline.accepted_ms == 200


def test_words_are_placed_in_proportion_where_the_voice_gives_no_spans():
    timeline = SpokenTimeline()
    timeline.add_text("alpha bravo ")
    timeline.add_audio(600, accepted=True)
    timeline.add_audio(600, accepted=True)
    timeline.add_text("charlie delta")
    timeline.add_audio(1300, accepted=True)
    assert timeline.split(1100) == Heard("alpha", " bravo charlie delta")
    assert timeline.split(1200).heard == "alpha bravo "
    assert timeline.split(1200 + 750).heard == "alpha bravo charlie"
    assert timeline.split(2499 - 5).heard == "alpha bravo charlie"
    assert timeline.split(2500).heard == "alpha bravo charlie delta"


def test_a_complete_turn_was_heard_whole_even_where_text_came_without_audio():
    timeline = spoken("one", "two")
    timeline.add_text("...")
    assert timeline.split(0, complete=True) == Heard("one two ...", "")


def test_words_that_the_voice_has_not_reached_are_unheard():
    timeline = spoken("one", "two")
    timeline.add_generated("one  two three four.")
    assert timeline.generated_text == "one two three four."
    assert timeline.split(200) == Heard("one two ", "three four.")


def test_a_sentence_whose_audio_is_still_being_made_is_placed_by_pace():
    timeline = SpokenTimeline()
    timeline.add_generated("alpha bravo charlie delta echo foxtrot.")
    timeline.add_audio(1000, accepted=True)
    split = timeline.split(1000)
    assert split.heard == "alpha bravo"
    assert split.heard + split.unheard == "alpha bravo charlie delta echo foxtrot."
    assert timeline.split(0).heard == ""


def test_a_later_part_can_be_asked_for_alone():
    timeline = spoken("let", "me", "look.")
    first = timeline.segments_done
    timeline.add_audio(100, accepted=True)
    timeline.add_text("It ")
    timeline.add_audio(100, accepted=True)
    timeline.add_text("rains.")
    assert timeline.split(400, first_segment=first) == Heard("It ", "rains.")


@pytest.mark.parametrize(
    ("letters", "words"), [(0, ""), (5, "alpha"), (10, "alpha"), (11, "alpha bravo"), (99, "alpha bravo")]
)
def test_whole_words_within_letters_never_the_last(letters: int, words: str):
    assert words_within("alpha bravo charlie", letters) == words

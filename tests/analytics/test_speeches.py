"""How stretches of speech are paired, and what lies between them."""

from __future__ import annotations

from swarm.analytics.speeches import LONGEST_SPEECH_MS, Relation, Speech, Speeches, relation


def speech(who: str, from_ms: int, to_ms: int) -> Speech:
    return Speech(who, who == "paul", from_ms, to_ms)


class Heard:
    """Takes what is handed over."""

    def __init__(self) -> None:
        self.speeches: list[Speech] = []
        self.before: list[Speech | None] = []

    def take(self, speech: Speech, before: Speech | None) -> None:
        self.speeches.append(speech)
        self.before.append(before)


def test_silence_between_two_speakers_is_a_gap_and_after_a_person_a_response() -> None:
    assert relation(speech("ada", 0, 100), speech("bob", 350, 400)) == Relation("gap", 250, False)
    assert relation(speech("paul", 0, 100), speech("bob", 350, 400)) == Relation("gap", 250, True)
    assert relation(speech("bob", 0, 100), speech("paul", 100, 400)) == Relation("gap", 0, False)


def test_who_begins_early_and_goes_on_overlaps() -> None:
    assert relation(speech("paul", 0, 100), speech("bob", 70, 400)) == Relation("overlap", 30, False)


def test_what_ends_within_anothers_speech_is_no_change_of_speaker() -> None:
    assert relation(speech("ada", 0, 900), speech("paul", 100, 300)) == Relation("overlap_within", 200, False)


def test_a_speaker_who_goes_on_paused() -> None:
    assert relation(speech("ada", 0, 100), speech("ada", 350, 400)) == Relation("pause", 250, False)


def test_stretches_are_handed_over_in_the_order_in_which_they_began() -> None:
    heard = Heard()
    speeches = Speeches(heard.take)
    speeches.begin(7, "ada", is_person=False, from_ms=0, at_ms=0)
    speeches.begin("s1", "paul", is_person=True, from_ms=100, at_ms=150)
    speeches.end("s1", 350, None, 200)
    assert heard.speeches == []
    early = Heard()
    speeches.rest(early.take)
    assert early.speeches == [Speech("paul", True, 100, 300)]
    speeches.end(7, 1_000, 990)
    assert heard.speeches == [Speech("ada", False, 0, 990), Speech("paul", True, 100, 300)]
    assert heard.before == [None, Speech("ada", False, 0, 990)]


def test_the_first_end_counts_and_an_end_without_a_beginning_does_not() -> None:
    heard = Heard()
    speeches = Speeches(heard.take)
    speeches.end(7, 5, 5)
    speeches.begin(7, "ada", is_person=False, from_ms=10, at_ms=10)
    speeches.end(7, 30, 20)
    speeches.end(7, 50, 50)
    assert heard.speeches == [Speech("ada", False, 10, 20)]


def test_an_end_before_the_beginning_makes_an_empty_stretch() -> None:
    heard = Heard()
    speeches = Speeches(heard.take)
    speeches.begin(7, "ada", is_person=False, from_ms=10, at_ms=10)
    speeches.end(7, 12, 3)
    assert heard.speeches == [Speech("ada", False, 10, 10)]


def test_a_stretch_that_never_ends_holds_the_others_up_for_a_while_only() -> None:
    heard = Heard()
    speeches = Speeches(heard.take)
    speeches.begin(7, "ada", is_person=False, from_ms=0, at_ms=0)
    speeches.begin(8, "bob", is_person=False, from_ms=50, at_ms=50)
    speeches.end(8, 100, 100)
    assert heard.speeches == []
    late_ms = LONGEST_SPEECH_MS + 1
    speeches.begin(9, "cleo", is_person=False, from_ms=late_ms, at_ms=late_ms)
    assert heard.speeches == [Speech("bob", False, 50, 100)]
    speeches.end(7, late_ms, late_ms)
    speeches.end(9, late_ms + 5, late_ms + 5)
    assert [each.participant for each in heard.speeches] == ["bob", "cleo"]

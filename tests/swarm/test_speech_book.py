from __future__ import annotations

from swarm.speech_book import KEPT, SpeechBook


def test_the_nearest_onset_of_the_same_person_is_the_same_speech() -> None:
    book = SpeechBook()
    book.heard("ada", "ours-1", 1000)
    book.heard("ada", "ours-2", 3000)
    book.heard("bob", "ours-3", 3010)
    book.recorded("ada", "theirs-1", 3120)
    assert book.ours("theirs-1") == "ours-2"


def test_a_speech_that_our_ears_missed_or_nobody_recorded_has_no_name_here() -> None:
    book = SpeechBook()
    book.heard("ada", "ours-1", 1000)
    book.recorded("ada", "theirs-1", 1700)
    assert book.ours("theirs-1") == ""
    assert book.ours("unknown") == ""


def test_it_keeps_only_the_latest() -> None:
    book = SpeechBook()
    for n in range(KEPT + 1):
        book.heard("ada", f"ours-{n}", n * 2000)
        book.recorded("ada", f"theirs-{n}", n * 2000)
    assert book.ours("theirs-0") == ""
    assert book.ours(f"theirs-{KEPT}") == f"ours-{KEPT}"

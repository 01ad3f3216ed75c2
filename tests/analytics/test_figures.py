"""What is derived from a tally, on a recorded run of the demo."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from rich.console import Console

from streams import events as ev
from swarm.analytics import figures, picture, shown
from swarm.analytics.live import LiveTally, words
from swarm.analytics.tally import Tally
from tests.analytics.sessions import recorded_demo, told

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def tally() -> Tally:
    live = LiveTally()
    for entry in recorded_demo():
        live.feed(entry)
    return live.tally()


def test_the_demos_figures_are_what_its_record_says(tally: Tally) -> None:
    document = figures.document(tally, room="demo")
    host, person = document["participants"]["host"], document["participants"]["person"]
    assert (document["room"], document["events"], document["missing"]) == ("demo", 78, 0)
    assert host["floor_ms"] == 15_850 + 2_014 + 6_037 + 11_446
    assert host["floor_share"] == round(host["floor_ms"] / (host["floor_ms"] + 13_229 + 7_447 + 1_846), 4)
    assert (host["kind"], host["turns"], host["was_interrupted"]) == ("agent", 4, 2)
    assert (person["kind"], person["turns"], person["interrupted_others"]) == ("person", 1, 1)
    assert {(pair["by"], pair["whom"]) for pair in document["pairs"]["interruption"]} == {
        ("expert", "host"),
        ("person", "host"),
    }
    assert document["pairs"]["backchannel"] == [{"by": "person", "whom": "host", "count": 1, "held_ms": 299}]
    # The person's last sound was 642 ms before the host's first audio; its bin ends at 655.
    assert document["durations"]["response"]["total_ms"] == 642
    assert document["durations"]["response"]["p99_ms"] == 655
    assert document["fairness"]["agents"] == 2


def test_fairness_is_one_for_equal_shares_and_one_over_n_for_all_to_one() -> None:
    assert figures.jain([5, 5, 5]) == pytest.approx(1.0)
    assert figures.jain([7, 0, 0, 0]) == pytest.approx(0.25)
    assert figures.jain([0, 0]) is None
    assert figures.jain([]) is None


def test_who_asked_in_vain_counts_as_unfairly_treated() -> None:
    asked = ev.FloorRequested(participant="bob", priority=2, request_id="r")
    held = ev.FloorReleased(participant="ada", held_ms=500)
    given = ev.FloorGranted(participant="ada", request_id="r", lease_ms=1, waited_ms=0)
    live = LiveTally()
    for entry in told([(event, 1, 1, 0, None, 1) for event in (asked, given, held)]):
        live.feed(entry)
    assert figures.floor_fairness(live.tally()) == (pytest.approx(0.5), 2)


def test_words_stand_between_white_space() -> None:
    assert [words(text) for text in ("", "  ", "one", " two  words\n", "a\u00a0b")] == [0, 0, 1, 2, 1]


def test_a_hole_that_was_forgotten_on_purpose_is_not_missing() -> None:
    bid = ev.Bid(participant="ada", score=1.0, reason="")
    live = LiveTally()
    for entry in told([(bid, 1, 1, 0, None, 1), (bid, 4, 1, 0, None, 1)]):
        live.feed(entry)
    assert live.tally().missing == 3
    forgotten = ev.WordsForgotten(participant="paul", seqs=[2, 4, 99])
    live = LiveTally()
    for entry in told([(bid, 1, 1, 0, None, 1), (bid, 4, 1, 0, None, 1), (forgotten, 1, 1, 0, None, 1)]):
        live.feed(entry)
    assert live.tally().missing == 1


def test_a_tally_that_was_taken_does_not_change() -> None:
    live = LiveTally()
    entries = recorded_demo()
    for entry in entries[:40]:
        live.feed(entry)
    before, copy = live.tally(), live.tally()
    for entry in entries[40:]:
        live.feed(entry)
    assert before == copy
    assert live.tally() != before


def test_nothing_has_figures_tables_and_a_picture_too(tmp_path: Path) -> None:
    document = figures.document(Tally(), room=None)
    assert document["events"] == 0
    Console(file=io.StringIO()).print(shown.tables(document))
    picture.draw(Tally(), "nothing", tmp_path / "nothing.png")


def test_tables_do_not_let_names_steer_the_terminal(tally: Tally) -> None:
    odd = tally.copy()
    odd.count("\x1b[2Jeve", "turns")
    console = Console(width=140)
    with console.capture() as capture:
        console.print(shown.tables(figures.document(odd, room="demo")))
    assert "\\x1b[2Jeve" in capture.get()
    assert "\x1b[2J" not in capture.get()


def test_a_matrix_of_many_shows_the_busiest_and_says_how_many_it_leaves_out() -> None:
    tally = Tally()
    for number in range(shown.MOST_NAMES + 3):
        for _ in range(number + 1):
            tally.pair("interruption", f"person-{number}", f"agent-{number}")
    console = Console(width=400)
    with console.capture() as capture:
        console.print(shown.tables(figures.document(tally, room="demo")))
    matrix = capture.get().partition("interruptions:")[2]
    assert matrix.count("and 3 more") == 2
    assert "person-14" in matrix
    assert "person-2 " not in matrix


def test_durations_are_said_as_people_say_them() -> None:
    found = [shown.seconds(ms) for ms in (0, 59_900, 61_000, 3_600_000, 5_400_000)]
    assert found == ["0.0 s", "59.9 s", "1:01 min", "1:00 h", "1:30 h"]


def test_the_picture_shows_something(tally: Tally, tmp_path: Path) -> None:
    path = tmp_path / "stats.png"
    picture.draw(tally, "demo", path)
    with Image.open(path) as image:
        assert image.size == (1400, 900)
        assert len(image.convert("RGB").getcolors(1_400 * 900) or ()) > 50

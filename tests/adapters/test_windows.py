from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.windows import Close, Joined, Open, Send, Windows

if TYPE_CHECKING:
    from adapters.windows import Command


def test_one_speech_is_one_window() -> None:
    w, commands = Windows().join("s1", "ann", 100, {"ann": 400})
    assert commands == [Open(), Joined("s1"), Send("ann", 100, 400)]
    w, commands = w.advance({"ann": 500})
    assert commands == [Send("ann", 400, 500)]
    w, commands = w.ended("s1", 600, {"ann": 700}, now_s=0, endpointing_ms=0)
    assert commands == [Send("ann", 500, 600), Close()]
    assert not w.is_open


def test_the_second_speaker_follows_the_first_from_their_own_beginning() -> None:
    w, _ = Windows().join("s1", "ann", 0, {"ann": 100})
    w, commands = w.join("s2", "ben", 50, {"ann": 100, "ben": 200})
    assert commands == [Joined("s2")]
    w, commands = w.advance({"ann": 150, "ben": 300})
    assert commands == [Send("ann", 100, 150)]
    w, commands = w.ended("s1", 150, {"ann": 150, "ben": 400}, now_s=0, endpointing_ms=0)
    assert commands == [Send("ben", 50, 400)]
    _, commands = w.ended("s2", 450, {"ben": 500}, now_s=0, endpointing_ms=0)
    assert commands == [Send("ben", 400, 450), Close()]


def test_a_speaker_who_ends_before_their_turn_is_still_sent_whole() -> None:
    w, _ = Windows().join("s1", "ann", 0, {"ann": 100})
    w, _ = w.join("s2", "ben", 50, {"ann": 100, "ben": 60})
    w, commands = w.ended("s2", 90, {"ann": 120, "ben": 100}, now_s=0, endpointing_ms=0)
    assert commands == [Send("ann", 100, 120)]
    _, commands = w.ended("s1", 130, {"ann": 130, "ben": 300}, now_s=0, endpointing_ms=0)
    assert commands == [Send("ann", 120, 130), Send("ben", 50, 90), Close()]


def test_speech_that_goes_on_within_endpointing_is_the_same_activity_without_a_hole() -> None:
    w, _ = Windows().join("s1", "ann", 0, {"ann": 100})
    w, commands = w.ended("s1", 100, {"ann": 100}, now_s=5, endpointing_ms=300)
    assert commands == []
    w, commands = w.advance({"ann": 180})
    assert commands == [Send("ann", 100, 180)]
    w, commands = w.join("s2", "ann", 150, {"ann": 200})
    assert commands == [Joined("s2"), Send("ann", 180, 200)]
    assert w.due(99) == (w, [])


def test_the_window_closes_when_endpointing_is_over() -> None:
    w, _ = Windows().join("s1", "ann", 0, {"ann": 100})
    w, _ = w.ended("s1", 100, {"ann": 100}, now_s=5, endpointing_ms=300)
    assert w.due(5.2) == (w, [])
    w, commands = w.due(5.3)
    assert commands == [Close()]
    assert w.close() == (w, [])


def test_one_who_speaks_twice_while_waiting_is_sent_once() -> None:
    w, _ = Windows().join("s1", "ann", 0, {"ann": 100})
    w, _ = w.join("s2", "ben", 0, {"ann": 100, "ben": 100})
    w, _ = w.ended("s2", 100, {"ann": 100, "ben": 100}, now_s=0, endpointing_ms=0)
    w, _ = w.join("s3", "ben", 50, {"ann": 100, "ben": 200})
    _, commands = w.ended("s1", 100, {"ann": 100, "ben": 300}, now_s=0, endpointing_ms=0)
    assert commands == [Send("ben", 0, 100), Send("ben", 100, 300)]


def test_a_person_who_comes_back_with_a_new_ring_is_sent_from_its_beginning() -> None:
    w, _ = Windows().join("s1", "ann", 0, {"ann": 5000})
    w, _ = w.ended("s1", 5000, {"ann": 5000}, now_s=0, endpointing_ms=0)
    _, commands = w.join("s2", "ann", 0, {"ann": 300})
    assert Send("ann", 0, 300) in commands


PEOPLE = ("ann", "ben", "cyd")


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["sound", "start", "end", "close", "wait"]),
            st.sampled_from(PEOPLE),
            st.integers(1, 400),
        ),
        max_size=60,
    ),
    st.sampled_from([0.0, 250.0]),
)
def test_windows_are_paired_and_no_sample_is_sent_twice_or_outside(
    script: list[tuple[str, str, int]], endpointing_ms: float
) -> None:
    w = Windows()
    positions = dict.fromkeys(PEOPLE, 0)
    speaking: dict[str, str] = {}
    sent = dict.fromkeys(PEOPLE, 0)
    is_open, now_s, speeches = False, 0.0, 0

    def carry_out(commands: list[Command]) -> None:
        nonlocal is_open
        for command in commands:
            match command:
                case Open():
                    assert not is_open
                    is_open = True
                case Close():
                    assert is_open
                    is_open = False
                case Joined():
                    assert is_open
                case Send(person, start, end):
                    assert is_open
                    assert sent[person] <= start < end <= positions[person]
                    sent[person] = end

    for step, person, n in script:
        now_s += n / 1000
        commands: list[Command] = []
        match step:
            case "sound":
                positions[person] += n
                w, commands = w.advance(positions)
            case "start" if person not in speaking:
                speeches += 1
                speaking[person] = f"s{speeches}"
                w, commands = w.join(speaking[person], person, positions[person] - n, positions)
            case "end" if person in speaking:
                w, commands = w.ended(
                    speaking.pop(person),
                    positions[person],
                    positions,
                    now_s=now_s,
                    endpointing_ms=endpointing_ms,
                )
            case "close":
                speaking.clear()
                w, commands = w.close()
            case _:
                w, commands = w.due(now_s)
        carry_out(commands)
        assert is_open == w.is_open
        assert is_open == (bool(speaking) or w.closes_at_s is not None)

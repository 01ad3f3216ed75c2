from __future__ import annotations

from typing import Any

import pytest

from adapters.ports import SpeechEnded, SpeechStarted
from swarm.people import PeopleWatch


class Calls:
    """Notes what the floor would be told."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def soon(self, what: str, call: object) -> None:
        self.made.append(what)


class Scribe:
    def __getattr__(self, name: str) -> Any:
        return lambda event: None


@pytest.fixture
async def watch() -> Any:
    calls = Calls()
    people = PeopleWatch(stick=None, scribe=Scribe(), calls=calls)  # type: ignore[arg-type]
    yield people, calls
    people.close()


def started(n: int) -> SpeechStarted:
    return SpeechStarted(f"s{n}", "ada", 0.0, 0.0, 0)


def ended(n: int) -> SpeechEnded:
    return SpeechEnded(f"s{n}", "ada", 0.0, 100.0, 0)


async def test_silence_is_told_when_the_turn_is_done_and_not_before(watch: Any) -> None:
    people, calls = watch
    people.on_speech_started(started(1))
    people.on_speech_ended(ended(1))
    assert calls.made == ["speaking"]
    people.turn_done("ada")
    people.turn_done("ada")
    assert calls.made == ["speaking", "silent"]


async def test_a_turn_that_another_process_heard_end_sooner_ends_here_with_the_speech(watch: Any) -> None:
    people, calls = watch
    people.on_speech_started(started(1))
    people.turn_done("ada")
    assert calls.made == ["speaking"]
    people.on_speech_ended(ended(1))
    assert calls.made == ["speaking", "silent"]


async def test_a_new_speech_is_not_ended_by_the_turn_before(watch: Any) -> None:
    people, calls = watch
    people.on_speech_started(started(1))
    people.turn_done("ada")
    people.on_speech_started(started(2))
    people.on_speech_ended(ended(2))
    assert calls.made == ["speaking", "speaking"]

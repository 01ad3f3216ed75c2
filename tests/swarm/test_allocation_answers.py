"""An agent that was asked and will not be heard is told from one that was heard, cut off, or gave way."""

from __future__ import annotations

from typing import Any

import pytest

from streams import events as ev
from streams.events import Event, Recorded
from swarm.allocation_answers import MOST_TRIES, Answers, Asked
from swarm.speech_notes import Turn

TURN = Turn("s1", "ada", "hello", 1, 2)
GRANTED = ev.FloorGranted(participant="otto", request_id="turn:s1", lease_ms=1, waited_ms=0)
OWN = GRANTED.model_copy(update={"request_id": "own"})
TAKEN = ev.FloorTaken(participant="otto")
EXPIRED = ev.FloorExpired(participant="otto", held_ms=1, due_ms=1, reason="take_up")
RELEASED = ev.FloorReleased(participant="otto", held_ms=1)


def revoked(by: str, reason: str) -> ev.FloorRevoked:
    return ev.FloorRevoked(participant="otto", by=by, held_ms=1, reason=reason)


def withdrawn(reason: str, request_id: str = "turn:s1") -> ev.FloorWithdrawn:
    return ev.FloorWithdrawn(participant="otto", request_id=request_id, reason=reason)


def entry(event: Event, token: int | None) -> Recorded:
    about: dict[str, Any] = {"id": "1-0", "room": "r", "session": "s", "seq": 1, "prev": "", "source": "x"}
    return Recorded(kind="SYSTEM_SIGNAL", type="X", at_ms=1, occurred_ms=1, token=token, event=event, **about)


def lost_after(*events: tuple[Event, int | None]) -> list[Asked]:
    answers = Answers()
    answers.asked(Asked(TURN))
    return [lost for event, token in events if (lost := answers.lost_by(entry(event, token))) is not None]


@pytest.mark.parametrize(
    "events",
    [
        ((GRANTED, 7), (EXPIRED, 7)),
        ((GRANTED, 7), (revoked("", "gone"), 7)),
        ((GRANTED, 7), (revoked("", "silent"), 7)),
        ((withdrawn("gone"), None),),
        ((withdrawn("joined"), None), (OWN, 7), (EXPIRED, 7)),
        ((withdrawn("joined"), None), (withdrawn("gone", "own"), None)),
        ((GRANTED, 7), (TAKEN, 6), (EXPIRED, 7), (EXPIRED, 7)),
    ],
)
def test_who_never_spoke_is_replaced_once(events: tuple[tuple[Event, int | None], ...]) -> None:
    (lost,) = lost_after(*events)
    assert (lost.turn, lost.tried, lost.request_id) == (TURN, ("otto",), "turn:s1:2")


@pytest.mark.parametrize(
    "events",
    [
        ((GRANTED, 7), (TAKEN, 7), (EXPIRED, 7)),
        ((GRANTED, 7), (TAKEN, 7), (revoked("", "max_turn"), 7)),
        ((GRANTED, 7), (RELEASED, 7), (EXPIRED, 7)),
        ((GRANTED, 7), (revoked("ada", "interrupt"), 7), (EXPIRED, 7)),
        ((GRANTED, 7), (EXPIRED, 6)),
        ((EXPIRED, 7),),
        ((EXPIRED, None),),
        ((withdrawn("replaced"), None),),
        ((OWN, 7), (EXPIRED, 7)),
        ((withdrawn("joined"), None), (withdrawn("", "own"), None), (OWN, 7), (EXPIRED, 7)),
    ],
)
def test_who_was_heard_or_cut_off_or_is_somebody_else_is_not_replaced(
    events: tuple[tuple[Event, int | None], ...],
) -> None:
    assert lost_after(*events) == []


def test_a_turn_is_given_up_after_a_few_agents() -> None:
    answers, asked, tried = Answers(), Asked(TURN), 0
    while asked is not None:
        answers.asked(asked)
        tried += 1
        granted = GRANTED.model_copy(update={"request_id": asked.request_id})
        assert answers.lost_by(entry(granted, tried)) is None
        asked = answers.lost_by(entry(EXPIRED, tried))
    assert tried == MOST_TRIES


def test_a_repeated_request_is_followed_on_under_the_same_grant() -> None:
    answers = Answers()
    answers.asked(Asked(TURN))
    answers.lost_by(entry(GRANTED, 7))
    answers.asked(Asked(TURN))
    assert answers.lost_by(entry(EXPIRED, 7)) is not None

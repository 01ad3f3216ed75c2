"""Which stretches of a person's speech are turns that somebody answers, by the record alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from host_agent.interruption import InterruptionHandlerConfig, judge_factory
from streams import events as ev
from streams.events import Recorded
from swarm.allocation_turns import TurnBook, takes_floor

if TYPE_CHECKING:
    from streams.events import Event
    from swarm.speech_notes import Turn

make_judge = judge_factory(InterruptionHandlerConfig())

STATED = "That is the plan for today."
ASKED = "That is the plan. Are you ready?"
FALSE_ALARM = ev.FalseInterruption(speaker="host", by="ada", utterance_id="u1", reason="", held_ms=300.0)
YES = ev.Backchannel(speaker="host", by="ada", utterance_id="u1", words="okay")
CUT = ev.Interruption(
    interrupted="host",
    interruptor="ada",
    interruptor_kind=ev.ParticipantKind.PERSON,
    utterance_id="u1",
    heard_text="That is",
    unheard_text="the plan.",
    heard_ms=500.0,
    generated_ms=1_500.0,
    reason="command",
)


def over(heard: str, utterance_id: str = "u1") -> ev.Utterance:
    return ev.Utterance(
        participant="host",
        utterance_id=utterance_id,
        generated_text=heard,
        heard_text=heard,
        heard_ms=1_500.0,
        generated_ms=1_500.0,
        interrupted=False,
    )


def turn_after(text: str, *events: Event) -> Turn | None:
    """The turn that ada's speech is, which began before `events` and whose words are known after them."""
    book = TurnBook(lambda text, agent_words: takes_floor(make_judge(), text, agent_words))
    began = ev.SpeechStarted(participant="ada", speech_id="s1")
    said = ev.Transcript(participant="ada", speech_id="s1", text=text, final=True)
    turn = None
    for at_ms, event in enumerate((began, *events, said), 1_000):
        about: dict[str, Any] = {"id": f"{at_ms}-0", "kind": event.kind, "room": "r", "session": "s", "v": 1}
        entry = Recorded(
            **about, type=event.type, seq=1, prev="", source="x", at_ms=at_ms, occurred_ms=at_ms, event=event
        )
        turn = book.ended_by(entry)
    return turn


@pytest.mark.parametrize(
    ("text", "events", "is_turn"),
    [
        ("okay", (), True),
        ("okay", (YES,), False),
        ("okay", (YES, over(STATED)), False),
        ("okay", (FALSE_ALARM, over(STATED)), False),
        ("okay, what about tomorrow", (YES,), False),
        ("okay, what about tomorrow", (YES, over(STATED)), True),
        ("okay, what about tomorrow", (over(STATED), YES), True),
        ("okay, what about tomorrow", (YES, over(STATED, "another")), False),
        ("", (FALSE_ALARM, over(STATED)), False),
        ("yeah", (FALSE_ALARM, over(ASKED)), True),
        ("yeah", (FALSE_ALARM, over(ASKED, "another")), False),
        ("mm-hmm", (YES, over(STATED)), False),
        ("okay, what about tomorrow", (YES, CUT), True),
        ("that is the plan for today", (FALSE_ALARM, over(STATED)), False),
    ],
)
def test_what_goes_on_after_the_agents_last_word_is_a_turn_and_an_acknowledgement_is_none(
    text: str, events: tuple[Event, ...], is_turn: bool
) -> None:
    turn = turn_after(text, *events)
    assert (turn is not None) is is_turn
    if turn is not None:
        assert (turn.person, turn.text, turn.onset_ms) == ("ada", text, 1_000)

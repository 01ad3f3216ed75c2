"""A person's turns as the record tells of them, and the words in which an answer is asked for. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from streams import events as ev
from streams.vocabulary import Decision, Observation
from swarm.speech_notes import Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import Judge
    from streams.events import Recorded

TURN_PREFIX = "answer to "
"""Begins the reason of a request that is made for a person's turn; the person's name follows."""
_KEPT = 64
_LEVEL_DBFS = -25.0


def turn_reason(person: str, why: str = "") -> str:
    """Return the reason of a request that answers a turn of `person`; `why` is why its agent was chosen."""
    return f"{TURN_PREFIX}{person} ({why})" if why else TURN_PREFIX + person


def turn_of(reason: str) -> str:
    """Return whose turn a request answers, by its reason; empty where it answers none."""
    return reason.removeprefix(TURN_PREFIX).partition(" ")[0] if reason.startswith(TURN_PREFIX) else ""


def takes_floor(judge: Judge, text: str, agent_words: str) -> bool:
    """Return whether `judge` takes a whole reply to `agent_words` for more than an acknowledgement."""
    seen = Observation(
        elapsed_ms=0.0,
        voiced_ms=0.0,
        silence_ms=0.0,
        level_dbfs=_LEVEL_DBFS,
        words=text.lower(),
        final=True,
        ended=True,
        agent_words=agent_words,
    )
    return judge.observe(seen).decision is Decision.INTERRUPT


class _WavedOff(NamedTuple):
    """A person's speech over an agent's was taken for no interruption."""

    at_ms: int
    utterance_id: str


class TurnBook:
    """Follows the record and tells which stretches of speech are turns; a backchannel is none.

    One that goes on when the agent has said all it had to say is judged anew by all its words:
    `takes_floor(text, agent_words)`. So is one that answers the question the agent ended with. Remembers the
    last 64 onsets and utterances.
    """

    def __init__(self, takes_floor: Callable[[str, str], bool]) -> None:
        self._takes_floor = takes_floor
        self._onsets_ms: OrderedDict[str, int] = OrderedDict()
        self._heard: OrderedDict[str, str] = OrderedDict()
        """What was heard of the utterances that are over."""
        self._waved_off: dict[str, _WavedOff] = {}
        """By person, the last time."""

    def is_turn(self, turn: Turn) -> bool:
        """Return whether somebody is to answer it, as far as the record says by now."""
        waved_off = self._waved_off.get(turn.person)
        if waved_off is None or waved_off.at_ms < turn.onset_ms:
            return True
        agent_words = self._heard.get(waved_off.utterance_id)
        return agent_words is not None and self._takes_floor(turn.text, agent_words)

    def ended_by(self, entry: Recorded) -> Turn | None:
        """Take an event of the room; return the turn that it ends, if it does."""
        match entry.event:
            case ev.SpeechStarted(speech_id=speech_id):
                self._onsets_ms[speech_id] = entry.occurred_ms
                while len(self._onsets_ms) > _KEPT:
                    self._onsets_ms.popitem(last=False)
            case ev.Utterance(utterance_id=utterance_id, heard_text=heard):
                self._heard[utterance_id] = heard
                while len(self._heard) > _KEPT:
                    self._heard.popitem(last=False)
            case (
                ev.Backchannel(by=who, utterance_id=utterance_id)
                | ev.FalseInterruption(by=who, utterance_id=utterance_id)
            ):
                self._waved_off[who] = _WavedOff(entry.occurred_ms, utterance_id)
            case ev.Interruption(interruptor=who):
                self._waved_off.pop(who, None)
            case ev.ParticipantLeft(participant=who):
                self._waved_off.pop(who, None)
            case ev.Transcript(participant=who, speech_id=speech_id, text=text, final=True):
                onset_ms = self._onsets_ms.pop(speech_id, entry.occurred_ms)
                turn = Turn(speech_id, who, text, onset_ms, entry.occurred_ms)
                return turn if self.is_turn(turn) else None
            case _:
                pass
        return None

"""A person's turns as the record tells of them, and the words in which an answer is asked for. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from streams import events as ev
from swarm.speech_notes import Turn

if TYPE_CHECKING:
    from streams.events import Recorded

TURN_PREFIX = "answer to "
"""Begins the reason of a request that is made for a person's turn; the person's name follows."""
_KEPT = 64


def turn_reason(person: str, why: str = "") -> str:
    """Return the reason of a request that answers a turn of `person`; `why` is why its agent was chosen."""
    return f"{TURN_PREFIX}{person} ({why})" if why else TURN_PREFIX + person


def turn_of(reason: str) -> str:
    """Return whose turn a request answers, by its reason; empty where it answers none."""
    return reason.removeprefix(TURN_PREFIX).partition(" ")[0] if reason.startswith(TURN_PREFIX) else ""


class TurnBook:
    """Follows the record and tells which stretches of speech are turns; a backchannel is none.

    Remembers the last 64 onsets.
    """

    def __init__(self) -> None:
        self._onsets_ms: OrderedDict[str, int] = OrderedDict()
        self._waved_off_ms: dict[str, int] = {}
        """When a person's speech over an agent's was last taken for no interruption."""

    def is_turn(self, turn: Turn) -> bool:
        """Return whether somebody is to answer it, as far as the record says by now."""
        return self._waved_off_ms.get(turn.person, 0) < turn.onset_ms

    def ended_by(self, entry: Recorded) -> Turn | None:
        """Take an event of the room; return the turn that it ends, if it does."""
        match entry.event:
            case ev.SpeechStarted(speech_id=speech_id):
                self._onsets_ms[speech_id] = entry.occurred_ms
                while len(self._onsets_ms) > _KEPT:
                    self._onsets_ms.popitem(last=False)
            case ev.Backchannel(by=who) | ev.FalseInterruption(by=who):
                self._waved_off_ms[who] = entry.occurred_ms
            case ev.Interruption(interruptor=who):
                self._waved_off_ms.pop(who, None)
            case ev.ParticipantLeft(participant=who):
                self._waved_off_ms.pop(who, None)
            case ev.Transcript(participant=who, speech_id=speech_id, text=text, final=True):
                onset_ms = self._onsets_ms.pop(speech_id, entry.occurred_ms)
                turn = Turn(speech_id, who, text, onset_ms, entry.occurred_ms)
                return turn if self.is_turn(turn) else None
            case _:
                pass
        return None

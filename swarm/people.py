"""What people do, carried to the floor and to the record: onsets, words, ends of turn. A `SpeechListener`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.ports import SpeechEnded, SpeechProgress, SpeechStarted, WordsHeard
    from swarm.floor_calls import FloorCalls
    from swarm.scribe import Scribe
    from swarm.talking_stick import TalkingStick

RENEW_S = 0.7
"""A person who goes on speaking is reported again so often; the floor's entry lapses without it."""
WORDS_LIMIT_S = 2.5
"""At the latest so long after END the floor is told of the silence, words or no words."""


class PeopleWatch:
    """Tells the floor who speaks, and the scribe what was said.

    The floor is told of a person's silence only when the scribe is done with the turn (`turn_done`), so that
    the answer is requested before anybody else is served.
    """

    def __init__(
        self,
        *,
        stick: TalkingStick,
        scribe: Scribe,
        calls: FloorCalls,
    ) -> None:
        self._stick = stick
        self._scribe = scribe
        self._calls = calls
        self._renewals: dict[str, asyncio.TimerHandle] = {}
        self._limits: dict[str, asyncio.TimerHandle] = {}
        self._done: set[str] = set()
        """Whose turn another process has heard to its end, and this one not yet."""

    def on_speech_started(self, event: SpeechStarted) -> None:
        self._scribe.on_speech_started(event)
        self._done.discard(event.person)
        self._forget(event.person)
        self._say_speaking(event.person, words=False)

    def on_speech_progress(self, event: SpeechProgress) -> None:
        """Nothing to tell; the timer renews."""

    def on_words(self, event: WordsHeard) -> None:
        self._scribe.on_words(event)
        if event.text and not event.final:
            self._calls.soon("speaking", lambda: self._stick.person_speaking(event.person, words=True))

    def on_speech_ended(self, event: SpeechEnded) -> None:
        self._scribe.on_speech_ended(event)
        done = event.person in self._done
        self._done.discard(event.person)
        self._limits[event.person] = asyncio.get_running_loop().call_later(
            WORDS_LIMIT_S, self.turn_done, event.person
        )
        if done:
            self.turn_done(event.person)

    def turn_done(self, person: str) -> None:
        """The scribe has dealt with the person's speech: the floor may be told of the silence."""
        if person in self._limits:
            self._forget(person)
            self._calls.soon("silent", lambda: self._stick.person_silent(person))
        elif person in self._renewals:
            self._done.add(person)

    def close(self) -> None:
        """Stop all timers."""
        for person in (*self._renewals, *self._limits):
            self._forget(person)

    def _say_speaking(self, person: str, *, words: bool) -> None:
        self._calls.soon("speaking", lambda: self._stick.person_speaking(person, words=words))
        self._renewals[person] = asyncio.get_running_loop().call_later(RENEW_S, self._renew, person)

    def _renew(self, person: str) -> None:
        self._say_speaking(person, words=False)

    def _forget(self, person: str) -> None:
        for timers in (self._renewals, self._limits):
            timer = timers.pop(person, None)
            if timer is not None:
                timer.cancel()

"""The ears of one process: persons' frames in; START, progress and END of speech, words and audio out.

Everything runs synchronously in the callback in which a frame arrives: conversion, ring, taps, inference,
gate, listeners. Between the return of the deciding inference and `on_speech_started` there is no await.
"""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING

from adapters import silero
from adapters.agent_voices import AgentVoices
from adapters.audience import Audience
from adapters.errors import UnsupportedAudioError
from adapters.person_ears import DEFAULT_SETTINGS, EarsSettings, PersonEars

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.audience import AudioTap
    from adapters.ports import AudioFrame, Recogniser, Room, SpeechListener

__all__ = ("Ears", "EarsSettings", "load", "random_speech_id")

_log = logging.getLogger(__name__)


def random_speech_id(person: str, n: int) -> str:
    """The person's n-th speech in this process, unique among processes."""
    return f"{person}-{n}-{secrets.token_hex(4)}"


class Ears:
    """Listens to every person of a room and tells what they do. A `RoomListener`.

    `is_person` says by identity who is listened to; the sound of everybody else is an agent's voice that may
    come back as an echo. All callbacks run in the thread that calls in, which is the event loop's; a listener
    that raises is logged and the others are told all the same.

    Making the first one in a process loads the detector and the echo canceller, about a second;
    `adapters.ears.load` does that in another thread beforehand.
    """

    def __init__(
        self,
        *,
        is_person: Callable[[str], bool],
        recogniser: Recogniser | None = None,
        settings: EarsSettings = DEFAULT_SETTINGS,
        clock: Callable[[], float] = time.monotonic,
        new_speech_id: Callable[[str, int], str] = random_speech_id,
    ) -> None:
        silero.load()
        self._is_person = is_person
        self._recogniser = recogniser
        self._settings = settings
        self._clock = clock
        self._new_speech_id = new_speech_id
        self._audience = Audience()
        self._voices = AgentVoices(settings.echo) if settings.echo is not None else None
        self._people: dict[str, PersonEars] = {}
        self._rooms: list[Room] = []
        self._refused: set[str] = set()

    def add_listener(self, listener: SpeechListener) -> None:
        """Tell `listener` from now on, after those who came before it."""
        self._audience.add_listener(listener)

    def remove_listener(self, listener: SpeechListener) -> None:
        """Tell it no more; no harm if it never listened."""
        self._audience.remove_listener(listener)

    def add_audio_tap(self, tap: AudioTap) -> Callable[[], None]:
        """Give `tap(person, pcm, start_sample)` all persons' sound as it comes (int16 mono at EARS_HZ).

        A piece is given before it is judged: at `on_speech_started`, `audio(person, onset)` holds all that
        taps were given so far, and the next piece begins at `position(person)`. Returns what ends it.
        """
        return self._audience.add_tap(tap)

    def attach(self, room: Room) -> None:
        """Listen to what comes from `room`."""
        self._rooms.append(room)
        room.add_listener(self)

    def listens_in(self, room: Room) -> bool:
        """Whether what comes from `room` is heard; the voice of whoever is connected by it is not."""
        return any(attached is room for attached in self._rooms)

    def close(self) -> None:
        """Hear nothing more: leave the rooms' listeners, end open speeches, give up on their words."""
        for room in self._rooms:
            room.remove_listener(self)
        self._rooms.clear()
        for person in tuple(self._people.values()):
            person.cancel_words()
            person.break_off("closed")

    def position(self, person: str) -> int:
        """Position after the person's newest sample; 0 for somebody who was never heard."""
        known = self._people.get(person)
        return 0 if known is None else known.position

    def audio(self, person: str, from_sample: int, to_sample: int | None = None) -> bytes:
        """What is kept of a stretch, int16 mono at EARS_HZ; shorter where sound is gone or yet to come."""
        known = self._people.get(person)
        return b"" if known is None else known.audio(from_sample, to_sample)

    def speaking(self) -> frozenset[str]:
        """Who is in a speech."""
        return frozenset(identity for identity, person in self._people.items() if person.speaking)

    def play_reference(self, pcm: bytes, sample_rate_hz: int) -> None:
        """Know what this process's own agent says (int16 mono), frame by frame as it goes out.

        Raises:
            UnsupportedAudioError: not int16 mono PCM of 8 to 48 kHz.
        """
        if self._voices is not None:
            self._voices.play(pcm, sample_rate_hz, self._clock())

    def on_joined(self, identity: str) -> None:
        """A participant came. A person who comes back goes on at the position where they left."""
        if identity in self._people:
            self._people[identity].present = True

    def on_left(self, identity: str) -> None:
        """A participant went; an open speech ends with reason `left`. The sound so far can still be read."""
        person = self._people.pop(identity, None)
        if person is not None:
            self._people[identity] = person
            person.present = False
            person.break_off("left")
            self._forget_departed()
        elif self._voices is not None:
            self._voices.forget(identity)

    def on_muted(self, identity: str) -> None:
        """No more sound for now; an open speech ends with reason `muted`."""
        person = self._people.get(identity)
        if person is not None:
            person.break_off("muted")
        elif self._voices is not None:
            self._voices.forget(identity)

    def on_closed(self, reason: str) -> None:
        """The connection is gone; open speeches end with reason `closed`."""
        for person in tuple(self._people.values()):
            person.break_off("closed")

    def on_audio(self, identity: str, frame: AudioFrame) -> None:
        """Hear one frame. Frames in a format that is not taken are dropped, and logged once."""
        if self._is_person(identity):
            self._person(identity).hear(frame)
        elif self._voices is not None:
            try:
                self._voices.hear(identity, frame, self._clock())
            except UnsupportedAudioError as refusal:
                if identity not in self._refused:
                    _log.warning("audio_refused", extra={"agent": identity, "reason": refusal.reason})
                    self._refused.add(identity)

    def _person(self, identity: str) -> PersonEars:
        person = self._people.get(identity)
        if person is None:
            person = self._people[identity] = PersonEars(
                identity,
                settings=self._settings,
                audience=self._audience,
                recogniser=self._recogniser,
                clock=self._clock,
                new_speech_id=self._new_speech_id,
                echo=self._voices.judge() if self._voices is not None else None,
            )
        return person

    def _forget_departed(self) -> None:
        departed = [identity for identity, person in self._people.items() if not person.present]
        for identity in departed[: max(0, len(departed) - self._settings.departed_kept)]:
            del self._people[identity]


def load(settings: EarsSettings = DEFAULT_SETTINGS) -> None:
    """Load what ears need; safe in another thread."""
    silero.load()
    if settings.echo is not None:
        AgentVoices(settings.echo)

"""The ears of one process: persons' frames in; START, progress and END of speech, words and audio out.

Everything runs synchronously in the callback in which a frame arrives: conversion, ring, taps, inference,
gate, listeners. Between the return of the deciding inference and `on_speech_started` there is no await.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec

from adapters.audio import MonoStream
from adapters.errors import UnsupportedAudioError
from adapters.hearing import Hearing
from adapters.ports import EARS_HZ, SpeechEnded, SpeechProgress, SpeechStarted
from adapters.speech_gate import Ended, GateSettings, Progress, Started, to_ms
from adapters.speech_words import SpeechWords

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.hearing import Heard
    from adapters.ports import AudioFrame, Recogniser, Room, SpeechListener, WordsHeard

    AudioTap = Callable[[str, bytes, int], None]

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")

_PIECE_SAMPLES = EARS_HZ
"""Longer frames are taken in pieces, so that what a tap or a listener asks for is still in the ring."""


@dataclass(frozen=True, slots=True)
class EarsSettings:
    """How the ears of a process listen."""

    gate: GateSettings = field(default_factory=GateSettings)
    preroll_ms: float = 300.0
    """Sound before the onset that the recogniser gets."""
    gap_ms: float = 1000.0
    """A speech ends when nothing came for so long."""
    ring_s: float = 30.0
    """How much of each person's sound is kept."""
    departed_kept: int = 8
    """How many persons who left keep their sound."""


def random_speech_id(person: str, n: int) -> str:
    """The person's n-th speech in this process, unique among processes."""
    return f"{person}-{n}-{secrets.token_hex(4)}"


@dataclass(slots=True)
class _Speech:
    speech_id: str
    onset_sample: int
    onset_s: float
    words: SpeechWords | None = None


@dataclass(slots=True)
class _Person:
    hearing: Hearing
    convert: MonoStream = field(default_factory=MonoStream)
    speech: _Speech | None = None
    speeches: int = 0
    stall: asyncio.TimerHandle | None = None
    present: bool = True
    refused: bool = False


class Ears:
    """Listens to every person of a room and tells what they do. A `RoomListener`.

    `is_person` says by identity who is listened to; the sound of everybody else is an agent's voice that
    may come back as an echo. All callbacks run in the thread that calls in, which is the event loop's; a
    listener that raises is logged and the others are told all the same.
    """

    def __init__(
        self,
        *,
        is_person: Callable[[str], bool],
        recogniser: Recogniser | None = None,
        settings: EarsSettings = EarsSettings(),
        clock: Callable[[], float] = time.monotonic,
        new_speech_id: Callable[[str, int], str] = random_speech_id,
    ) -> None:
        self._is_person = is_person
        self._recogniser = recogniser
        self._settings = settings
        self._clock = clock
        self._new_speech_id = new_speech_id
        self._listeners: list[SpeechListener] = []
        self._taps: list[AudioTap] = []
        self._people: dict[str, _Person] = {}
        self._rooms: list[Room] = []

    def add_listener(self, listener: SpeechListener) -> None:
        """Tell `listener` from now on, after those who came before it."""
        self._listeners.append(listener)

    def remove_listener(self, listener: SpeechListener) -> None:
        """Tell it no more; no harm if it never listened."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def add_audio_tap(self, tap: AudioTap) -> Callable[[], None]:
        """Give `tap(person, pcm, start_sample)` all persons' sound as it comes (int16 mono at EARS_HZ).

        A piece is given before it is judged: at `on_speech_started`, `audio(person, onset)` holds all that
        taps were given so far, and the next piece begins at `position(person)`. Returns what ends it.
        """
        self._taps.append(tap)
        return lambda: self._taps.remove(tap) if tap in self._taps else None

    def attach(self, room: Room) -> None:
        """Listen to what comes from `room`."""
        self._rooms.append(room)
        room.add_listener(self)

    def close(self) -> None:
        """Hear nothing more: leave the rooms' listeners, end open speeches, give up on their words."""
        for room in self._rooms:
            room.remove_listener(self)
        self._rooms.clear()
        for identity, person in self._people.items():
            words = person.speech.words if person.speech is not None else None
            if words is not None:
                words.cancel()
            self._break_off(identity, person, "closed")

    def position(self, person: str) -> int:
        """Position after the person's newest sample; 0 for somebody who was never heard."""
        known = self._people.get(person)
        return 0 if known is None else known.hearing.ring.end

    def audio(self, person: str, from_sample: int, to_sample: int | None = None) -> bytes:
        """What is kept of a stretch, int16 mono at EARS_HZ; shorter where sound is gone or yet to come."""
        known = self._people.get(person)
        if known is None:
            return b""
        start = max(0, from_sample)
        return known.hearing.ring.read(
            start, None if to_sample is None else max(start, to_sample)
        ).samples.tobytes()

    def speaking(self) -> frozenset[str]:
        """Who is in a speech."""
        return frozenset(identity for identity, person in self._people.items() if person.speech is not None)

    def play_reference(self, pcm: bytes, sample_rate_hz: int) -> None:
        """This agent's own voice (int16 mono), as it goes out."""

    def on_joined(self, identity: str) -> None:
        """A participant came."""
        if identity in self._people:
            self._people[identity].present = True

    def on_left(self, identity: str) -> None:
        """A participant went; an open speech ends with reason `left`. The sound so far can still be read."""
        person = self._people.get(identity)
        if person is not None:
            self._break_off(identity, person, "left")
            self._people[identity] = self._people.pop(identity)
            person.present = False
            self._forget_departed()

    def on_muted(self, identity: str) -> None:
        """No more sound for now; an open speech ends with reason `muted`."""
        person = self._people.get(identity)
        if person is not None:
            self._break_off(identity, person, "muted")

    def on_closed(self, reason: str) -> None:
        """The connection is gone; open speeches end with reason `closed`."""
        for identity, person in self._people.items():
            self._break_off(identity, person, "closed")

    def on_audio(self, identity: str, frame: AudioFrame) -> None:
        """Hear one frame. Frames in a format that is not taken are dropped and logged once a person."""
        if not self._is_person(identity):
            return
        now = self._clock()
        person = self._people.get(identity)
        if person is None:
            person = self._people[identity] = _Person(self._new_hearing())
        person.present = True
        arrived_s = person.hearing.arrived_s
        if arrived_s is not None and now - arrived_s > self._settings.gap_ms / 1000.0:
            self._break_off(identity, person, "gap")
        try:
            samples = person.convert.push(frame)
        except UnsupportedAudioError as refusal:
            if not person.refused:
                person.refused = True
                _log.warning("audio_refused", extra={"participant": identity, "reason": refusal.reason})
            return
        for at in range(0, len(samples), _PIECE_SAMPLES):
            piece = samples[at : at + _PIECE_SAMPLES]
            start_sample = person.hearing.ring.end
            person.hearing.take(piece, now)
            pcm = piece.tobytes() if self._taps else b""
            for tap in tuple(self._taps):
                _call(tap, identity, pcm, start_sample)
            for heard in person.hearing.judge():
                self._on_heard(identity, person, heard)
            if person.speech is not None and person.speech.words is not None:
                person.speech.words.feed()

    def _new_hearing(self) -> Hearing:
        return Hearing(self._settings.gate, ring_s=self._settings.ring_s, clock=self._clock)

    def _on_heard(self, identity: str, person: _Person, heard: Heard) -> None:
        match heard.signal:
            case Started(onset_sample):
                self._start(identity, person, onset_sample, heard.detected_s)
            case Progress() as progress if person.speech is not None:
                event = SpeechProgress(
                    speech_id=person.speech.speech_id,
                    person=identity,
                    at_s=heard.detected_s,
                    elapsed_ms=to_ms(progress.end_sample - progress.onset_sample),
                    voiced_ms=progress.voiced_ms,
                    silence_ms=progress.silence_ms,
                    level_dbfs=progress.level_dbfs,
                )
                for listener in tuple(self._listeners):
                    _call(listener.on_speech_progress, event)
            case Ended() as ended:
                self._end(identity, person, ended, "silence", heard.detected_s)
            case _:
                pass

    def _start(self, identity: str, person: _Person, onset_sample: int, detected_s: float) -> None:
        person.speeches += 1
        hearing = person.hearing
        speech = person.speech = _Speech(
            self._new_speech_id(identity, person.speeches), onset_sample, hearing.time_of(onset_sample)
        )
        event = SpeechStarted(speech.speech_id, identity, speech.onset_s, detected_s, onset_sample)
        for listener in tuple(self._listeners):
            _call(listener.on_speech_started, event)
        if self._recogniser is not None and person.speech is speech:
            preroll = int(self._settings.preroll_ms * EARS_HZ / 1000.0)
            speech.words = SpeechWords(
                self._recogniser,
                speech.speech_id,
                identity,
                ring=hearing.ring,
                from_sample=max(hearing.segment_start, onset_sample - preroll),
                tell=self._on_words,
            )
        self._watch_for_stall(identity, person, self._settings.gap_ms / 1000.0)

    def _end(self, identity: str, person: _Person, ended: Ended, reason: str, at_s: float) -> None:
        speech, person.speech = person.speech, None
        if person.stall is not None:
            person.stall.cancel()
            person.stall = None
        if speech is None:
            return
        event = SpeechEnded(
            speech_id=speech.speech_id,
            person=identity,
            at_s=at_s,
            duration_ms=to_ms(ended.end_sample - ended.onset_sample),
            end_sample=ended.end_sample,
            reason=reason,
        )
        for listener in tuple(self._listeners):
            _call(listener.on_speech_ended, event)
        if speech.words is not None:
            speech.words.finish()

    def _break_off(self, identity: str, person: _Person, reason: str) -> None:
        person.convert.reset()
        ended = person.hearing.break_off()
        if ended is not None:
            self._end(identity, person, ended, reason, self._clock())

    def _on_words(self, words: WordsHeard) -> None:
        for listener in tuple(self._listeners):
            _call(listener.on_words, words)

    def _watch_for_stall(self, identity: str, person: _Person, after_s: float) -> None:
        """End a speech whose sound stops coming, also when no frame ever comes again."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        person.stall = loop.call_later(max(after_s, 0.02), self._on_stall_timer, identity, person)

    def _on_stall_timer(self, identity: str, person: _Person) -> None:
        person.stall = None
        arrived_s = person.hearing.arrived_s
        if person.speech is None or arrived_s is None:
            return
        left_s = self._settings.gap_ms / 1000.0 - (self._clock() - arrived_s)
        if left_s > 0.0:
            self._watch_for_stall(identity, person, left_s)
        else:
            self._break_off(identity, person, "gap")

    def _forget_departed(self) -> None:
        departed = [identity for identity, person in self._people.items() if not person.present]
        for identity in departed[: max(0, len(departed) - self._settings.departed_kept)]:
            del self._people[identity]


def _call(told: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Tell one listener; what it raises is logged and stays its own."""
    try:
        told(*args, **kwargs)
    except Exception:
        _log.exception("listener_failed")

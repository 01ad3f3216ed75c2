"""The ears for one person: frames in, the person's speeches out, each with its words."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.audio import MonoStream
from adapters.echo import EchoSettings
from adapters.errors import UnsupportedAudioError
from adapters.hearing import Hearing
from adapters.ports import EARS_HZ, SpeechEnded, SpeechProgress, SpeechStarted
from adapters.speech_gate import Ended, GateSettings, Progress, Started, to_ms
from adapters.speech_words import SpeechWords

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.audience import Audience
    from adapters.echo import EchoJudge
    from adapters.hearing import Heard
    from adapters.ports import AudioFrame, Recogniser

_log = logging.getLogger(__name__)

_PIECE_SAMPLES = EARS_HZ
"""Longer frames are taken in pieces, so that what a tap or a listener asks for is still in the ring."""


@dataclass(frozen=True, slots=True)
class EarsSettings:
    """How the ears of a process listen."""

    gate: GateSettings = field(default_factory=GateSettings)
    echo: EchoSettings | None = field(default_factory=EchoSettings)
    """None: agents' voices are taken for speech when they come back."""
    preroll_ms: float = 300.0
    """Sound before the onset that the recogniser gets."""
    gap_ms: float = 1000.0
    """A speech ends when nothing came for so long."""
    ring_s: float = 30.0
    """How much of each person's sound is kept."""
    departed_kept: int = 8
    """How many persons who left keep their sound."""


DEFAULT_SETTINGS = EarsSettings()


@dataclass(slots=True)
class _Speech:
    speech_id: str
    words: SpeechWords | None = None


class PersonEars:
    """Listens to one person. START and END come in pairs, whatever happens in between."""

    def __init__(
        self,
        identity: str,
        *,
        settings: EarsSettings,
        audience: Audience,
        recogniser: Recogniser | None,
        clock: Callable[[], float],
        new_speech_id: Callable[[str, int], str],
        echo: EchoJudge | None,
    ) -> None:
        self.present = True
        self._identity = identity
        self._settings = settings
        self._audience = audience
        self._recogniser = recogniser
        self._clock = clock
        self._new_speech_id = new_speech_id
        self._hearing = Hearing(settings.gate, ring_s=settings.ring_s, clock=clock, echo=echo)
        self._convert = MonoStream()
        self._speech: _Speech | None = None
        self._speeches = 0
        self._stall: asyncio.TimerHandle | None = None
        self._refused = False

    @property
    def speaking(self) -> bool:
        """Whether a speech is open."""
        return self._speech is not None

    @property
    def position(self) -> int:
        """Position after the newest sample."""
        return self._hearing.ring.end

    def audio(self, from_sample: int, to_sample: int | None) -> bytes:
        """What is kept of a stretch, int16 mono at EARS_HZ."""
        start = max(0, from_sample)
        end = None if to_sample is None else max(start, to_sample)
        return self._hearing.ring.read(start, end).samples.tobytes()

    def hear(self, frame: AudioFrame) -> None:
        """Take one frame; a format that is not taken is dropped, and logged the first time."""
        now = self._clock()
        self.present = True
        arrived_s = self._hearing.arrived_s
        if arrived_s is not None and now - arrived_s > self._settings.gap_ms / 1000.0:
            self.break_off("gap")
        try:
            samples = self._convert.push(frame)
        except UnsupportedAudioError as refusal:
            if not self._refused:
                _log.warning("audio_refused", extra={"person": self._identity, "reason": refusal.reason})
            self._refused = True
            return
        for at in range(0, len(samples), _PIECE_SAMPLES):
            piece = samples[at : at + _PIECE_SAMPLES]
            start_sample = self.position
            self._hearing.take(piece, now)
            if self._audience.tapped:
                self._audience.sound(self._identity, piece.tobytes(), start_sample)
            for heard in self._hearing.judge():
                self._on_heard(heard)
            if self._speech is not None and self._speech.words is not None:
                self._speech.words.feed()

    def break_off(self, reason: str) -> None:
        """The sound is not continuous here; an open speech ends for this reason."""
        self._convert.reset()
        ended = self._hearing.break_off()
        if ended is not None:
            self._end(ended, reason, self._clock())

    def cancel_words(self) -> None:
        """Nobody wants the words of an open speech any more."""
        if self._speech is not None and self._speech.words is not None:
            self._speech.words.cancel()

    def _on_heard(self, heard: Heard) -> None:
        match heard.signal:
            case Started(onset_sample):
                self._start(onset_sample, heard.detected_s)
            case Progress() as progress:
                if self._speech is not None:
                    self._tell_progress(self._speech.speech_id, progress, heard.detected_s)
            case Ended() as ended:
                self._end(ended, "silence", heard.detected_s)

    def _start(self, onset_sample: int, detected_s: float) -> None:
        hearing = self._hearing
        self._speeches += 1
        speech = self._speech = _Speech(self._new_speech_id(self._identity, self._speeches))
        onset_s = hearing.time_of(onset_sample)
        self._audience.started(
            SpeechStarted(speech.speech_id, self._identity, onset_s, detected_s, onset_sample)
        )
        if self._speech is not speech:
            return
        if self._recogniser is not None:
            preroll = int(self._settings.preroll_ms * EARS_HZ / 1000.0)
            speech.words = SpeechWords(
                self._recogniser,
                speech.speech_id,
                self._identity,
                ring=hearing.ring,
                from_sample=max(hearing.segment_start, onset_sample - preroll),
                tell=self._audience.words,
            )
        self._watch_for_stall(self._settings.gap_ms / 1000.0)

    def _tell_progress(self, speech_id: str, progress: Progress, at_s: float) -> None:
        self._audience.progress(
            SpeechProgress(
                speech_id=speech_id,
                person=self._identity,
                at_s=at_s,
                elapsed_ms=to_ms(progress.end_sample - progress.onset_sample),
                voiced_ms=progress.voiced_ms,
                silence_ms=progress.silence_ms,
                level_dbfs=progress.level_dbfs,
            )
        )

    def _end(self, ended: Ended, reason: str, at_s: float) -> None:
        speech, self._speech = self._speech, None
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if speech is None:
            return
        self._audience.ended(
            SpeechEnded(
                speech_id=speech.speech_id,
                person=self._identity,
                at_s=at_s,
                duration_ms=to_ms(ended.end_sample - ended.onset_sample),
                end_sample=ended.end_sample,
                reason=reason,
            )
        )
        if speech.words is not None:
            speech.words.finish()

    def _watch_for_stall(self, after_s: float) -> None:
        """End a speech whose sound stops coming, also when no frame ever comes again."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._stall = loop.call_later(max(after_s, 0.02), self._on_stall_timer)

    def _on_stall_timer(self) -> None:
        self._stall = None
        arrived_s = self._hearing.arrived_s
        if self._speech is None or arrived_s is None:
            return
        left_s = self._settings.gap_ms / 1000.0 - (self._clock() - arrived_s)
        if left_s > 0.0:
            self._watch_for_stall(left_s)
        else:
            self.break_off("gap")

"""Scripted stand-ins for what surrounds an adapter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.ports import (
    EARS_HZ,
    FRAME_MS,
    SpeechEnded,
    SpeechProgress,
    SpeechStarted,
    WordsHeard,
)
from streams.vocabulary import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import Cut, Resumed, RoomListener, SpeechListener
    from streams.vocabulary import Observation, Playout

RATE = 16_000
FRAME = RATE * FRAME_MS // 1000


class RecordingSink:
    """Keeps what was pushed. May hold frames back like a transport with a queue."""

    def __init__(self, sample_rate_hz: int, *, depth_frames: int = 0) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.depth_frames = depth_frames
        self.sent: list[bytes] = []
        self.held: list[bytes] = []

    @property
    def queued_ms(self) -> float:
        return float(len(self.held) * FRAME_MS)

    def push(self, pcm: bytes) -> None:
        self.held.append(pcm)
        while len(self.held) > self.depth_frames:
            self.sent.append(self.held.pop(0))

    def clear(self) -> None:
        self.held.clear()

    @property
    def heard(self) -> bytes:
        return b"".join(self.sent)


class SinkRoom:
    """A room that is nothing but one sink."""

    identity = "agent"
    name = "room"

    def __init__(self, sink: RecordingSink) -> None:
        self.sink = sink
        self.listeners: list[RoomListener] = []

    def add_listener(self, listener: RoomListener) -> None:
        self.listeners.append(listener)

    def remove_listener(self, listener: RoomListener) -> None:
        if listener in self.listeners:
            self.listeners.remove(listener)

    async def connect(self) -> None:
        return

    async def publish_audio(self, sample_rate_hz: int, *, channels: int = 1) -> RecordingSink:
        assert (sample_rate_hz, channels) == (self.sink.sample_rate_hz, 1)
        return self.sink

    async def aclose(self) -> None:
        return


@dataclass
class _Person:
    audio: bytearray = field(default_factory=bytearray)
    speech: SpeechStarted | None = None
    speeches: int = 0
    last_voiced: int = 0


class ScriptedEars:
    """Ears that hear what the script says. Each person's samples tell their own position."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._people: dict[str, _Person] = {}
        self._listeners: list[SpeechListener] = []
        self._taps: list[Callable[[str, bytes, int], None]] = []
        self.reference: list[bytes] = []
        self.rooms: list[object] = []

    def attach(self, room: object) -> None:
        self.rooms.append(room)

    def listens_in(self, room: object) -> bool:
        return room in self.rooms

    def add_listener(self, listener: SpeechListener) -> None:
        self._listeners.append(listener)

    def remove_listener(self, listener: SpeechListener) -> None:
        self._listeners.remove(listener)

    def add_audio_tap(self, tap: Callable[[str, bytes, int], None]) -> Callable[[], None]:
        self._taps.append(tap)
        return lambda: self._taps.remove(tap)

    def position(self, person: str) -> int:
        return len(self._person(person).audio) // 2

    def audio(self, person: str, from_sample: int, to_sample: int | None = None) -> bytes:
        end = self.position(person) if to_sample is None else to_sample
        return bytes(self._person(person).audio[max(0, from_sample) * 2 : end * 2])

    def play_reference(self, pcm: bytes, sample_rate_hz: int) -> None:
        self.reference.append(pcm)

    def hear(self, person: str, ms: float = 10) -> None:
        """Sound comes from a person, ring first, then taps."""
        known = self._person(person)
        start = self.position(person)
        piece = numbered(start, int(EARS_HZ * ms / 1000))
        known.audio += piece
        for tap in tuple(self._taps):
            tap(person, piece, start)

    def start(self, person: str, *, onset_ms_ago: float = 80) -> str:
        known = self._person(person)
        known.speeches += 1
        onset = max(0, self.position(person) - int(EARS_HZ * onset_ms_ago / 1000))
        now_s = self._clock()
        known.speech = SpeechStarted(
            f"{person}-{known.speeches}", person, now_s - onset_ms_ago / 1000, now_s, onset
        )
        for listener in tuple(self._listeners):
            listener.on_speech_started(known.speech)
        return known.speech.speech_id

    def progress(self, person: str, *, silence_ms: float = 0, level_dbfs: float = -25) -> None:
        known = self._person(person)
        assert known.speech is not None
        if not silence_ms:
            known.last_voiced = self.position(person)
        elapsed_ms = (self.position(person) - known.speech.onset_sample) * 1000 / EARS_HZ
        event = SpeechProgress(
            known.speech.speech_id,
            person,
            self._clock(),
            elapsed_ms,
            max(0.0, elapsed_ms - silence_ms),
            silence_ms,
            level_dbfs,
        )
        for listener in tuple(self._listeners):
            listener.on_speech_progress(event)

    def words(
        self,
        person: str,
        text: str,
        *,
        final: bool = False,
        speech_id: str = "",
        language: str = "",
        confidence: float | None = None,
    ) -> None:
        speech = self._person(person).speech
        known = speech_id or (speech.speech_id if speech else "")
        event = WordsHeard(known, person, text, final, confidence, language=language)
        for listener in tuple(self._listeners):
            listener.on_words(event)

    def end(self, person: str, *, reason: str = "silence") -> None:
        known = self._person(person)
        assert known.speech is not None
        speech, known.speech = known.speech, None
        end = known.last_voiced or self.position(person)
        event = SpeechEnded(
            speech.speech_id,
            person,
            self._clock(),
            (end - speech.onset_sample) * 1000 / EARS_HZ,
            end,
            reason,
        )
        for listener in tuple(self._listeners):
            listener.on_speech_ended(event)

    def speaking(self) -> frozenset[str]:
        return frozenset(name for name, person in self._people.items() if person.speech)

    def _person(self, person: str) -> _Person:
        return self._people.setdefault(person, _Person())


def numbered(start: int, count: int) -> bytes:
    """int16 samples that tell their own position up to 65535, and are never 0."""
    return (np.arange(start, start + count) % 65_535 + 1).astype("<u2").tobytes()


class ModelLog:
    """A model session's input that keeps what it is sent, in order."""

    def __init__(self) -> None:
        self.log: list[str | bytes] = []

    def send_activity_start(self) -> None:
        self.log.append("start")

    def send_activity_end(self) -> None:
        self.log.append("end")

    def send_realtime(self, blob: Any) -> None:
        assert blob.mime_type == "audio/pcm;rate=16000"
        self.log.append(blob.data)

    @property
    def signals(self) -> list[str]:
        return [entry for entry in self.log if isinstance(entry, str)]

    @property
    def audio(self) -> bytes:
        return b"".join(entry for entry in self.log if isinstance(entry, bytes))

    def check_windows(self) -> None:
        """Starts and ends alternate, and audio comes only in between."""
        is_open = False
        for entry in self.log:
            if entry == "start":
                assert not is_open
                is_open = True
            elif entry == "end":
                assert is_open
                is_open = False
            else:
                assert is_open, "audio outside a window"


class KeptReports:
    """An AdapterListener that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def on_first_audio(self, utterance_id: str, at_s: float) -> None:
        self.told.append(("first_audio", utterance_id))

    def on_cut(self, cut: Cut) -> None:
        self.told.append(("cut", cut))

    def on_resumed(self, resumed: Resumed) -> None:
        self.told.append(("resumed", resumed))

    def on_played_out(self, utterance_id: str, playout: Playout) -> None:
        self.told.append(("played_out", (utterance_id, playout)))

    def on_window_opened(self, speech_id: str) -> None:
        self.told.append(("window_opened", speech_id))

    def on_window_closed(self) -> None:
        self.told.append(("window_closed", None))

    def of(self, kind: str) -> list[Any]:
        return [what for told, what in self.told if told == kind]


class WordJudge:
    """Decides by the words: `stop` interrupts, `yeah` resumes, `well` continues, else it holds."""

    def observe(self, observation: Observation) -> Verdict:
        words = observation.words
        for word, decision in (
            ("stop", Decision.INTERRUPT),
            ("well", Decision.CONTINUE),
            ("yeah", Decision.RESUME),
        ):
            if word in words:
                return Verdict(decision, f"said {word}", words)
        return Verdict(Decision.HOLD, "no telling word", words)


@dataclass
class Grant:
    """A floor whose limits a test moves."""

    may_speak_from_s: float = float("inf")
    may_speak_until_s: float = float("-inf")

"""What an adapter needs from a room, a recogniser, a judge, the floor and a model, and what it tells.

Protocols only. All callbacks run on the event loop's thread, are synchronous and must not block.
Times are seconds of one monotonic clock (`time.monotonic` unless a clock is given).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from streams.vocabulary import WordsHeard as WordsHeard  # noqa: TC001 - re-exported at run time

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.vocabulary import Observation, ParticipantKind, Playout, Verdict

FRAME_MS = 10
EARS_HZ = 16_000


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A stretch of sound: int16 little-endian PCM, interleaved."""

    pcm: bytes
    sample_rate_hz: int
    channels: int = 1


class RoomListener(Protocol):
    """Told what happens in a room. `identity` names another participant."""

    def on_joined(self, identity: str) -> None: ...
    def on_left(self, identity: str) -> None: ...
    def on_audio(self, identity: str, frame: AudioFrame) -> None: ...
    def on_muted(self, identity: str) -> None:
        """No more audio until the next frame: muted, unpublished or lost."""
        ...

    def on_closed(self, reason: str) -> None:
        """The connection has ended for good."""
        ...


class AudioSink(Protocol):
    """One participant's outgoing track."""

    @property
    def sample_rate_hz(self) -> int: ...
    @property
    def queued_ms(self) -> float:
        """What the transport holds and has not yet sent."""
        ...

    def push(self, pcm: bytes) -> None:
        """Take one frame of FRAME_MS, int16 at `sample_rate_hz`, interleaved if stereo. Never blocks."""
        ...

    def clear(self) -> None:
        """Drop what `queued_ms` counts."""
        ...


class Room(Protocol):
    """One participant's connection to a room."""

    @property
    def identity(self) -> str: ...
    @property
    def name(self) -> str: ...
    def add_listener(self, listener: RoomListener) -> None:
        """Tell `listener` from now on, first of all who is already there."""
        ...

    def remove_listener(self, listener: RoomListener) -> None: ...
    async def connect(self) -> None:
        """Join.

        Raises:
            RoomUnavailableError: not reachable, or the key, secret or URL is refused.
        """
        ...

    async def publish_audio(self, sample_rate_hz: int, *, channels: int = 1) -> AudioSink:
        """A new outgoing track.

        Raises:
            NotConnectedError: before `connect` or after the connection has ended.
            UnsupportedAudioError: not 8 to 48 kHz in steps of 100 Hz, or neither mono nor stereo.
        """
        ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """START_OF_SPEECH of a person."""

    speech_id: str
    person: str
    onset_s: float
    """When the speech began, as the detector's windows tell."""
    detected_s: float
    """When the deciding inference returned."""
    onset_sample: int
    """Position of the onset in the person's ring, at EARS_HZ."""


@dataclass(frozen=True, slots=True)
class SpeechProgress:
    """After each detector window between START and END (32 ms)."""

    speech_id: str
    person: str
    at_s: float
    elapsed_ms: float
    voiced_ms: float
    silence_ms: float
    level_dbfs: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """END_OF_SPEECH, or the person left or muted."""

    speech_id: str
    person: str
    at_s: float
    duration_ms: float
    """Onset to the last voiced window."""
    end_sample: int
    reason: str = "silence"


class SpeechListener(Protocol):
    """Told what a person's speech does, in order, from the thread of the event loop."""

    def on_speech_started(self, event: SpeechStarted) -> None: ...
    def on_speech_progress(self, event: SpeechProgress) -> None: ...
    def on_words(self, event: WordsHeard) -> None: ...
    def on_speech_ended(self, event: SpeechEnded) -> None: ...


class RecogniserStream(Protocol):
    """Recognition of one speech."""

    def push(self, pcm: bytes) -> None:
        """Take int16 mono at EARS_HZ, any length. Never blocks; bounded, the oldest audio wins."""
        ...

    def finish(self) -> None:
        """No more audio; the final words follow by callback."""
        ...

    def cancel(self) -> None: ...


class Recogniser(Protocol):
    """A streaming speech recogniser, shared by all persons of a process."""

    def open(
        self, speech_id: str, person: str, on_words: Callable[[WordsHeard], None]
    ) -> RecogniserStream: ...


class Judge(Protocol):
    """Judges one stretch of speech; made anew for each. Pure: time comes in the observation."""

    def observe(self, observation: Observation) -> Verdict: ...


@runtime_checkable
class PatientJudge(Judge, Protocol):
    """A judge with limits of its own for speech that goes on."""

    @property
    def patience_ms(self) -> float:
        """Within so long after the onset it interrupts by itself what goes on; its Hold stands until then."""
        ...


class FloorView(Protocol):
    """The local, I/O-free view of this agent's grant."""

    @property
    def may_speak_from_s(self) -> float:
        """Monotonic start of the right to be audible (after the guard); infinity without a grant."""
        ...

    @property
    def may_speak_until_s(self) -> float:
        """Monotonic end of the right to be audible; minus infinity without a grant."""
        ...


class ModelInput(Protocol):
    """The part of ADK's LiveRequestQueue that an adapter drives."""

    def send_activity_start(self) -> None: ...
    def send_activity_end(self) -> None: ...
    def send_realtime(self, blob: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Cut:
    """An agent's utterance was cut off for good."""

    utterance_id: str
    by: str
    by_kind: ParticipantKind
    playout: Playout
    """What was heard when the gate closed."""
    verdict: Verdict
    speech: SpeechStarted | None
    """The person's speech that did it; None for an agent's pre-emption or a lost lease."""
    gate_s: float
    """When the gate closed (onset-side: held or dropped)."""
    decided_s: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """A held or watched utterance goes on; the speech was no interruption."""

    utterance_id: str
    by: str
    verdict: Verdict
    speech: SpeechStarted
    held_ms: float
    """Silence that it cost."""


class AdapterListener(Protocol):
    """Told what becomes of an agent's utterances."""

    def on_first_audio(self, utterance_id: str, at_s: float) -> None: ...
    def on_cut(self, cut: Cut) -> None: ...
    def on_resumed(self, resumed: Resumed) -> None: ...
    def on_played_out(self, utterance_id: str, playout: Playout) -> None: ...
    def on_window_opened(self, speech_id: str) -> None:
        """The model is given this speech's audio; the first speech of a window opens it, others join it."""
        ...

    def on_window_closed(self) -> None:
        """The model was told that activity has ended."""
        ...

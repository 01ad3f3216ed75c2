"""What a host needs from its output, its floor and the record. Protocols only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from streams.events import Event
    from streams.vocabulary import Playout


class SpeechOutput(Protocol):
    """Where a host's speech goes: a gated playout that knows what was heard."""

    def begin_utterance(self, utterance_id: str) -> None: ...
    def send_audio_chunk(self, pcm: bytes, *, sample_rate_hz: int, utterance_id: str) -> bool:
        """Queue int16 mono audio. False where it was discarded (gate closed, utterance cut, buffer full)."""
        ...

    def end_utterance(self, utterance_id: str) -> None:
        """No more audio will come for it."""
        ...

    def playout(self, utterance_id: str) -> Playout: ...
    async def wait_played_out(self, utterance_id: str) -> Playout:
        """Return when the utterance was played to its end, or was cut."""
        ...

    def drop(self, utterance_id: str) -> Playout:
        """Discard what is unplayed, for good, and say what was heard."""
        ...


class FloorGrant(Protocol):
    """The right to speak, checked locally."""

    @property
    def token(self) -> int: ...
    def valid(self) -> bool: ...


class Record(Protocol):
    """Takes events for the stream without waiting; bounded, a loss is recorded as RECORD_GAP."""

    def report(
        self, event: Event, *, source: str, token: int | None = None, occurred_s: float | None = None
    ) -> None:
        """Record `event`; `occurred_s` is monotonic, now if None."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a granted agent is told before it speaks."""

    text: str
    """An instruction or what a person said; empty where the audio window brings it."""
    heard: tuple[tuple[str, str], ...] = ()
    """(speaker, words really heard) since this agent's last turn, in order."""


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What became of one granted turn."""

    utterance_id: str
    generated_text: str
    heard_text: str
    generated_ms: float
    heard_ms: float
    interrupted: bool
    failed: str = ""
    """Why the turn failed, or empty."""

"""What every contender says: the same espeak-ng speech, with a faint bed of noise under it.

The bed runs through the pauses between words and sentences, so that a pause cannot pass for silence, and
it is nowhere the same, so that any piece of a recording can be found again in what was said.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from tests.engines.sound import unrepeated_sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RATE_HZ = 24_000
BED_RMS = 900.0
CHUNK_MS = 40

TEXT = (
    "The harbour wakes before the town does. Ropes creak, gulls argue over the first boxes of fish, and the "
    "ferry sounds its horn twice. A woman in a yellow coat counts the crates and writes each number into a "
    "small book. Behind her the bakery opens its shutters, and warm bread makes everybody turn around. By "
    "seven the buses are full, the cranes are moving, and nobody remembers how quiet it was an hour before. "
    "In the evening all of it happens again the other way around, only slower, with music from the bars."
)


@dataclass(frozen=True, slots=True)
class SaidWord:
    """A word of the text, and where its sound begins and ends."""

    text: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class AgentSpeech:
    """int16 mono at RATE_HZ, with its words in order."""

    text: str
    samples: NDArray[np.int16]
    words: tuple[SaidWord, ...]
    sentences: tuple[tuple[str, float], ...]
    """Each sentence with its white space, and where its sound ends, in ms."""

    @property
    def ms(self) -> float:
        return len(self.samples) * 1000 / RATE_HZ

    def chunks(self, from_ms: float = 0.0, to_ms: float | None = None) -> list[bytes]:
        """PCM in pieces of CHUNK_MS, as a voice service streams it."""
        end = len(self.samples) if to_ms is None else round(to_ms * RATE_HZ / 1000)
        size = RATE_HZ * CHUNK_MS // 1000
        begin = round(from_ms * RATE_HZ / 1000)
        return [self.samples[i : min(i + size, end)].tobytes() for i in range(begin, end, size)]

    def words_within(self, heard_ms: float) -> int:
        """How many words had been sounded to their end."""
        return sum(word.end_ms <= heard_ms for word in self.words)


@lru_cache(maxsize=2)
def agent_speech(text: str = TEXT) -> AgentSpeech:
    """Return `text` as speech over the bed; the same samples at every call and in every process."""
    import soxr

    from host_agent.offline.voice import EspeakVoice

    made = EspeakVoice("en-us").synthesise_blocking(text)
    voice = soxr.resample(np.frombuffer(made.pcm, np.int16).astype(np.float64), made.sample_rate_hz, RATE_HZ)
    bed = unrepeated_sound(len(voice) * 1000 / RATE_HZ, RATE_HZ, rms=BED_RMS)
    mixed = np.clip(voice + bed, -32768, 32767).astype(np.int16)
    words = tuple(SaidWord(word.text, word.start_ms, word.end_ms) for word in made.words)
    return AgentSpeech(text, mixed, words, _sentences(words, len(mixed) * 1000 / RATE_HZ))


def _sentences(words: Sequence[SaidWord], total_ms: float) -> tuple[tuple[str, float], ...]:
    sentences: list[tuple[str, float]] = []
    text = ""
    for word, after in zip(words, [*words[1:], None], strict=True):
        text += word.text + " "
        if word.text.endswith((".", "!", "?")) or after is None:
            sentences.append((text, total_ms if after is None else after.start_ms))
            text = ""
    return tuple(sentences)

"""A voice that knows its words, as the egress of a cascade: each word's audio, then the word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from google.adk.live import AgentSpokenOutput, AudioChunk, LiveEgress
from google.genai import types

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence

    from google.adk.live import EgressEvent


class SpokenWord(Protocol):
    """A word and where its sound lies, in ms from the beginning of the stretch."""

    @property
    def text(self) -> str: ...
    @property
    def end_ms(self) -> float: ...


class SpokenStretch(Protocol):
    """Speech of one or more sentences: int16 mono PCM, with its words in order."""

    @property
    def pcm(self) -> bytes: ...
    @property
    def sample_rate_hz(self) -> int: ...
    @property
    def words(self) -> Sequence[SpokenWord]: ...


class WordVoice(Protocol):
    """Says the deltas of a text, stretch by stretch, as soon as each is known."""

    def stream(self, text: AsyncIterable[str]) -> AsyncIterator[SpokenStretch]: ...


class WordEgress(LiveEgress):
    """Says text word by word: audio up to a word's end, then the word, so that a cut can be placed."""

    def __init__(self, voice: WordVoice) -> None:
        self._voice = voice

    async def __call__(
        self, text: AsyncIterator[str], *, cancel: asyncio.Event
    ) -> AsyncGenerator[EgressEvent, None]:
        """Yield audio and words until the text ends or `cancel` is set."""
        async for stretch in self._voice.stream(text):
            begin = 0
            for word in stretch.words:
                if cancel.is_set():
                    return
                end = min(
                    len(stretch.pcm), max(begin, 2 * round(word.end_ms * stretch.sample_rate_hz / 1000))
                )
                if end > begin:
                    yield _chunk(stretch.pcm[begin:end], stretch.sample_rate_hz)
                yield AgentSpokenOutput(text=f"{word.text} ")
                begin = end
            if begin < len(stretch.pcm) and not cancel.is_set():
                yield _chunk(stretch.pcm[begin:], stretch.sample_rate_hz)


def _chunk(pcm: bytes, sample_rate_hz: int) -> AudioChunk:
    return AudioChunk(blob=types.Blob(data=pcm, mime_type=f"audio/pcm;rate={sample_rate_hz}"))

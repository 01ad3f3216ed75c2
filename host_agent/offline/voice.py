"""The offline voice: text in, speech with the time of each word out, without blocking the event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from host_agent.errors import VoiceError
from host_agent.offline import espeak
from host_agent.offline.sentences import SentenceBuffer, split_sentences
from host_agent.offline.word_spans import Word, word_spans

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable

SLOWEST_WPM, FASTEST_WPM = 80, 450
PAUSE_MS = 240
"""Silence between two sentences; the engine leaves none at the end of a text."""
CLAUSE_PAUSE_MS = 90
"""The same where a long sentence was cut into pieces."""

# the library takes one call at a time, so more threads would only wait for its lock
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="espeak")


@dataclass(frozen=True, slots=True)
class Speech:
    """A text as int16 mono audio, with the stretch in which each of its words is heard."""

    text: str
    pcm: bytes
    sample_rate_hz: int
    words: tuple[Word, ...]
    """One for each white-space token of `text`, in order; times since the start of this audio."""

    @property
    def duration_ms(self) -> float:
        """Length of the audio."""
        return len(self.pcm) / 2 * 1000.0 / self.sample_rate_hz


class EspeakVoice:
    """An espeak-ng voice, e.g. "en-us", "en-gb-x-rp" or with a variant "en-us+f3".

    Any number of voices may be used at once; the library does their sentences one after the other, each
    some hundred times faster than it sounds.
    """

    def __init__(self, voice: str = "en-us", *, rate_wpm: int = 170, pitch: int = 50) -> None:
        """Choose a voice; nothing is loaded before the first use.

        Raises:
            VoiceError: `rate_wpm` is not within 80 to 450 words a minute, or `pitch` not within 0 to 99.
        """
        if not SLOWEST_WPM <= rate_wpm <= FASTEST_WPM:
            raise VoiceError(f"rate_wpm is {rate_wpm}, but must be {SLOWEST_WPM} to {FASTEST_WPM}")
        if not 0 <= pitch <= 99:
            raise VoiceError(f"pitch is {pitch}, but must be 0 to 99")
        self._voice = voice
        self._rate_wpm = rate_wpm
        self._pitch = pitch

    @property
    def voice(self) -> str:
        """The engine's name of the voice."""
        return self._voice

    async def start(self) -> None:
        """Load the engine ahead of the first sentence and check the voice.

        Raises:
            OfflineEngineMissingError: the extra `offline` is not installed.
            VoiceError: the engine does not start, or does not know the voice.
        """
        await asyncio.get_running_loop().run_in_executor(_thread, espeak.check_voice, self._voice)

    async def synthesise(self, text: str) -> Speech:
        """Return the whole of `text` as speech. Cancelling ends the synthesis within some ms.

        Raises:
            OfflineEngineMissingError: the extra `offline` is not installed.
            VoiceError: the engine does not start, does not know the voice, or failed.
        """
        return await self._off_loop(lambda aborted: self.synthesise_blocking(text, aborted))

    async def stream(self, text: str | AsyncIterable[str]) -> AsyncIterator[Speech]:
        """Yield speech sentence by sentence, each as soon as the end of its text is known.

        `text` may be the deltas of a model. The next sentence is asked for when the one before has been
        taken. Raises as `synthesise`.
        """
        before = ""
        async for sentence in _sentences(text):
            pause_ms = _pause_ms(before)
            yield await self._off_loop(lambda aborted, s=sentence, p=pause_ms: self._piece(s, p, aborted))
            before = sentence

    def synthesise_blocking(self, text: str, aborted: Callable[[], bool] = lambda: False) -> Speech:
        """As `synthesise`, in the calling thread; what was made until `aborted()` is returned."""
        pcm = bytearray()
        words: list[Word] = []
        hz = 22_050
        before = ""
        for sentence in split_sentences(text):
            if aborted():
                break
            made = self._piece(sentence, _pause_ms(before), aborted)
            hz = made.sample_rate_hz
            offset_ms = len(pcm) / 2 * 1000.0 / hz
            words += [Word(w.text, w.start_ms + offset_ms, w.end_ms + offset_ms) for w in made.words]
            pcm += made.pcm
            before = sentence
        return Speech(text, bytes(pcm), hz, tuple(words))

    async def _off_loop(self, work: Callable[[Callable[[], bool]], Speech]) -> Speech:
        stop = threading.Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(_thread, work, stop.is_set)
        finally:
            stop.set()

    def _piece(self, sentence: str, pause_ms: int, aborted: Callable[[], bool]) -> Speech:
        """One sentence with the pause that precedes it."""
        made = espeak.render(
            sentence, voice=self._voice, rate_wpm=self._rate_wpm, pitch=self._pitch, aborted=aborted
        )
        hz = made.sample_rate_hz
        spans = word_spans(sentence, made.marks, np.frombuffer(made.pcm, np.int16), hz)
        words = tuple(Word(w.text, w.start_ms + pause_ms, w.end_ms + pause_ms) for w in spans)
        return Speech(sentence, bytes(2 * (hz * pause_ms // 1000)) + made.pcm, hz, words)


async def _sentences(text: str | AsyncIterable[str]) -> AsyncIterator[str]:
    if isinstance(text, str):
        for sentence in split_sentences(text):
            yield sentence
        return
    waiting = SentenceBuffer()
    async for delta in text:
        for sentence in waiting.push(delta):
            yield sentence
    for sentence in waiting.flush():
        yield sentence


def _pause_ms(before: str) -> int:
    """The pause between a piece of text and the next one."""
    if not before:
        return 0
    return PAUSE_MS if before.rstrip("\"'”’)]")[-1:] in tuple(".!?…") else CLAUSE_PAUSE_MS


def host_voice() -> EspeakVoice:
    """Return the voice of a host."""
    return EspeakVoice("en-us", rate_wpm=172, pitch=42)


def expert_voice() -> EspeakVoice:
    """Return a voice that listeners tell from the host's at once."""
    return EspeakVoice("en-gb-x-rp+f3", rate_wpm=168, pitch=60)

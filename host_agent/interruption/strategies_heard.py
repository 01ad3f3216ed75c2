"""Strategies that look at what was said and how: lists of words, keywords, loudness, urgency."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from host_agent.errors import InterruptionSettingError
from host_agent.interruption.filter import InterruptionFilter
from host_agent.interruption.lexicon import words_of
from host_agent.interruption.strategies import BaseInterruptionStrategy, checked, joined
from host_agent.interruption.urgency import urgency_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = (
    "KeywordInterruptionStrategy",
    "MinDurationInterruptionStrategy",
    "UrgencyInterruptionStrategy",
    "VolumeInterruptionStrategy",
    "WordFilterInterruptionStrategy",
)

_SPEAKING = {"is_speaking": True}
_FULL_SCALE = 32_768.0
_BLOCK_MS = 20


class _ByText(BaseInterruptionStrategy):
    """Keeps the words so far."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def append_text(self, text: str) -> None:
        with self.lock:
            self._text = joined(self._text, text)

    def should_interrupt(self) -> bool:
        with self.lock:
            return self._interrupts(self._text)

    def reset(self) -> None:
        with self.lock:
            self._text = ""

    @abstractmethod
    def _interrupts(self, text: str) -> bool: ...


class WordFilterInterruptionStrategy(_ByText):
    """Interrupts as the word-list filter says: on a command, or on words beyond an acknowledgement."""

    def __init__(self, word_filter: InterruptionFilter | None = None) -> None:
        super().__init__()
        self._filter = word_filter or InterruptionFilter()

    def _interrupts(self, text: str) -> bool:
        return self._filter.should_interrupt(text, _SPEAKING)[0]


class KeywordInterruptionStrategy(_ByText):
    """Interrupts when one of the keywords or phrases is said, as whole words."""

    def __init__(self, keywords: Iterable[str]) -> None:
        """Listen for `keywords`.

        Raises:
            InterruptionSettingError: there are none, or one of them is no word.
        """
        super().__init__()
        if isinstance(keywords, str) or not isinstance(keywords, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
            raise InterruptionSettingError("keywords", f"{keywords!r} is no list of words")
        given = tuple(keywords)
        self._phrases = tuple(words_of(each) if isinstance(each, str) else () for each in given)  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
        if not self._phrases or not all(self._phrases):
            raise InterruptionSettingError("keywords", f"{given!r} is no list of words")

    def _interrupts(self, text: str) -> bool:
        words = words_of(text)
        return any(
            words[at : at + len(phrase)] == phrase
            for phrase in self._phrases
            for at in range(len(words) - len(phrase) + 1)
        )


class UrgencyInterruptionStrategy(_ByText):
    """Interrupts when the words sound urgent, upset or opposed, from 0 (calm) to 1; English."""

    def __init__(self, min_urgency: float = 0.5) -> None:
        """Interrupt from `min_urgency` on.

        Raises:
            InterruptionSettingError: it is no number from 0 to 1.
        """
        super().__init__()
        self.min_urgency = checked("min_urgency", min_urgency, 0.0, 1.0)

    def _interrupts(self, text: str) -> bool:
        return bool(words_of(text)) and urgency_of(text) >= self.min_urgency


class VolumeInterruptionStrategy(BaseInterruptionStrategy):
    """Interrupts when the sound was at least `min_dbfs` loud (RMS over full scale) for `min_duration_ms`.

    The loud stretches count together, pauses between them do not.
    """

    def __init__(self, min_dbfs: float = -30.0, *, min_duration_ms: float = 200.0) -> None:
        """Set the loudness and for how long.

        Raises:
            InterruptionSettingError: a value is out of its range; names the key.
        """
        super().__init__()
        self.min_dbfs = checked("min_dbfs", min_dbfs, -120.0, 0.0)
        self.min_duration_ms = checked("min_duration_ms", min_duration_ms, 0.0, 60_000.0)
        self._least_rms = _FULL_SCALE * 10 ** (self.min_dbfs / 20)
        self._loud_ms = 0.0

    def append_audio(self, audio: bytes, sample_rate_hz: int) -> None:
        if not _is_sound(audio, sample_rate_hz):
            return
        if not 4_000 <= sample_rate_hz <= 192_000:
            return
        samples = np.frombuffer(audio[: len(audio) // 2 * 2], dtype="<i2").astype(np.float64)
        loud = sum(
            len(block)
            for block in _blocks(samples, sample_rate_hz)
            if float(np.sqrt(np.mean(block * block))) >= self._least_rms
        )
        with self.lock:
            self._loud_ms += loud * 1000.0 / sample_rate_hz

    def replace_text(self, text: str) -> None:
        """Words are nothing to it."""

    def should_interrupt(self) -> bool:
        with self.lock:
            return self._loud_ms > 0 and self._loud_ms >= self.min_duration_ms

    def reset(self) -> None:
        with self.lock:
            self._loud_ms = 0.0


class MinDurationInterruptionStrategy(VolumeInterruptionStrategy):
    """Interrupts when the person has made sound, of any loudness worth the name, for `min_duration_ms`."""

    def __init__(self, min_duration_ms: float = 500.0, *, min_dbfs: float = -50.0) -> None:
        super().__init__(min_dbfs, min_duration_ms=min_duration_ms)


def _is_sound(audio: object, sample_rate_hz: object) -> bool:
    return isinstance(audio, bytes | bytearray | memoryview) and isinstance(sample_rate_hz, int | float)


def _blocks(samples: NDArray[np.float64], sample_rate_hz: int) -> list[NDArray[np.float64]]:
    size = max(1, sample_rate_hz * _BLOCK_MS // 1000)
    return [samples[at : at + size] for at in range(0, len(samples), size)]

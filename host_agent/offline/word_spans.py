"""When each word of a synthesised text sounds. Pure: from the engine's marks, the text and the samples.

A voice engine reports marks (a position in the text, a sample), but they are not words: a number gives
several marks, an apostrophe cuts a word's mark short, frequent pairs ("of the") share one, and
punctuation has none. So marks are laid over the white-space tokens of the text by position.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_QUIET_SHARE = 0.012
_QUIET_FLOOR = 60
_TAIL_MS = 10.0


@dataclass(frozen=True, slots=True)
class Mark:
    """The engine begins something at `position` (0-based character) with `sample`."""

    position: int
    sample: int


@dataclass(frozen=True, slots=True)
class Word:
    """A white-space token of the text and the stretch of audio in which it is heard."""

    text: str
    start_ms: float
    end_ms: float


def word_spans(
    text: str, marks: Sequence[Mark], samples: NDArray[np.int16], sample_rate_hz: int
) -> tuple[Word, ...]:
    """Return one span for each white-space token of `text`, in order and without overlap.

    A token without a mark of its own shares the span of its neighbour by its number of letters. Silence
    after a word (a pause, the end) belongs to no word.
    """
    tokens = [(found.start(), found.end(), found.group()) for found in re.finditer(r"\S+", text)]
    if not tokens:
        return ()
    starts = _first_samples(tokens, marks, len(samples))
    words: list[Word] = []
    ms_per_sample = 1000.0 / sample_rate_hz
    threshold = _threshold(samples)
    tail = int(_TAIL_MS / ms_per_sample)
    for group, begin, end in _groups(starts, len(samples)):
        sounding = _last_loud(samples, begin, end, threshold, tail)
        weights = [sum(letter.isalnum() for letter in tokens[index][2]) for index in group]
        total = sum(weights) or 1
        at = float(begin)
        for index, weight in zip(group, weights, strict=True):
            until = min(at + (sounding - begin) * weight / total, float(sounding))
            words.append(Word(tokens[index][2], at * ms_per_sample, until * ms_per_sample))
            at = until
    return tuple(words)


def _first_samples(tokens: list[tuple[int, int, str]], marks: Sequence[Mark], total: int) -> list[int | None]:
    """The sample at which each token begins; None for a token without a mark."""
    starts: list[int | None] = [None] * len(tokens)
    index, latest = 0, 0
    for mark in marks:
        while index + 1 < len(tokens) and mark.position >= tokens[index][1]:
            index += 1
        if starts[index] is None:
            latest = min(max(latest, mark.sample), total)
            starts[index] = latest
    return starts


def _groups(starts: list[int | None], total: int) -> list[tuple[range, int, int]]:
    """Runs of tokens that share a stretch of audio: (token indices, first sample, end sample)."""
    marked = [index for index, start in enumerate(starts) if start is not None]
    if not marked:
        return [(range(len(starts)), 0, total)]
    groups: list[tuple[range, int, int]] = []
    for nth, index in enumerate(marked):
        first = 0 if nth == 0 else index
        last = marked[nth + 1] if nth + 1 < len(marked) else len(starts)
        begin = starts[index] or 0
        end = starts[marked[nth + 1]] or 0 if nth + 1 < len(marked) else total
        groups.append((range(first, last), begin, max(begin, end)))
    return groups


def _threshold(samples: NDArray[np.int16]) -> float:
    peak = float(np.abs(samples.astype(np.int32)).max()) if len(samples) else 0.0
    return max(_QUIET_FLOOR, peak * _QUIET_SHARE)


def _last_loud(samples: NDArray[np.int16], begin: int, end: int, threshold: float, tail: int) -> int:
    loud = np.flatnonzero(np.abs(samples[begin:end].astype(np.int32)) > threshold)
    return end if len(loud) == 0 else min(end, begin + int(loud[-1]) + 1 + tail)

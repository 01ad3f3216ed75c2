"""What a listener got of a known speech: what was lost, what came twice, how much later it came. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.engines.sound import find_pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.int16]

PIECE_MS = 100.0
LONG_MS = 300.0
"""A piece that is looked for everywhere: shorter ones are alike somewhere by chance."""
EDGE_MS = 40.0
JITTER_MS = 20.0
"""A listener's buffer stretches and shortens sound by so much from piece to piece."""
SAME = 0.6
"""Likeness from which on a piece is where it is expected: by chance it is below 0.4 there."""
FOUND_AGAIN = 0.75
"""The same for a long piece anywhere: of all places some are alike by chance, up to 0.7."""
MOST_MISSING = 20
"""After so many pieces that are nowhere the speech is over."""
FRAME_MS = 10.0
LOUD_RMS = 200.0


@dataclass(frozen=True, slots=True)
class Followed:
    """A speech followed through a recording, up to its last piece that was found."""

    found_ms: float
    lost_ms: float
    doubled_ms: float
    """Sound that was not said, or not so long: what came twice, and what a buffer filled gaps with."""
    later_ms: float
    """How much later its end came than its beginning let expect."""
    lost: tuple[tuple[float, float], ...] = ()
    """Which stretches of the speech were lost, in ms."""


def follow(made: Samples, heard: Samples, hz: int) -> Followed | None:
    """Follow `made` from its beginning through `heard`, both at `hz`; None where that is not there."""
    first = find_pieces(made, heard, hz, pieces=[(0.0, LONG_MS)])[0]
    if first.likeness < FOUND_AGAIN:
        return None
    begins_ms = offset_ms = first.heard_ms
    found: list[tuple[float, float]] = []
    missing: list[float] = []
    lost: list[tuple[float, float]] = []
    at_ms = 0.0
    while at_ms + PIECE_MS <= len(made) * 1000 / hz and len(missing) < MOST_MISSING:
        place_ms = _near(made, heard, hz, at_ms, at_ms + offset_ms)
        if place_ms is None:
            place_ms = _later(made, heard, hz, at_ms, at_ms + offset_ms)
        if place_ms is None:
            missing.append(at_ms)
        else:
            now_ms = place_ms - at_ms
            lost += [
                (lost_ms, lost_ms + PIECE_MS)
                for lost_ms in missing
                if not _is_there(made, heard, hz, lost_ms, (offset_ms, now_ms))
            ]
            found += [(missing_ms, missing_ms + now_ms) for missing_ms in missing] + [(at_ms, place_ms)]
            missing.clear()
            offset_ms = now_ms
        at_ms += PIECE_MS
    found_ms = len(found) * PIECE_MS - sum(to - since for since, to in lost)
    end_ms = found[-1][1] + PIECE_MS if found else begins_ms
    sounding_ms = _audible_ms(heard[round(begins_ms * hz / 1000) : round(end_ms * hz / 1000)], hz)
    return Followed(
        found_ms=found_ms,
        lost_ms=sum(to - since for since, to in lost),
        doubled_ms=max(0.0, sounding_ms - found_ms),
        later_ms=offset_ms - begins_ms,
        lost=tuple(lost),
    )


def _near(
    made: Samples, heard: Samples, hz: int, at_ms: float, expected_ms: float, ms: float = PIECE_MS
) -> float | None:
    """Where the piece is within JITTER_MS of where it is expected."""
    start_ms = max(0.0, expected_ms - JITTER_MS)
    stretch = _cut(heard, hz, start_ms, expected_ms + ms + JITTER_MS)
    piece = _cut(made, hz, at_ms, at_ms + ms)
    if len(stretch) < len(piece):
        return None
    found = find_pieces(piece, stretch, hz, pieces=[(0.0, ms)])[0]
    return start_ms + found.heard_ms if found.likeness >= SAME else None


def _later(made: Samples, heard: Samples, hz: int, at_ms: float, expected_ms: float) -> float | None:
    """Where the piece is at all, after where it was expected, by the longer one that it begins."""
    stretch = heard[round(expected_ms * hz / 1000) :]
    piece = _cut(made, hz, at_ms, at_ms + LONG_MS)
    if len(stretch) < len(piece):
        return None
    found = find_pieces(piece, stretch, hz, pieces=[(0.0, LONG_MS)])[0]
    if found.likeness < FOUND_AGAIN:
        return None
    return _near(made, heard, hz, at_ms, expected_ms + found.heard_ms)


def _is_there(made: Samples, heard: Samples, hz: int, at_ms: float, offsets_ms: tuple[float, float]) -> bool:
    """Whether a piece is at one of two offsets, or a pause lies in it: its edges are there, one at each."""
    before_ms, after_ms = offsets_ms
    if any(_near(made, heard, hz, at_ms, at_ms + offset_ms) is not None for offset_ms in offsets_ms):
        return True
    end_ms = at_ms + PIECE_MS - EDGE_MS
    head = _near(made, heard, hz, at_ms, at_ms + before_ms, EDGE_MS)
    tail = _near(made, heard, hz, end_ms, end_ms + after_ms, EDGE_MS)
    return head is not None or tail is not None


def _cut(samples: Samples, hz: int, from_ms: float, to_ms: float) -> Samples:
    return samples[round(from_ms * hz / 1000) : round(to_ms * hz / 1000)]


def _audible_ms(samples: Samples, hz: int) -> float:
    size = round(hz * FRAME_MS / 1000)
    frames = samples[: len(samples) // size * size].astype(np.float64).reshape(-1, size)
    return (
        float(np.sum(np.sqrt(np.mean(frames * frames, axis=1)) >= LOUD_RMS)) * FRAME_MS
        if len(frames)
        else math.nan
    )

"""Sound that is nowhere the same, and where pieces of it are found again in a recording of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BAND_HZ = (150.0, 1400.0)
"""What a speech codec at any rate keeps, wave for wave."""


def unrepeated_sound(
    ms: float, sample_rate_hz: int, *, rms: float = 2500.0, seed: int = 20_261
) -> NDArray[np.int16]:
    """Return noise between BAND_HZ, the same for the same arguments, no piece of it like another."""
    count = round(ms * sample_rate_hz / 1000)
    spectrum: NDArray[Any] = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    frequencies = np.fft.rfftfreq(count, 1 / sample_rate_hz)
    spectrum[(frequencies < BAND_HZ[0]) | (frequencies > BAND_HZ[1])] = 0
    noise = np.fft.irfft(spectrum, count)
    return np.clip(noise * (rms / np.sqrt(np.mean(noise * noise))), -32_768, 32_767).astype(np.int16)


@dataclass(frozen=True, slots=True)
class Found:
    """Where a piece of the made sound is in the recording."""

    made_ms: float
    heard_ms: float
    likeness: float
    """Normalised correlation at the best place, at most 1."""
    second: float
    """The same at the best place elsewhere: near `likeness` where it was heard twice."""


def find_pieces(
    made: NDArray[np.int16],
    heard: NDArray[np.int16],
    sample_rate_hz: int,
    *,
    pieces: Sequence[tuple[float, float]],
) -> list[Found]:
    """Look for each piece (from_ms, to_ms) of `made` in `heard`. Both mono at `sample_rate_hz`."""
    track = heard.astype(np.float64)
    energy = np.concatenate(([0.0], np.cumsum(track * track)))
    found: list[Found] = []
    for from_ms, to_ms in pieces:
        begin, end = (round(ms * sample_rate_hz / 1000) for ms in (from_ms, to_ms))
        piece = made[begin:end].astype(np.float64)
        likeness = _likeness(piece, track, energy)
        best = int(np.argmax(likeness))
        rival = likeness.copy()
        rival[max(0, best - len(piece) // 2) : best + len(piece) // 2] = 0.0
        found.append(
            Found(from_ms, best * 1000 / sample_rate_hz, float(likeness[best]), float(rival.max(initial=0.0)))
        )
    return found


def _likeness(
    piece: NDArray[np.float64], track: NDArray[np.float64], energy: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Normalised correlation of `piece` with the track at each place."""
    size = 1 << (len(track) + len(piece) - 1).bit_length()
    product = np.fft.rfft(track, size) * np.conj(np.fft.rfft(piece, size))
    correlation = np.fft.irfft(product, size)[: len(track) - len(piece) + 1]
    here = energy[len(piece) :] - energy[: len(track) - len(piece) + 1]
    # Against near silence everything is alike: a floor of 10 (RMS) takes that out.
    norm = np.sqrt(np.sum(piece * piece) * np.maximum(here, 100.0 * len(piece)))
    return correlation / norm

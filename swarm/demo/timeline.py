"""What the room heard, as audible intervals. Pure: arrays in, milliseconds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

BLOCK_MS = 10
LOUD_DBFS = -50.0
PAUSE_MS = 400.0


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time in ms from the start of the recording."""

    from_ms: float
    to_ms: float


def loud_blocks(samples: NDArray[np.int16], rate_hz: int, loud_dbfs: float = LOUD_DBFS) -> NDArray[np.bool_]:
    """Return for each block of BLOCK_MS whether its RMS is over `loud_dbfs`."""
    block = rate_hz * BLOCK_MS // 1000
    whole = len(samples) // block * block
    blocks = samples[:whole].astype(np.float64).reshape(-1, block)
    rms = np.sqrt(np.mean(blocks * blocks, axis=1)) / 32768.0
    return rms > 10.0 ** (loud_dbfs / 20.0)


def audible(loud: NDArray[np.bool_], join_ms: float = 250.0) -> list[Interval]:
    """Return the audible intervals; pauses shorter than `join_ms` do not split one."""
    at = np.flatnonzero(loud)
    if not len(at):
        return []
    breaks = np.flatnonzero(np.diff(at) * BLOCK_MS > join_ms)
    starts = at[np.concatenate(([0], breaks + 1))]
    ends = at[np.concatenate((breaks, [len(at) - 1]))] + 1
    return [Interval(float(a * BLOCK_MS), float(b * BLOCK_MS)) for a, b in zip(starts, ends, strict=True)]


def overlap_ms(loud_by_speaker: Mapping[str, NDArray[np.bool_]]) -> float:
    """Return the total time in which two or more of the speakers were loud in the same block."""
    if len(loud_by_speaker) < 2:
        return 0.0
    length = min(len(loud) for loud in loud_by_speaker.values())
    count = np.sum([loud[:length] for loud in loud_by_speaker.values()], axis=0)
    return float(np.count_nonzero(count > 1) * BLOCK_MS)


def silence_after_ms(loud: NDArray[np.bool_], onset_ms: float, quiet_ms: float = 150.0) -> float | None:
    """Return how long after `onset_ms` the speaker fell silent, or None where it was not speaking then.

    Silent means no loud block for `quiet_ms`, so a pause between words does not count. 0 where the onset fell
    into a pause of at most PAUSE_MS that then became silence.
    """
    first = int(onset_ms // BLOCK_MS)
    need = int(quiet_ms // BLOCK_MS)
    tail = loud[first:]
    if not tail[:need].any():
        return 0.0 if loud[max(0, first - int(PAUSE_MS // BLOCK_MS)) : first].any() else None
    run = 0
    for index, is_loud in enumerate(tail):
        run = 0 if is_loud else run + 1
        if run >= need:
            return float((index + 1 - run) * BLOCK_MS)
    return None

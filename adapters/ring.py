"""The last seconds of one person's sound, addressed by absolute sample position.

Position 0 is the first sample ever written; positions never start anew. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a ring still had of a stretch that was asked for."""

    start: int
    """Position of the first sample; later than asked for where samples had been overwritten."""
    samples: NDArray[np.int16]
    overwritten: int
    """How many samples at the beginning had been overwritten already."""
    not_yet: int
    """How many samples at the end have not been written yet."""

    @property
    def end(self) -> int:
        """Position after the last sample."""
        return self.start + len(self.samples)


class SampleRing:
    """Keeps the last `capacity` samples that were written; older ones are gone.

    Raises:
        ValueError: a capacity below 1.
    """

    __slots__ = ("_buffer", "_end")

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity {capacity} is below 1 sample")
        self._buffer = np.zeros(capacity, dtype=np.int16)
        self._end = 0

    @property
    def capacity(self) -> int:
        """In samples."""
        return len(self._buffer)

    @property
    def end(self) -> int:
        """Position after the newest sample; how many were ever written."""
        return self._end

    @property
    def start(self) -> int:
        """Position of the oldest sample that is still here."""
        return max(0, self._end - len(self._buffer))

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append samples; the oldest make room."""
        capacity = len(self._buffer)
        total = len(samples)
        kept = samples[-capacity:]
        at = (self._end + total - len(kept)) % capacity
        first = min(len(kept), capacity - at)
        self._buffer[at : at + first] = kept[:first]
        self._buffer[: len(kept) - first] = kept[first:]
        self._end += total

    def read(self, from_sample: int, to_sample: int | None = None) -> Stretch:
        """A copy of what is here between two positions (the end of the ring if none is given).

        Raises:
            ValueError: a negative position, or an end before the start.
        """
        upto = max(self._end, from_sample) if to_sample is None else to_sample
        if from_sample < 0 or upto < from_sample:
            raise ValueError(f"no stretch from {from_sample} to {upto}")
        start = min(max(from_sample, self.start), upto)
        end = max(start, min(upto, self._end))
        capacity = len(self._buffer)
        at = start % capacity
        length = end - start
        first = min(length, capacity - at)
        samples = np.concatenate((self._buffer[at : at + first], self._buffer[: length - first]))
        return Stretch(start, samples, overwritten=start - from_sample, not_yet=upto - end)

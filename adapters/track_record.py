"""What tracks sounded like, on one timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapters.audio import resample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SAME_RUN_S = 0.045
"""A frame that comes at most so late continues its track's last one in the recording: wake-ups
jitter, and a pacer catches up three frames; a listener's jitter buffer hides both."""


class TrackRecord:
    """What one track sounded like, on the room's timeline: int16 mono. Silence takes no memory."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate_hz = sample_rate_hz
        self._end = 0
        self._pieces: list[tuple[int, NDArray[np.int16]]] = []

    @property
    def sample_rate_hz(self) -> int:
        return self._rate_hz

    def add(self, mono: NDArray[np.int16], at_s: float) -> None:
        due = round(at_s * self._rate_hz)
        if due > self._end + SAME_RUN_S * self._rate_hz:
            self._end = due
        if mono.any():
            self._pieces.append((self._end, mono))
        self._end += len(mono)

    def render(self, rate_hz: int) -> NDArray[np.int16]:
        whole = np.zeros(self._end, dtype=np.int16)
        for start, mono in self._pieces:
            whole[start : start + len(mono)] = mono
        return resample(whole, self._rate_hz, rate_hz)


def mixed(records: Mapping[str, Sequence[TrackRecord]], rate_hz: int) -> dict[str, NDArray[np.int16]]:
    """Return one equally long int16 mono signal for each participant, its tracks added up."""
    tracks = {identity: [record.render(rate_hz) for record in each] for identity, each in records.items()}
    length = max((len(track) for each in tracks.values() for track in each), default=0)
    result: dict[str, NDArray[np.int16]] = {}
    for identity, each in tracks.items():
        total = np.zeros(length, dtype=np.int32)
        for track in each:
            total[: len(track)] += track
        result[identity] = np.clip(total, -32768, 32767).astype(np.int16)
    return result

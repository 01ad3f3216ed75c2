"""Records a room as one of its participants hears it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from adapters.audio import mono_samples, resample

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from adapters.ports import AudioFrame

CATCH_UP_S = 1.0
"""A frame that is late because this process was busy is put in its place if the track catches up so soon."""

PAUSE_S = 0.02
"""The track stood still, or skipped, when its frames come so much later or sooner from then on."""


@dataclass(slots=True)
class _Track:
    sample_rate_hz: int
    frames: list[NDArray[np.int16]] = field(default_factory=list["NDArray[np.int16]"])
    arrived_s: list[float] = field(default_factory=list[float])


class Recorder:
    """Keeps what every other participant was heard to say, by the time of arrival. A `RoomListener`.

    What arrives later than `limit_s` after the start is not kept.
    """

    def __init__(self, *, limit_s: float = 1800.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self.started_s = clock()
        """Time of the recording's first sample."""
        self._tracks: dict[str, list[_Track]] = {}

    def recording(self, sample_rate_hz: int = 24_000) -> dict[str, NDArray[np.int16]]:
        """Return int16 mono for each participant, equally long, sample n being n / rate after `started_s`."""
        rendered = {
            who: [
                (round(start_s * sample_rate_hz), resample(sound, track.sample_rate_hz, sample_rate_hz))
                for track in tracks
                for start_s, sound in _runs(track)
            ]
            for who, tracks in self._tracks.items()
        }
        length = max((first + len(sound) for runs in rendered.values() for first, sound in runs), default=0)
        result: dict[str, NDArray[np.int16]] = {}
        for who, runs in rendered.items():
            whole = np.zeros(length, dtype=np.int16)
            for first, sound in runs:
                whole[first : first + len(sound)] = sound
            result[who] = whole
        return result

    def on_joined(self, identity: str) -> None:
        """Nothing to record yet."""

    def on_left(self, identity: str) -> None:
        """What was recorded stays."""

    def on_muted(self, identity: str) -> None:
        """Silence takes no room."""

    def on_closed(self, reason: str) -> None:
        """What was recorded stays."""

    def on_audio(self, identity: str, frame: AudioFrame) -> None:
        at_s = self._clock() - self.started_s
        if at_s > self._limit_s:
            return
        tracks = self._tracks.setdefault(identity, [])
        if not tracks or tracks[-1].sample_rate_hz != frame.sample_rate_hz:
            tracks.append(_Track(frame.sample_rate_hz))
        tracks[-1].frames.append(mono_samples(frame))
        tracks[-1].arrived_s.append(at_s)


def _runs(track: _Track) -> list[tuple[float, NDArray[np.int16]]]:
    """Return the track as (start in s, samples), a new run where it really paused.

    A frame arrives late when this process was busy; the ones behind it then come in a burst. So a frame
    belongs where the least delayed of those that follow within CATCH_UP_S says.
    """
    lengths = np.array([len(frame) for frame in track.frames], dtype=np.int64)
    ends = np.cumsum(lengths)
    delays = np.array(track.arrived_s) - ends / track.sample_rate_hz
    ahead = max(1, round(CATCH_UP_S * track.sample_rate_hz / max(1, int(lengths.max(initial=1)))))
    padded = np.concatenate((delays, np.full(ahead, np.inf)))
    base = np.lib.stride_tricks.sliding_window_view(padded, ahead + 1).min(axis=1)
    breaks = [0, *(np.flatnonzero(np.abs(np.diff(base)) > PAUSE_S) + 1).tolist(), len(track.frames)]
    runs: list[tuple[float, NDArray[np.int16]]] = []
    for first, last in pairwise(breaks):
        if last > first:
            start = float(base[first] + (ends[first] - lengths[first]) / track.sample_rate_hz)
            runs.append((max(0.0, start), np.concatenate(track.frames[first:last])))
    return runs

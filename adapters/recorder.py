"""Records a room as one of its participants hears it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from adapters.audio import mono_samples
from adapters.track_record import TrackRecord, mixed

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from adapters.ports import AudioFrame


class Recorder:
    """Keeps what every other participant was heard to say, by the time of arrival. A `RoomListener`.

    What arrives later than `limit_s` after the start is not kept.
    """

    def __init__(self, *, limit_s: float = 1800.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self.started_s = clock()
        """Time of the recording's first sample."""
        self._records: dict[str, list[TrackRecord]] = {}

    def recording(self, sample_rate_hz: int = 24_000) -> dict[str, NDArray[np.int16]]:
        """Return int16 mono for each participant, equally long, sample n being n / rate after `started_s`."""
        return mixed(self._records, sample_rate_hz)

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
        records = self._records.setdefault(identity, [])
        if not records or records[-1].sample_rate_hz != frame.sample_rate_hz:
            records.append(TrackRecord(frame.sample_rate_hz))
        records[-1].add(mono_samples(frame), at_s)

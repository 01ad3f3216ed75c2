"""One person's sound: ring, detector, echo veto and gate. Synchronous; knows no room and no listeners.

Two detector streams run half a window apart, so that a speech need not wait for the end of a window that it
began in the middle of: a decision every 16 ms instead of every 32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.audio import level_dbfs
from adapters.echo import HISTORY_SAMPLES
from adapters.ports import EARS_HZ
from adapters.ring import SampleRing
from adapters.silero import WINDOW_SAMPLES, SileroStream
from adapters.speech_gate import Progress, Quiet, Window, advance, close

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from adapters.echo import EchoJudge
    from adapters.speech_gate import Ended, GateSettings, GateState, Signal

HOP_SAMPLES = WINDOW_SAMPLES // 2

_NO_SOUND_DBFS = -80.0
"""Below this (a muted microphone's zeros, their dither) there is nothing to ask the detector about."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A signal of the gate, with the time at which the inference behind it returned."""

    signal: Signal
    detected_s: float


class Hearing:
    """Listens to one person at EARS_HZ. Positions count samples since the person was first heard."""

    def __init__(
        self,
        gate: GateSettings,
        *,
        ring_s: float,
        clock: Callable[[], float],
        echo: EchoJudge | None = None,
    ) -> None:
        self.ring = SampleRing(int(ring_s * EARS_HZ))
        self.segment_start = 0
        """Where the sound that comes without a gap began."""
        self.arrived_s: float | None = None
        """When the newest sample came; None while nothing is coming."""
        self._settings = gate
        self._clock = clock
        self._echo = echo
        self._streams = (SileroStream(), SileroStream())
        self._state: GateState = Quiet()
        self._next_window = 0

    def take(self, samples: NDArray[np.int16], at_s: float) -> None:
        """Keep what just came."""
        self.ring.write(samples)
        self.arrived_s = at_s
        if self._echo is not None:
            self._echo.take(samples, at_s)

    def judge(self) -> Iterator[Heard]:
        """What the windows that are complete mean; each signal before the next window is looked at."""
        while self.ring.end - self._next_window >= WINDOW_SAMPLES:
            start, end = self._next_window, self._next_window + WINDOW_SAMPLES
            self._next_window += HOP_SAMPLES
            phase = (start - self.segment_start) // HOP_SAMPLES % 2
            sound = self.ring.read(start, end).samples
            level, tail = level_dbfs(sound), level_dbfs(sound[HOP_SAMPLES:])
            probability = self._streams[phase].probability(sound) if level > _NO_SOUND_DBFS else 0.0
            detected_s = self._clock()
            window = Window(start, end, self._without_echo(probability, end), level, tail)
            self._state, signal = advance(self._state, window, self._settings)
            if signal is not None and not (isinstance(signal, Progress) and phase):
                yield Heard(signal, detected_s)

    def break_off(self) -> Ended | None:
        """The sound is not continuous from here on; gives the END of an open speech."""
        self._state, ended = close(self._state)
        for stream in self._streams:
            stream.reset()
        if self._echo is not None:
            self._echo.break_off()
        self._next_window = self.segment_start = self.ring.end
        self.arrived_s = None
        return ended

    def time_of(self, sample: int) -> float:
        """When a position was heard, reckoned back from the newest arrival."""
        return (self.arrived_s or 0.0) - (self.ring.end - sample) / EARS_HZ

    def _without_echo(self, probability: float, end: int) -> float:
        """The probability, 0 for an echo; where there can be one, one window alone is no START."""
        settings = self._settings
        if self._echo is None or probability < min(settings.candidate, settings.deactivation):
            return probability
        if not self._echo.possible_at(end):
            return probability
        floor = self._state.floor_dbfs
        sound = self.ring.read(max(0, end - HISTORY_SAMPLES), end).samples
        if self._echo.is_echo(end, sound, settings.least_dbfs if floor is None else floor):
            return 0.0
        return min(probability, math.nextafter(settings.fast_activation, 0.0))

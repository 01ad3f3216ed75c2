"""From the speech probability of each window to START, progress and END of speech. Pure.

Theory of operation: in `Quiet` a run of windows that are probable enough is collected; the run becomes a
START by the first path that it satisfies (one very probable window, or enough merely probable ones), and is
forgotten at the first window that is not. In `Talking` the threshold is lower (hysteresis), and
`min_silence_ms` without a voiced window is an END. A window of a START has to stand out of the room's noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from adapters.ports import EARS_HZ


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What counts as speech, and for how long.

    Raises:
        ValueError: a threshold outside 0 to 1, thresholds out of order, or a negative time.
    """

    activation: float = 0.5
    """Probability from which a window counts towards a START by the slow path."""
    fast_activation: float = 0.9
    """Probability from which one window is a START."""
    deactivation: float = 0.35
    """Probability above which a window counts as voiced once speech has started."""
    min_speech_ms: float = 50.0
    """Length of a run that is a START by the slow path."""
    min_silence_ms: float = 550.0
    """Silence that is an END (Silero's own default)."""
    above_floor_db: float = 3.0
    """How far a window of a START has to stand out of the noise floor."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.deactivation <= self.activation <= self.fast_activation <= 1.0:
            raise ValueError(
                f"0 <= deactivation {self.deactivation} <= activation {self.activation} "
                f"<= fast_activation {self.fast_activation} <= 1 does not hold"
            )
        if self.min_speech_ms < 0.0 or self.min_silence_ms < 0.0:
            raise ValueError("min_speech_ms and min_silence_ms cannot be negative")


@dataclass(frozen=True, slots=True)
class Window:
    """One window of sound, judged."""

    start_sample: int
    end_sample: int
    probability: float
    level_dbfs: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nobody is speaking; `run_start` is where the current run of probable windows began."""

    floor_dbfs: float | None = None
    run_start: int | None = None


@dataclass(frozen=True, slots=True)
class Talking:
    """A speech is open."""

    floor_dbfs: float
    onset_sample: int
    voiced_end: int
    voiced_samples: int
    power: float
    """Sum of the voiced windows' mean squares times their samples, over full scale."""


GateState = Quiet | Talking


@dataclass(frozen=True, slots=True)
class Started:
    """START of speech."""

    onset_sample: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Speech goes on (also through a pause shorter than an END takes)."""

    onset_sample: int
    end_sample: int
    voiced_ms: float
    silence_ms: float
    level_dbfs: float


@dataclass(frozen=True, slots=True)
class Ended:
    """END of speech; `end_sample` is after the last voiced window."""

    onset_sample: int
    end_sample: int


Signal = Started | Progress | Ended


def to_ms(samples: int) -> float:
    """Samples at EARS_HZ in ms."""
    return samples * 1000.0 / EARS_HZ


def advance(state: GateState, window: Window, settings: GateSettings) -> tuple[GateState, Signal | None]:
    """The next state, and what the window means."""
    match state:
        case Quiet():
            return _while_quiet(state, window, settings)
        case Talking():
            return _while_talking(state, window, settings)


def close(state: GateState) -> tuple[GateState, Ended | None]:
    """End an open speech now: the person left, was muted, or the sound stopped coming."""
    match state:
        case Quiet():
            return Quiet(state.floor_dbfs), None
        case Talking():
            return Quiet(state.floor_dbfs), Ended(state.onset_sample, state.voiced_end)


def _while_quiet(state: Quiet, window: Window, settings: GateSettings) -> tuple[GateState, Signal | None]:
    floor = state.floor_dbfs if state.floor_dbfs is not None else window.level_dbfs - settings.above_floor_db
    stands_out = window.level_dbfs >= floor + settings.above_floor_db
    if window.probability < settings.activation or not stands_out:
        return Quiet(_followed(floor, window)), None
    run_start = window.start_sample if state.run_start is None else state.run_start
    long_enough = to_ms(window.end_sample - run_start) >= settings.min_speech_ms
    if window.probability >= settings.fast_activation or long_enough:
        samples = window.end_sample - run_start
        power = samples * _mean_square(window.level_dbfs)
        return Talking(floor, run_start, window.end_sample, samples, power), Started(run_start)
    return Quiet(floor, run_start), None


def _while_talking(state: Talking, window: Window, settings: GateSettings) -> tuple[GateState, Signal | None]:
    fresh = window.end_sample - max(window.start_sample, state.voiced_end)
    if window.probability > settings.deactivation:
        state = Talking(
            state.floor_dbfs,
            state.onset_sample,
            window.end_sample,
            state.voiced_samples + fresh,
            state.power + fresh * _mean_square(window.level_dbfs),
        )
    silence_ms = to_ms(window.end_sample - state.voiced_end)
    if silence_ms >= settings.min_silence_ms:
        return Quiet(state.floor_dbfs), Ended(state.onset_sample, state.voiced_end)
    level_dbfs = 10.0 * math.log10(max(1e-12, state.power / max(1, state.voiced_samples)))
    return state, Progress(
        state.onset_sample, window.end_sample, to_ms(state.voiced_samples), silence_ms, level_dbfs
    )


def _followed(floor_dbfs: float, window: Window) -> float:
    """The noise floor falls at once and rises by 0.1 dB a window (3 dB a second)."""
    return min(window.level_dbfs, floor_dbfs + 0.1)


def _mean_square(level_dbfs: float) -> float:
    return 10.0 ** (level_dbfs / 10.0)

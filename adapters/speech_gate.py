"""From the speech probability of each window to START, progress and END of speech. Pure.

Theory of operation. Windows may overlap (two detector streams half a window apart give one every 16 ms). In
`Quiet` a run of windows is collected that are probable at all, stand out of the room's noise and do not die
away; the run becomes a START by the first path that it satisfies: one very probable window, or enough of them
with the last two probable on average. It is forgotten at the first window that does not fit. What dies away
within a window is a knock or a click: speech that begins gets louder. In `Talking` one threshold is left
(hysteresis), and `min_silence_ms` without a voiced window is an END. The defaults were chosen with
`benchmarks/false_starts.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import assert_never

from adapters.ports import EARS_HZ

_FLOOR_RISE_DB_PER_S = 3.0


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What counts as speech, and for how long.

    Raises:
        ValueError: thresholds outside 0 to 1 or out of order, or a negative time.
    """

    candidate: float = 0.3
    """Probability from which a window can be part of a run at all."""
    activation: float = 0.5
    """Mean probability of the last two windows from which a run of `min_speech_ms` is a START."""
    fast_activation: float = 0.9
    """Probability from which a single window is a START."""
    deactivation: float = 0.35
    """Probability above which a window counts as voiced once speech has started."""
    min_speech_ms: float = 48.0
    """Length of a run that is a START; 48 ms are two windows half a window apart."""
    min_silence_ms: float = 550.0
    """Silence that is an END (Silero's own default)."""
    above_floor_db: float = 3.0
    """How far a window of a run stands out of the noise floor."""
    least_dbfs: float = -60.0
    """Below this no window is part of a run."""
    max_decay_db: float = 1.0
    """How much quieter the second half of a window of a run may be than the whole of it."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.candidate <= self.activation <= self.fast_activation <= 1.0:
            raise ValueError(
                f"0 <= candidate {self.candidate} <= activation {self.activation} "
                f"<= fast_activation {self.fast_activation} <= 1 does not hold"
            )
        if not 0.0 <= self.deactivation <= 1.0:
            raise ValueError(f"deactivation {self.deactivation} is outside 0 to 1")
        if self.min_speech_ms < 0.0 or self.min_silence_ms < 0.0:
            raise ValueError("min_speech_ms and min_silence_ms cannot be negative")


@dataclass(frozen=True, slots=True)
class Window:
    """One window of sound, judged."""

    start_sample: int
    end_sample: int
    probability: float
    level_dbfs: float
    tail_dbfs: float
    """Level of the second half."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nobody is speaking, as far as is known."""

    floor_dbfs: float | None = None
    run_start: int | None = None
    """Where the current run began."""
    before: float = 0.0
    """Probability of the run's last window."""


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
        case _:
            assert_never(state)


def close(state: GateState) -> tuple[GateState, Ended | None]:
    """End an open speech now: the person left, was muted, or the sound stopped coming."""
    match state:
        case Quiet():
            return Quiet(state.floor_dbfs), None
        case Talking():
            return Quiet(state.floor_dbfs), Ended(state.onset_sample, state.voiced_end)
        case _:
            assert_never(state)


def _while_quiet(state: Quiet, window: Window, settings: GateSettings) -> tuple[GateState, Signal | None]:
    known = state.floor_dbfs
    floor = window.level_dbfs - settings.above_floor_db if known is None else known
    risen = _risen(floor, window)
    if not _fits(window, floor, settings):
        return Quiet(risen), None
    run_start = window.start_sample if state.run_start is None else state.run_start
    enough = (
        to_ms(window.end_sample - run_start) >= settings.min_speech_ms
        and state.before + window.probability >= 2.0 * settings.activation
    )
    if window.probability < settings.fast_activation and not enough:
        return Quiet(risen, run_start, window.probability), None
    samples = window.end_sample - run_start
    power = samples * _mean_square(window.level_dbfs)
    return Talking(risen, run_start, window.end_sample, samples, power), Started(run_start)


def _fits(window: Window, floor_dbfs: float, settings: GateSettings) -> bool:
    """Whether a window can be part of a run."""
    return (
        window.probability >= settings.candidate
        and window.level_dbfs >= max(floor_dbfs + settings.above_floor_db, settings.least_dbfs)
        and window.tail_dbfs >= window.level_dbfs - settings.max_decay_db
    )


def _while_talking(state: Talking, window: Window, settings: GateSettings) -> tuple[GateState, Signal | None]:
    if window.probability > settings.deactivation:
        fresh = window.end_sample - max(window.start_sample, state.voiced_end)
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


def _risen(floor_dbfs: float, window: Window) -> float:
    """The noise floor falls at once and rises slowly; half a window is what a window adds at the least."""
    seconds = (window.end_sample - window.start_sample) / 2.0 / EARS_HZ
    return min(window.level_dbfs, floor_dbfs + _FLOOR_RISE_DB_PER_S * seconds)


def _mean_square(level_dbfs: float) -> float:
    return 10.0 ** (level_dbfs / 10.0)

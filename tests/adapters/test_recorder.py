from __future__ import annotations

import numpy as np
import pytest

from adapters.ports import AudioFrame
from adapters.recorder import Recorder

HZ = 16_000
FRAME = HZ // 100


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def record(arrivals_s: list[float], loud: range) -> np.ndarray:
    clock = Clock()
    recorder = Recorder(clock=clock)
    for n, at_s in enumerate(arrivals_s):
        clock.now_s = at_s
        level = 8000 if n in loud else 0
        recorder.on_audio("ada", AudioFrame(np.full(FRAME, level, dtype=np.int16).tobytes(), HZ))
    return recorder.recording(HZ)["ada"]


def loud_ms(samples: np.ndarray) -> tuple[float, float]:
    at = np.flatnonzero(samples > 4000)
    return at[0] * 1000 / HZ, (at[-1] + 1) * 1000 / HZ


def test_a_steady_track_is_put_where_it_was_heard() -> None:
    arrivals = [0.5 + 0.01 * (n + 1) for n in range(200)]
    assert loud_ms(record(arrivals, range(50, 100))) == pytest.approx((1000, 1500), abs=2)


def test_a_stall_of_the_listener_moves_nothing() -> None:
    arrivals = [0.5 + 0.01 * (n + 1) for n in range(200)]
    late = [max(at_s, 1.3) if 60 <= n < 80 else at_s for n, at_s in enumerate(arrivals)]
    assert loud_ms(record(late, range(50, 100))) == pytest.approx((1000, 1500), abs=2)


def test_a_pause_of_the_track_is_kept() -> None:
    arrivals = [0.01 * (n + 1) + (2.0 if n >= 100 else 0.0) for n in range(200)]
    assert loud_ms(record(arrivals, range(100, 120))) == pytest.approx((3000, 3200), abs=2)

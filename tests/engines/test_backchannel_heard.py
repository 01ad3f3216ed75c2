"""What the backchannel benchmark reads off a recording is checked on recordings made up for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.engines.sound import unrepeated_sound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

HZ = 16_000
MADE = unrepeated_sound(4_000, HZ)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import backchannel_heard

    yield backchannel_heard
    del sys.modules["backchannel_heard"]


def recording(*parts: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 60, sum(map(len, parts)) + HZ)
    noise[: len(noise) - HZ] += np.concatenate(parts)
    return noise.astype(np.int16)


def silence(ms: int) -> np.ndarray:
    return np.zeros(HZ * ms // 1000)


def made(from_ms: int, to_ms: int) -> np.ndarray:
    return MADE[HZ * from_ms // 1000 : HZ * to_ms // 1000]


def test_a_speech_that_goes_on_after_a_pause_lost_nothing(heard: ModuleType) -> None:
    got = heard.follow(MADE, recording(silence(200), made(0, 1_250), silence(400), made(1_250, 4_000)), HZ)
    assert (got.lost_ms, got.doubled_ms) == (0, 0)
    assert got.found_ms == 4_000
    assert got.later_ms == pytest.approx(400, abs=1)


def test_what_was_left_out_is_lost(heard: ModuleType) -> None:
    got = heard.follow(MADE, recording(made(0, 1_200), silence(300), made(1_500, 4_000)), HZ)
    assert got.lost == ((1_200, 1_300), (1_300, 1_400), (1_400, 1_500))
    assert got.later_ms == pytest.approx(0, abs=1)


def test_what_comes_twice_is_doubled(heard: ModuleType) -> None:
    got = heard.follow(MADE, recording(made(0, 1_500), silence(300), made(1_300, 4_000)), HZ)
    assert got.doubled_ms == pytest.approx(200, abs=20)
    assert got.lost_ms == 0


def test_a_speech_that_is_cut_off_ends_there(heard: ModuleType) -> None:
    got = heard.follow(MADE, recording(made(0, 1_500), silence(2_000)), HZ)
    assert (got.found_ms, got.lost_ms, got.later_ms) == (1_500, 0, 0)


def test_another_sound_is_not_the_speech(heard: ModuleType) -> None:
    assert heard.follow(MADE, unrepeated_sound(3_000, HZ, seed=7), HZ) is None

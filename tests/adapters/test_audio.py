from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.audio import SILENT_DBFS, MonoStream, Resampler, level_dbfs, mono_samples, resample
from adapters.errors import UnsupportedAudioError
from adapters.ports import EARS_HZ, AudioFrame

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def tone(hz: float, rate: int, seconds: float = 0.5, level: float = 0.3) -> np.ndarray:
    t = np.arange(int(rate * seconds)) / rate
    return np.rint(32767 * level * np.sin(2 * math.pi * hz * t)).astype(np.int16)


@given(
    rate=st.sampled_from(RATES),
    channels=st.sampled_from((1, 2)),
    cuts=st.lists(st.integers(0, 700), max_size=30),
)
def test_whatever_the_frames_as_much_time_comes_out_as_went_in(
    rate: int, channels: int, cuts: list[int]
) -> None:
    stream = MonoStream()
    taken = given_back = 0
    for cut in cuts:
        out = stream.push(AudioFrame(bytes(2 * channels * cut), rate, channels))
        taken += cut
        given_back += len(out)
        assert out.dtype == np.int16
    assert given_back == pytest.approx(taken * EARS_HZ / rate, abs=5)


@settings(max_examples=40)
@given(rate=st.sampled_from(RATES), cuts=st.lists(st.integers(1, 900), min_size=1, max_size=12))
def test_frame_boundaries_do_not_change_the_sound(rate: int, cuts: list[int]) -> None:
    sound = tone(440.0, rate, 1.0)[: sum(cuts)]
    whole = Resampler(rate, EARS_HZ).push(sound)
    pieces = Resampler(rate, EARS_HZ)
    edges = list(itertools.accumulate(cuts, initial=0))
    out = np.concatenate([pieces.push(sound[a:b]) for a, b in itertools.pairwise(edges)])
    shared = min(len(whole), len(out))
    assert abs(len(whole) - len(out)) <= 4
    assert np.abs(whole[:shared].astype(int) - out[:shared]).max(initial=0) <= 2


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate != EARS_HZ])
def test_the_stated_delay_is_the_real_one_and_below_3_ms(rate: int) -> None:
    resampler = Resampler(rate, EARS_HZ)
    quiet, loud = np.zeros(rate // 10, np.int16), tone(300.0, rate, 0.1, 0.8)
    out = resampler.push(np.concatenate((quiet, loud)))
    reference = tone(300.0, EARS_HZ, 0.1, 0.8)
    late = [
        float(np.dot(out[1600 + k : 2400 + k].astype(float), reference[:800].astype(float)))
        for k in range(60)
    ]
    assert int(np.argmax(late)) / 16 == pytest.approx(resampler.delay_ms, abs=0.3)
    assert resampler.delay_ms < 3.0


def test_16_khz_mono_passes_through_untouched() -> None:
    sound = tone(700.0, EARS_HZ)
    assert np.array_equal(MonoStream().push(AudioFrame(sound.tobytes(), EARS_HZ)), sound)


def test_what_ears_cannot_hold_is_filtered_out_and_not_folded_back() -> None:
    folded = Resampler(48_000, EARS_HZ).push(tone(11_000.0, 48_000))
    kept = Resampler(48_000, EARS_HZ).push(tone(1_000.0, 48_000))
    assert level_dbfs(folded[200:]) < level_dbfs(kept[200:]) - 40.0


def test_stereo_becomes_the_mean_of_its_channels() -> None:
    pairs = np.array([[100, 300], [-200, 0], [32767, 32767], [-32768, -32768]], np.int16)
    mixed = mono_samples(AudioFrame(pairs.tobytes(), EARS_HZ, 2))
    assert mixed.tolist() == [200, -100, 32767, -32768]


def test_format_may_change_between_frames() -> None:
    stream = MonoStream()
    first = stream.push(AudioFrame(tone(400.0, 48_000, 0.1).tobytes(), 48_000))
    second = stream.push(AudioFrame(tone(400.0, 8_000, 0.1).tobytes(), 8_000))
    assert len(first) == pytest.approx(1600, abs=3)
    assert len(second) == pytest.approx(1600, abs=5)


@pytest.mark.parametrize(
    ("pcm", "rate", "channels", "named"),
    [
        (b"\0\0", 7_999, 1, "7999"),
        (b"\0\0", 48_001, 1, "48001"),
        (b"\0\0\0\0\0\0", 16_000, 3, "3 channels"),
        (b"\0\0", 16_000, 0, "0 channels"),
        (b"\0", 16_000, 1, "1 bytes"),
        (b"\0\0", 16_000, 2, "2 bytes"),
    ],
)
def test_other_formats_are_refused_with_a_reason(pcm: bytes, rate: int, channels: int, named: str) -> None:
    with pytest.raises(UnsupportedAudioError, match=named):
        MonoStream().push(AudioFrame(pcm, rate, channels))


@pytest.mark.parametrize(("from_hz", "to_hz"), [(22_050, 48_000), (16_000, 24_000), (48_000, 16_000)])
def test_a_whole_recording_keeps_length_and_level(from_hz: int, to_hz: int) -> None:
    sound = tone(440.0, from_hz, 1.0)
    out = resample(sound, from_hz, to_hz)
    assert len(out) == pytest.approx(to_hz, abs=2)
    assert level_dbfs(out) == pytest.approx(level_dbfs(sound), abs=0.2)


def test_flush_gives_back_what_the_low_delay_filter_still_held() -> None:
    resampler = Resampler(48_000, EARS_HZ)
    out = np.concatenate((resampler.push(tone(500.0, 48_000, 0.1)), resampler.flush()))
    assert len(out) == pytest.approx(1600 + resampler.delay_ms * 16, abs=3)


def test_levels() -> None:
    assert level_dbfs(np.zeros(0, np.int16)) == SILENT_DBFS
    assert level_dbfs(np.zeros(512, np.int16)) == SILENT_DBFS
    assert level_dbfs(np.full(512, -32768, np.int16)) == pytest.approx(0.0)
    assert level_dbfs(tone(1000.0, EARS_HZ, 1.0, level=0.1)) == pytest.approx(-23.0, abs=0.1)

"""What the real-room tests and the benchmark measure with is itself checked on recordings made up for it."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.engines.listener import (
    Interval,
    TrackRecording,
    audible_intervals,
    first_loud_s,
    last_loud_s,
    overlap_ms,
    write_wav,
)
from tests.engines.person import Speech
from tests.engines.sound import find_pieces, unrepeated_sound

if TYPE_CHECKING:
    from pathlib import Path

HZ = 16_000
LOUD, QUIET = (np.full(HZ // 100, level, np.int16).tobytes() for level in (1000, 3))


def heard(pattern: str, *, late: dict[int, float] | None = None, start_s: float = 100.0) -> TrackRecording:
    """A track of frames, '#' loud and '.' quiet; `late` delays the arrival of single frames, in s."""
    track = TrackRecording("agent", HZ)
    for n, mark in enumerate(pattern):
        track.add(start_s + 0.01 * (n + 1) + (late or {}).get(n, 0.0), LOUD if mark == "#" else QUIET)
    return track


def test_last_and_first_loud_sample_are_found() -> None:
    track = heard("..###..##..")
    assert first_loud_s(track) == pytest.approx(100.03)
    assert last_loud_s(track) == pytest.approx(100.09)
    assert last_loud_s(track, before_s=100.06) == pytest.approx(100.05)
    assert first_loud_s(track, after_s=100.055) == pytest.approx(100.08)
    assert last_loud_s(heard("....")) is None


def test_frames_that_the_reader_took_late_are_put_where_they_were_heard() -> None:
    track = heard("####....", late={2: 0.025, 3: 0.015, 4: 0.005})
    assert last_loud_s(track) == pytest.approx(100.04)


def test_a_break_in_the_delivery_moves_nothing_before_it() -> None:
    track = heard("###")
    track.add(105.0, LOUD)
    assert track.times_s()[:3] == pytest.approx([100.01, 100.02, 100.03])


def test_intervals_bridge_only_short_silences() -> None:
    track = heard("##.##.....##")
    assert [round(i.ms) for i in audible_intervals(track)] == [20, 20, 20]
    assert [round(i.ms) for i in audible_intervals(track, bridge_ms=20)] == [50, 20]


def test_overlap_is_the_time_in_both() -> None:
    one, other = [Interval(0.0, 1.0), Interval(2.0, 3.0)], [Interval(0.9, 2.1)]
    assert overlap_ms(one, other) == pytest.approx(200)
    assert overlap_ms(one, [Interval(1.0, 2.0)]) == 0


def test_wav_has_a_channel_for_each_track_by_arrival(tmp_path: Path) -> None:
    write_wav(tmp_path / "heard.wav", [heard("##.."), heard("##", start_s=100.02)])
    with wave.open(str(tmp_path / "heard.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, HZ)
        sound = np.frombuffer(file.readframes(HZ // 25), np.int16).reshape(-1, 2)
    assert [int(sound[at, 0]) for at in (0, HZ // 50 + 5)] == [1000, 3]
    assert [int(sound[at, 1]) for at in (0, HZ // 50 + 5)] == [0, 1000]


def test_onset_is_the_first_of_three_loud_frames() -> None:
    frames = [3, 900, 3, 3, 900, 900, 900]
    speech = Speech("made up", HZ, np.repeat(np.array(frames, np.int16), HZ // 100))
    assert speech.onset_frame() == 4
    with pytest.raises(ValueError, match="no speech"):
        speech.cut(0, 40).onset_frame()


def test_lost_and_doubled_pieces_are_found() -> None:
    made = unrepeated_sound(1_000, HZ)
    noise = np.random.default_rng(1).normal(0, 100, 2 * HZ)
    lost, doubled = slice(3_200, 4_800), slice(8_000, 9_600)
    recording = np.concatenate((made[: lost.start], made[lost.stop :], np.zeros(HZ // 2), made[doubled]))
    recording = (recording + noise[: len(recording)]).astype(np.int16)

    pieces = [(n * 100.0, (n + 1) * 100.0) for n in range(10)]
    found = find_pieces(made, recording, HZ, pieces=pieces)

    assert [piece.made_ms for piece in found if piece.likeness < 0.5] == [200.0]
    assert [piece.made_ms for piece in found if piece.second > 0.8] == [500.0]
    assert [round(piece.heard_ms) for piece in found[:2]] == [0, 100]

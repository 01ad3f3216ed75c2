from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engines.person import read_speech

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
AUDIO = Path(__file__).parent.parent / "data" / "audio"


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """The script as a module; it imports its neighbours by plain name, as a script does."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import false_starts
    finally:
        sys.path.remove(str(BENCHMARKS))
    return false_starts


async def test_without_speech_ours_start_no_more_often_than_silero_does(benchmark: Any) -> None:
    result = await benchmark.measure(seeds=(4, 8, 9), share=0.1, with_speech=False)
    ours, silero = map(sum, zip(*result.runs, strict=True))
    assert result.seconds == pytest.approx(60.0)
    assert silero > 0, "sounds that nobody mistakes for speech show nothing"
    assert ours <= silero
    assert result.minus_silero <= 0
    assert (ours, silero) == tuple(map(sum, zip(*result.by_kind.values(), strict=True)))


@pytest.mark.parametrize("recording", ["jfk", "ps_goforward", "ps_numbers", "ps_librivox_0890"])
def test_a_microphone_that_is_switched_on_in_a_noisy_room_is_no_speech(
    benchmark: Any, recording: str
) -> None:
    tone = read_speech(AUDIO / f"{recording}.wav").room_tone().samples
    for shift in range(8):
        muted = np.zeros(benchmark.FRAME * (100 + shift), dtype=np.int16)
        room = np.resize(np.roll(tone, shift * len(tone) // 8), 2 * benchmark.HZ)
        assert benchmark.our_starts(np.concatenate((muted, room))) == []


async def test_short_soft_words_in_a_noisy_room_are_found_and_sooner(benchmark: Any) -> None:
    pytest.importorskip("espeakng_loader", reason="dependency group `offline` is not installed")
    from livekit.plugins import silero

    vad = silero.VAD.load()
    ours, theirs = benchmark.Found(), benchmark.Found()
    for stimulus in benchmark.words(voices=("en-us+f3",), levels=(-38.0,), snrs=(5.0, 10.0), seed=3):
        ours.add(stimulus, benchmark.our_starts(stimulus.samples))
        theirs.add(stimulus, await benchmark.silero_starts(vad, stimulus.samples))
    assert ours.missed == []
    assert ours.early == 0
    assert ours.median_ms <= theirs.median_ms - 20.0


def test_the_sounds_are_made_alike_from_a_seed_and_at_the_stated_level(benchmark: Any) -> None:
    from noise import HZ, PLAN, ten_minutes

    first, again, other = (ten_minutes(seed, share=0.02) for seed in (5, 5, 6))
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.samples, b.samples) for a, b in zip(first, other, strict=True))
    assert sum(seconds * len(levels) for _, seconds, levels in PLAN) == 600.0
    white = next(piece for piece in first if piece.kind == "white")
    rms = np.sqrt(np.mean((white.samples / 32768.0) ** 2))
    assert 20 * np.log10(rms) == pytest.approx(white.level_dbfs, abs=1.0)
    assert len(white.samples) == int(10 * 0.02 * HZ)


def test_figures_are_json_with_the_peer_beside_ours(benchmark: Any) -> None:
    result = benchmark.FalseStarts(runs=[(2, 5), (4, 3), (1, 1)])
    result.found["words"] = (benchmark.Found([50.0, 70.0], ["wait"]), benchmark.Found([100.0]))
    figures = {f["name"]: f for f in json.loads(json.dumps(result.figures()))}
    assert figures["false_starts_minus_silero"]["value"] == 0
    assert figures["false_starts_minus_silero"]["runs"] == [-3, 1, 0]
    assert figures["onset_to_start_words_median_ms"]["value"] == 60.0
    assert figures["onset_to_start_words_median_ms"]["peers"] == {"silero_defaults": 100.0}
    assert figures["missed_words"] == {
        "name": "missed_words",
        "value": 1,
        "unit": "of 3",
        "peers": {"silero_defaults": 0},
    }

from __future__ import annotations

import subprocess
import sys

import numpy as np

from adapters import silero
from adapters.silero import WINDOW_SAMPLES, SileroStream
from tests.adapters.hearing_aids import recording, room_noise, to_int16


def probabilities(stream: SileroStream, sound: np.ndarray) -> list[float]:
    whole = len(sound) // WINDOW_SAMPLES * WINDOW_SAMPLES
    return [stream.probability(sound[at : at + WINDOW_SAMPLES]) for at in range(0, whole, WINDOW_SAMPLES)]


def test_speech_is_probable_and_noise_is_not() -> None:
    speech = recording("ps_goforward")
    assert float(np.median(probabilities(SileroStream(), speech[8000:24000]))) > 0.9
    assert max(probabilities(SileroStream(), to_int16(room_noise(16_000, -40.0)))) < 0.3


def test_streams_share_the_model_and_not_the_state() -> None:
    speech = recording("ps_librivox_0880")[:16_000]
    alone = probabilities(SileroStream(), speech)
    first, second = SileroStream(), SileroStream()
    noise = to_int16(room_noise(16_000, -30.0))
    beside: list[float] = []
    for at in range(0, 16_000 - WINDOW_SAMPLES, WINDOW_SAMPLES):
        beside.append(first.probability(speech[at : at + WINDOW_SAMPLES]))
        second.probability(noise[at : at + WINDOW_SAMPLES])
    assert beside == alone[: len(beside)]


def test_reset_forgets_what_came_before() -> None:
    speech = recording("ps_librivox_0880")[:16_000]
    stream = SileroStream()
    first = probabilities(stream, speech)
    stream.reset()
    assert probabilities(stream, speech) == first


def test_nothing_heavy_is_imported_before_it_is_needed_nor_the_agents_framework_ever() -> None:
    script = (
        "import sys, adapters.ears as ears\n"
        "heavy = ('onnxruntime', 'livekit', 'soxr')\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "ears.load()\n"
        "print([name for name in ('onnxruntime', 'livekit.agents') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines() == ["[]", "['onnxruntime']"]


def test_loading_again_costs_nothing() -> None:
    silero.load()
    assert SileroStream()._model._sess is SileroStream()._model._sess

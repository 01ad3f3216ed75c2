"""How far the bundled recogniser is to be believed: synthesised words in several voices, and people's speech.

`uv run python benchmarks/offline_recogniser.py [--json]`. Acknowledgements and commands are synthesised for
want of free recordings of people's. The people in the recordings say none, so each that is sure there is
an error.
"""

from __future__ import annotations

import argparse
import json
import time
import wave
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from host_agent.offline.decoding import HZ, STEP_BYTES, Models, SpeechDecoder
from host_agent.offline.grammar import COMMANDS
from host_agent.offline.voice import EspeakVoice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

AUDIO = Path(__file__).parent.parent / "tests" / "data" / "audio"
SURE = 0.5
ACKNOWLEDGE = (
    "yeah",
    "yep",
    "okay",
    "uh-huh",
    "mm-hmm",
    "hmm",
    "right",
    "sure",
    "got it",
    "alright",
    "i see",
    "aha",
)
COMMAND = ("stop", "wait", "no", "hold on", "pause", "but wait", "hang on", "excuse me", "halt", "no stop")
OTHER = (
    *("table", "seven", "monday", "hello", "computer", "water", "why", "maybe", "later", "please", "rather"),
    *("book", "kitchen", "people", "walk", "house", "summer", "star", "note", "holding", "toward", "site"),
    *("shore", "rye", "yellow"),
)
VOICES = (("en-us", 175), ("en-gb-x-rp", 160), ("en-us+f3", 175), ("en-us+m3", 190), ("en-us-nyc", 170))


def synthesised(words: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    noise = np.random.default_rng(5)
    for voice, rate_wpm in VOICES:
        speaker = EspeakVoice(voice, rate_wpm=rate_wpm)
        for word in words:
            speech = speaker.synthesise_blocking(word)
            sound = soxr.resample(np.frombuffer(speech.pcm, np.int16), speech.sample_rate_hz, HZ) * 0.5
            samples: NDArray[np.float64] = noise.normal(0, 10, len(sound) + HZ // 2)
            samples[HZ // 5 : HZ // 5 + len(sound)] += sound
            yield word, samples.astype(np.int16).tobytes()


def people() -> Iterator[tuple[str, bytes]]:
    for path in sorted(AUDIO.glob("*.wav")):
        with wave.open(str(path), "rb") as file:
            pcm = file.readframes(file.getnframes())
        for from_ms in range(0, len(pcm) // 32 - 700, 700):
            yield f"{path.stem} at {from_ms} ms", pcm[from_ms * 32 : (from_ms + 1100) * 32]


def measure(
    kind: str, speeches: Iterator[tuple[str, bytes]], decoder: SpeechDecoder
) -> dict[str, float | str]:
    count: Counter[str] = Counter()
    sound_s = work_s = 0.0
    for word, pcm in speeches:
        began = time.process_time()
        decoder.begin()
        for at in range(0, len(pcm), STEP_BYTES):
            decoder.take(pcm[at : at + STEP_BYTES])
        text, confidence = decoder.finish()
        work_s += time.process_time() - began
        sound_s += len(pcm) / 2 / HZ
        count["n"] += 1
        count["exact"] += text == word
        if confidence is not None and confidence >= SURE:
            count["sure_command" if text in COMMANDS else "sure_acknowledgement"] += 1
            count["sure_and_exact"] += text == word
    columns = ("n", "exact", "sure_and_exact", "sure_acknowledgement", "sure_command")
    return {"what": kind, **{name: count[name] for name in columns}, "cpu_share": round(work_s / sound_s, 3)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    as_json = arguments.parse_args().json
    decoder = SpeechDecoder(Models())
    rows = [
        measure("acknowledgements", synthesised(ACKNOWLEDGE), decoder),
        measure("commands", synthesised(COMMAND), decoder),
        measure("other words", synthesised(OTHER), decoder),
        measure("people", people(), decoder),
    ]
    if as_json:
        print(json.dumps({"rows": rows}))
        return
    print("  ".join(f"{name:>20}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>20}" for value in row.values()))


if __name__ == "__main__":
    main()

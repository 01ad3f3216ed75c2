"""False starts on ten minutes without speech, and how soon speech is found: our ears and Silero's defaults.

Both hear the same samples in the same 10 ms frames, faster than real time: ours through
`adapters.ears.Ears`, the peer through livekit-plugins-silero's own `VAD.load().stream()` with its defaults.
Times are audio time: from the first loud sample of the speech to the end of the frame after which START was
reported.

Three times ten minutes, each from another seed. The thresholds were chosen on other seeds, on the first three
recordings and the first four voices only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from noise import HZ, PLAN, ROOM_DBFS, ten_minutes
from words import VOICES, phrases, words

from adapters.ears import Ears
from adapters.ports import AudioFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from words import Stimulus

    from adapters.ports import SpeechEnded, SpeechProgress, SpeechStarted, WordsHeard

FRAME = HZ // 100
SEEDS = (20_261, 20_262, 20_263)
SOFT_DBFS = (-30.0, -38.0, -45.0)
SNRS_DB = (10.0, 5.0)
RECORDINGS = ("jfk", "ps_goforward", "ps_librivox_0870", "ps_librivox_0880", "ps_librivox_0890", "ps_numbers")
FOUND_WITHIN = int(0.3 * HZ)
"""A START later than this after the end of the word has missed it."""


class _Starts:
    """Notes where the ears reported START."""

    def __init__(self) -> None:
        self.at: list[int] = []
        self.heard = 0

    def on_speech_started(self, event: SpeechStarted) -> None:
        self.at.append(self.heard)

    def on_speech_progress(self, event: SpeechProgress) -> None: ...
    def on_words(self, event: WordsHeard) -> None: ...
    def on_speech_ended(self, event: SpeechEnded) -> None: ...


def our_starts(samples: NDArray[np.int16]) -> list[int]:
    """Samples that our ears had heard at each START."""
    now = 0.0
    ears = Ears(is_person=lambda _: True, clock=lambda: now)
    starts = _Starts()
    ears.add_listener(starts)
    for at in range(0, len(samples) - FRAME + 1, FRAME):
        starts.heard = at + FRAME
        now = starts.heard / HZ
        ears.on_audio("person", AudioFrame(samples[at : at + FRAME].tobytes(), HZ))
    ears.close()
    return starts.at


async def silero_starts(vad: Any, samples: NDArray[np.int16]) -> list[int]:
    """Samples that the plugin's stream had been given at each START (rounded up to the frame)."""
    from livekit import rtc
    from livekit.agents.vad import VADEventType

    stream = vad.stream()
    for at in range(0, len(samples) - FRAME + 1, FRAME):
        stream.push_frame(rtc.AudioFrame(samples[at : at + FRAME].tobytes(), HZ, 1, FRAME))
    stream.end_input()
    starts = [
        -(-event.samples_index // FRAME) * FRAME
        async for event in stream
        if event.type == VADEventType.START_OF_SPEECH
    ]
    await stream.aclose()
    return starts


@dataclass(slots=True)
class Found:
    """How one detector did on a set of stimuli."""

    delays_ms: list[float] = field(default_factory=list[float])
    missed: list[str] = field(default_factory=list[str])
    early: int = 0

    def add(self, stimulus: Stimulus, starts: list[int]) -> None:
        self.early += sum(at <= stimulus.onset for at in starts)
        after = [at for at in starts if at > stimulus.onset]
        if after and after[0] <= stimulus.end + FOUND_WITHIN:
            self.delays_ms.append((after[0] - stimulus.onset) * 1000.0 / HZ)
        else:
            self.missed.append(stimulus.name)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.delays_ms) if self.delays_ms else float("inf")

    @property
    def p95_ms(self) -> float:
        return float(np.percentile(self.delays_ms, 95)) if self.delays_ms else float("inf")


@dataclass(slots=True)
class FalseStarts:
    """What was measured."""

    runs: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Ours and Silero's of each run."""
    seconds: float = 0.0
    """Of one run."""
    by_kind: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """Ours and Silero's, all runs together."""
    found: dict[str, tuple[Found, Found]] = field(default_factory=dict[str, tuple[Found, Found]])

    @property
    def minus_silero(self) -> int:
        """The figure `false_starts_minus_silero`: median of the runs; at most 0 is the goal."""
        return int(statistics.median_low([ours - silero for ours, silero in self.runs]))

    def figures(self) -> list[dict[str, Any]]:
        """As `--json` gives them."""
        figures: list[dict[str, Any]] = [
            {
                "name": "false_starts_minus_silero",
                "value": self.minus_silero,
                "unit": "count",
                "peers": {},
                "runs": [ours - silero for ours, silero in self.runs],
            },
            {
                "name": f"false_starts_{len(self.runs)}_runs",
                "value": sum(ours for ours, _ in self.runs),
                "unit": "count",
                "peers": {"silero_defaults": sum(silero for _, silero in self.runs)},
            },
        ]
        for name, (ours, silero) in self.found.items():
            for what, unit in (("median_ms", "ms"), ("p95_ms", "ms")):
                figures.append(
                    {
                        "name": f"onset_to_start_{name}_{what}",
                        "value": round(getattr(ours, what), 1),
                        "unit": unit,
                        "peers": {"silero_defaults": round(getattr(silero, what), 1)},
                    }
                )
            figures.append(
                {
                    "name": f"missed_{name}",
                    "value": len(ours.missed),
                    "unit": f"of {len(ours.missed) + len(ours.delays_ms)}",
                    "peers": {"silero_defaults": len(silero.missed)},
                }
            )
        return figures


def stimuli() -> dict[str, list[Stimulus]]:
    """What has to be found."""
    return {
        "recordings": phrases(RECORDINGS, seed=SEEDS[0])
        + phrases(RECORDINGS, level_dbfs=-30.0, snr_db=10.0, seed=SEEDS[0] + 1),
        "words": words(levels=(-24.0,), snrs=(None,), seed=SEEDS[0] + 2),
        "soft_words_in_noise": words(levels=SOFT_DBFS, snrs=SNRS_DB, voices=VOICES[::2], seed=SEEDS[0] + 3),
    }


async def measure(
    *, seeds: tuple[int, ...] = SEEDS, share: float = 1.0, with_speech: bool = True
) -> FalseStarts:
    """Hear everything with both; `share` below 1 takes shorter pieces of noise."""
    from livekit.plugins import silero

    vad = silero.VAD.load()
    result = FalseStarts()
    for seed in seeds:
        run = (0, 0)
        result.seconds = 0.0
        for piece in ten_minutes(seed, share=share):
            name = f"{piece.kind} {piece.level_dbfs:.0f} dBFS"
            counts = (len(our_starts(piece.samples)), len(await silero_starts(vad, piece.samples)))
            before = result.by_kind.get(name, (0, 0))
            result.by_kind[name] = (before[0] + counts[0], before[1] + counts[1])
            run = (run[0] + counts[0], run[1] + counts[1])
            result.seconds += len(piece.samples) / HZ
        result.runs.append(run)
    for name, items in stimuli().items() if with_speech else ():
        ours, theirs = result.found[name] = (Found(), Found())
        for item in items:
            ours.add(item, our_starts(item.samples))
            theirs.add(item, await silero_starts(vad, item.samples))
    return result


def environment() -> dict[str, Any]:
    """Where it was measured."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "seeds": SEEDS,
        "room_dbfs": ROOM_DBFS,
    }


def _show(result: FalseStarts, took_s: float) -> None:
    print(
        f"{len(result.runs)} x {result.seconds / 60:.1f} minutes without speech (all heard in {took_s:.0f} s)"
    )
    print(f"  {'kind, level (RMS of its active part)':40s} {'ours':>6s} {'silero':>7s}")
    for name, (ours, silero) in result.by_kind.items():
        if ours or silero:
            print(f"  {name:40s} {ours:6d} {silero:7d}")
    quiet = sum(counts == (0, 0) for counts in result.by_kind.values())
    print(f"  ({quiet} of {len(result.by_kind)} kinds and levels without any)")
    for n, (ours, silero) in enumerate(result.runs, 1):
        print(f"  {f'false starts, run {n}':40s} {ours:6d} {silero:7d}   minus silero: {ours - silero}")
    print(f"  false_starts_minus_silero = {result.minus_silero}  (median of the runs; goal: at most 0)")
    print("onset to START in audio time, ms: median / p95; missed; started before the speech")
    for name, pair in result.found.items():
        for who, found in zip(("ours", "silero defaults"), pair, strict=True):
            total = len(found.delays_ms) + len(found.missed)
            print(
                f"  {name:20s} {who:16s} {found.median_ms:5.0f} / {found.p95_ms:4.0f}   "
                f"missed {len(found.missed)} of {total}   early {found.early}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    parser.add_argument("--plan", action="store_true", help="say what is played, and stop")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of the noise, one a run")
    options = parser.parse_args()
    if options.plan:
        for maker, seconds, levels in PLAN:
            print(f"{maker.__name__:10s} {seconds:4.0f} s at each of {levels} dBFS")
        return
    started = time.monotonic()
    result = asyncio.run(measure(seeds=tuple(options.seeds)))
    if options.json:
        print(json.dumps({"figures": result.figures(), "environment": environment()}))
    else:
        _show(result, time.monotonic() - started)


if __name__ == "__main__":
    main()

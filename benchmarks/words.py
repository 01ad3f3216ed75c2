"""Short words in a noisy room, and phrases of real recordings: what a speech detector has to find.

Words come from espeak-ng (dependency group `offline`), phrases from the repo's recordings. int16 mono at
16 kHz; a stimulus begins with 1.5 s of the room alone.
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from noise import HZ, room, to_int16

from adapters.wav import read_wav

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECORDINGS = Path(__file__).parent.parent / "tests" / "data" / "audio"
WORDS = ("hello", "stop", "wait", "yeah", "mm-hmm", "no", "hold on", "okay", "uh-huh", "sorry")
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb+m3", "en-us+f5", "en-us+m7")
LEAD_S = 1.5
TAIL_S = 1.0


@dataclass(frozen=True, slots=True)
class Stimulus:
    """A piece of speech in its room."""

    name: str
    samples: NDArray[np.int16]
    onset: int
    """Sample of the first loud 10 ms of the speech."""
    end: int


@lru_cache(maxsize=1)
def _espeak() -> tuple[Any, int]:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(2, 100, espeakng_loader.get_data_path().encode(), 0)
    if rate <= 0:
        sys.exit("espeak-ng does not start: install the dependency group `offline`")
    return library, rate


@lru_cache(maxsize=256)
def spoken(text: str, voice: str) -> NDArray[np.float64]:
    """What espeak-ng says, full scale 1.0 at 16 kHz."""
    library, rate = _espeak()
    chunks: list[bytes] = []
    callback_type = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
    )

    def take(wav: Any, count: int, _events: Any) -> int:
        if wav and count > 0:
            chunks.append(ctypes.string_at(wav, count * 2))
        return 0

    callback = callback_type(take)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(voice.encode())
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 0, 0, 1, None, None)
    library.espeak_Synchronize()
    samples = np.frombuffer(b"".join(chunks), np.int16).astype(np.float64) / 32768.0
    return soxr.resample(samples, rate, HZ)


def loud_part(wave: NDArray[np.float64]) -> tuple[int, int]:
    """First and last sample of what is within 30 dB of the loudest 10 ms, for three frames on end."""
    frame = HZ // 100
    rms = np.sqrt(np.mean(wave[: len(wave) // frame * frame].reshape(-1, frame) ** 2, axis=1))
    loud = rms > rms.max() * 10 ** (-30 / 20)
    runs = loud[:-2] & loud[1:-1] & loud[2:]
    return int(np.argmax(runs)) * frame, (len(loud) - int(np.argmax(loud[::-1]))) * frame


def in_room(
    name: str, wave: NDArray[np.float64], level_dbfs: float, snr_db: float | None, seed: int
) -> Stimulus:
    """Speech at a level (RMS of its loud part) in a noisy room (None: a quiet one, -65 dBFS)."""
    random = np.random.default_rng(seed)
    start, end = loud_part(wave)
    lead = int(LEAD_S * HZ) + int(random.integers(0, 512))
    total = lead + len(wave) + int(TAIL_S * HZ)
    rms = np.sqrt(np.mean(wave[start:end] ** 2))
    noise = room(random, total)
    noise_dbfs = -65.0 if snr_db is None else level_dbfs - snr_db
    noise *= 10 ** (noise_dbfs / 20) / np.sqrt(np.mean(noise**2))
    noise[lead : lead + len(wave)] += wave * (10 ** (level_dbfs / 20) / rms)
    return Stimulus(name, to_int16(noise), lead + start, lead + end)


def words(
    *, voices: tuple[str, ...] = VOICES, levels: tuple[float, ...], snrs: tuple[float | None, ...], seed: int
) -> list[Stimulus]:
    """Every word in every voice at every level and signal-to-noise ratio."""
    return [
        in_room(f"{word}/{voice}/{level:.0f}/{snr}", spoken(word, voice), level, snr, seed + n)
        for n, (word, voice, level, snr) in enumerate(
            (w, v, lv, s) for w in WORDS for v in voices for lv in levels for s in snrs
        )
    ]


def phrases(
    names: tuple[str, ...], *, level_dbfs: float = -24.0, snr_db: float | None = None, seed: int = 1
) -> list[Stimulus]:
    """Phrases of the recordings, cut at pauses of 250 ms and more, at most 1.5 s of each."""
    found: list[Stimulus] = []
    frame = HZ // 100
    for name in names:
        wave = read_wav(RECORDINGS / f"{name}.wav").mono(HZ).astype(np.float64) / 32768.0
        rms = np.sqrt(np.mean(wave[: len(wave) // frame * frame].reshape(-1, frame) ** 2, axis=1))
        loud = rms > np.percentile(rms, 90) * 10 ** (-28 / 20)
        quiet = 25
        for at, is_loud in enumerate(loud):
            if is_loud and quiet >= 25:
                cut = wave[max(0, at - 10) * frame : at * frame + int(1.5 * HZ)]
                found.append(in_room(f"{name}@{at * 10}ms", cut, level_dbfs, snr_db, seed + len(found)))
            quiet = 0 if is_loud else quiet + 1
    return found

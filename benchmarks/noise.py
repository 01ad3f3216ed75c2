"""Ten minutes of sound that is not speech, made anew from a seed: noise, music, breath, coughs and the like.

Each kind is made at stated levels (RMS of its active part, in dBFS) in pieces of 10 to 35 s, under which
the room's own faint noise (-62 dBFS) goes on. int16 mono at 16 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Wave = NDArray[np.float64]
    Maker = Callable[[np.random.Generator, int], Wave]

HZ = 16_000
ROOM_DBFS = -62.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of one kind of sound."""

    kind: str
    level_dbfs: float
    samples: NDArray[np.int16]


def spectrum_noise(random: np.random.Generator, n: int, shape: Callable[[Wave], Wave]) -> Wave:
    """Gaussian noise whose amplitude spectrum follows `shape(hz)`."""
    hz = np.fft.rfftfreq(n, 1.0 / HZ)
    phases = random.normal(size=len(hz)) + 1j * random.normal(size=len(hz))
    return np.fft.irfft(phases * shape(np.maximum(hz, 20.0)), n)


def at_level(wave: Wave, dbfs: float) -> Wave:
    """Scale so that the active part (samples over 1 % of the peak) has this RMS."""
    peak = np.abs(wave).max(initial=1e-12)
    active = wave[np.abs(wave) > 0.01 * peak]
    rms = np.sqrt(np.mean(active**2)) if len(active) else 1.0
    return wave * (10.0 ** (dbfs / 20.0) / rms)


def to_int16(wave: Wave) -> NDArray[np.int16]:
    """Full scale 1.0 to int16."""
    return np.clip(np.rint(wave * 32768.0), -32768, 32767).astype(np.int16)


def _decay(n: int, seconds: float) -> Wave:
    return np.exp(-np.arange(n) / (seconds * HZ))


def _band(low: float, high: float, sharpness: float = 4.0) -> Callable[[Wave], Wave]:
    return lambda hz: (
        1.0 / np.sqrt((1.0 + (low / hz) ** (2 * sharpness)) * (1.0 + (hz / high) ** (2 * sharpness)))
    )


def _formants(*peaks: tuple[float, float]) -> Callable[[Wave], Wave]:
    return lambda hz: sum((1.0 / (1.0 + ((hz - f) / w) ** 2) for f, w in peaks), np.zeros_like(hz)) + 0.02


def _scatter(
    random: np.random.Generator, n: int, per_s: float, event: Callable[[np.random.Generator], Wave]
) -> Wave:
    """Events at random times, so many a second."""
    out = np.zeros(n)
    for at in np.sort(random.integers(0, n, max(1, int(per_s * n / HZ)))):
        sound = event(random)[: n - at]
        out[at : at + len(sound)] += sound
    return out


def white(random: np.random.Generator, n: int) -> Wave:
    return random.normal(size=n)


def pink(random: np.random.Generator, n: int) -> Wave:
    return spectrum_noise(random, n, lambda hz: hz**-0.5)


def brown(random: np.random.Generator, n: int) -> Wave:
    return spectrum_noise(random, n, lambda hz: hz**-1.0)


def room(random: np.random.Generator, n: int) -> Wave:
    """Air conditioning and a street behind the window: pink, swelling, with something rumbling."""
    swell = 1.0 + 0.5 * np.sin(2 * np.pi * np.arange(n) / HZ * random.uniform(0.1, 0.4))
    return pink(random, n) / 10.0 * swell + 0.3 * spectrum_noise(random, n, _band(30, 120))


def hum(random: np.random.Generator, n: int) -> Wave:
    """Mains hum and a fan with its blade tone."""
    t = np.arange(n) / HZ
    tones = sum(
        (np.sin(2 * np.pi * 50 * k * t + random.uniform(0, 6)) / k for k in (1, 2, 3, 5, 7)), np.zeros(n)
    )
    blade = random.uniform(90, 180)
    fan = sum((np.sin(2 * np.pi * blade * k * t) / k**1.5 for k in range(1, 12)), np.zeros(n))
    return tones + 0.5 * fan + 0.2 * white(random, n)


def _note(random: np.random.Generator, hz: float, seconds: float, *, bowed: bool) -> Wave:
    n = int(seconds * HZ)
    t = np.arange(n) / HZ
    vibrato = 0.004 * np.sin(2 * np.pi * 5.5 * t) if bowed else 0.0
    phase = 2 * np.pi * hz * (t + vibrato / 5.5)
    tone = sum(
        (np.sin(k * phase) / k ** (1.0 if bowed else 1.6) for k in range(1, 9) if k * hz < 7000), np.zeros(n)
    )
    if bowed:
        attack = np.minimum(1.0, t / 0.08) * np.minimum(1.0, (seconds - t) / 0.1)
        return tone * attack
    return tone * _decay(n, 0.4) * np.minimum(1.0, t / 0.004)


def _melody(random: np.random.Generator, n: int, *, bowed: bool) -> Wave:
    out = np.zeros(n)
    scale = np.array([0, 2, 4, 5, 7, 9, 11, 12])
    beat = random.uniform(0.3, 0.55)
    root = random.uniform(130, 260)
    at = 0
    while at < n:
        seconds = beat * random.choice([1, 1, 2, 0.5])
        for voice in range(1 if random.random() < 0.6 else 3):
            hz = root * 2 ** ((random.choice(scale) + 4 * voice) / 12)
            tone = _note(random, hz, seconds * 1.05, bowed=bowed)[: n - at]
            out[at : at + len(tone)] += tone
        at += int(seconds * HZ)
    return out


def plucked(random: np.random.Generator, n: int) -> Wave:
    """Piano-like notes and chords."""
    return _melody(random, n, bowed=False)


def bowed(random: np.random.Generator, n: int) -> Wave:
    """String-like notes with vibrato."""
    return _melody(random, n, bowed=True)


def band(random: np.random.Generator, n: int) -> Wave:
    """Drums, bass and a melody over them."""
    beat = int(HZ * random.uniform(0.24, 0.32))
    drums = np.zeros(n)
    for k, at in enumerate(range(0, n, beat)):
        length = min(int(0.18 * HZ), n - at)
        t = np.arange(length) / HZ
        kick = np.sin(2 * np.pi * (50 * t + 6 * (1 - np.exp(-30 * t)))) * _decay(length, 0.06)
        snare = random.normal(size=length) * _decay(length, 0.04)
        hat = np.diff(random.normal(size=length + 1)) * _decay(length, 0.015)
        drums[at : at + length] += 0.3 * hat + (
            2.0 * kick if k % 4 == 0 else 0.8 * snare if k % 4 == 2 else 0.0
        )
    bass = _melody(random, n, bowed=False)
    return drums + 0.6 * bass + 0.4 * _melody(random, n, bowed=True)


def _click(random: np.random.Generator) -> Wave:
    n = int(random.uniform(0.008, 0.03) * HZ)
    sound = spectrum_noise(random, n, _band(random.uniform(500, 1500), 6500, 2.0)) * _decay(n, 0.004)
    return sound / np.abs(sound).max() * random.uniform(0.3, 1.0)


def keyboard(random: np.random.Generator, n: int) -> Wave:
    """Typing, each key with its press and release."""

    def key(random: np.random.Generator) -> Wave:
        gap = np.zeros(int(random.uniform(0.05, 0.11) * HZ))
        return np.concatenate((_click(random), gap, 0.5 * _click(random)))

    return _scatter(random, n, 6.0, key)


def knocks(random: np.random.Generator, n: int) -> Wave:
    """Knocks on wood, a cup put down, steps."""

    def knock(random: np.random.Generator) -> Wave:
        length = int(0.25 * HZ)
        t = np.arange(length) / HZ
        modes = sum(
            (
                np.sin(2 * np.pi * random.uniform(90, 900) * t) * _decay(length, random.uniform(0.01, 0.05))
                for _ in range(5)
            ),
            np.zeros(length),
        )
        return modes * random.uniform(0.3, 1.0)

    return _scatter(random, n, 1.5, knock)


def dishes(random: np.random.Generator, n: int) -> Wave:
    """Glasses and plates: inharmonic ringing."""

    def clink(random: np.random.Generator) -> Wave:
        length = int(0.4 * HZ)
        t = np.arange(length) / HZ
        base = random.uniform(900, 2500)
        ring = sum(
            (np.sin(2 * np.pi * base * r * t) * _decay(length, 0.12 / r) for r in (1.0, 2.76, 1.51, 4.1)),
            np.zeros(length),
        )
        return ring * random.uniform(0.3, 1.0)

    return _scatter(random, n, 1.2, clink)


def paper(random: np.random.Generator, n: int) -> Wave:
    """Rustling: crackles in gusts."""
    crackle = random.normal(size=n) * (random.random(n) < 0.03)
    gusts = np.clip(spectrum_noise(random, n, lambda hz: np.where(hz < 21.0, 1.0, (20 / hz) ** 3)), 0.0, None)
    return np.diff(crackle, prepend=0.0) * gusts


def beeps(random: np.random.Generator, n: int) -> Wave:
    """A telephone, an alarm, a notification."""

    def beep(random: np.random.Generator) -> Wave:
        length = int(random.uniform(0.1, 0.7) * HZ)
        t = np.arange(length) / HZ
        hz = random.uniform(400, 2200)
        return np.sin(2 * np.pi * hz * t) + 0.7 * np.sin(2 * np.pi * hz * random.choice([1.26, 1.5, 2.0]) * t)

    return _scatter(random, n, 0.5, beep)


def breath(random: np.random.Generator, n: int) -> Wave:
    """Breathing close to the microphone, in and out, now and then a sigh."""
    out = np.zeros(n)
    at = 0
    while at < n:
        for _ in range(2):
            length = min(int(random.uniform(0.6, 1.6) * HZ), n - at)
            if length < HZ // 10:
                return out
            tract = _formants((random.uniform(400, 900), 300), (random.uniform(1300, 2200), 500), (3200, 900))
            envelope = np.sin(np.pi * np.arange(length) / length) ** random.uniform(1.0, 2.5)
            out[at : at + length] += spectrum_noise(random, length, tract) * envelope
            at += length + int(random.uniform(0.1, 0.5) * HZ)
            if at >= n:
                return out
        at += int(random.uniform(0.4, 1.5) * HZ)
    return out


def _cough(random: np.random.Generator) -> Wave:
    """A burst, a noisy middle part and sometimes a voiced end, once to three times."""
    parts: list[Wave] = []
    for _ in range(int(random.integers(1, 4))):
        length = int(random.uniform(0.18, 0.4) * HZ)
        t = np.arange(length) / HZ
        tract = _formants((random.uniform(450, 800), 250), (random.uniform(1200, 1800), 350), (2800, 600))
        burst = spectrum_noise(random, length, tract)
        burst /= np.abs(burst).max()
        envelope = np.minimum(1.0, t / 0.006) * (0.8 * np.exp(-t / 0.05) + 0.3 * np.exp(-t / 0.15))
        sound = burst * envelope
        if random.random() < 0.4:
            hz = random.uniform(110, 240)
            pitch = 2 * np.pi * hz * (t - 0.3 * t**2)
            voiced = sum((np.sin(k * pitch) / k for k in range(1, 12)), np.zeros(length))
            sound += 0.06 * voiced * np.exp(-(((t - 0.6 * t[-1]) / 0.06) ** 2))
        parts += [sound, np.zeros(int(random.uniform(0.05, 0.3) * HZ))]
    return np.concatenate(parts) * random.uniform(0.4, 1.0)


def coughs(random: np.random.Generator, n: int) -> Wave:
    """Coughing, about every three seconds."""
    return _scatter(random, n, 0.33, _cough)


def throat(random: np.random.Generator, n: int) -> Wave:
    """Clearing one's throat: rough, low, half voiced."""

    def clearing(random: np.random.Generator) -> Wave:
        length = int(random.uniform(0.3, 0.6) * HZ)
        tract = _formants((random.uniform(300, 500), 150), (1100, 250), (2400, 500))
        rattle = np.abs(np.sin(np.pi * random.uniform(25, 45) * np.arange(length) / HZ)) ** 3
        sound = spectrum_noise(random, length, tract) * rattle * np.hanning(length)
        return sound / np.abs(sound).max() * random.uniform(0.4, 1.0)

    return _scatter(random, n, 0.4, clearing)


def sniffs(random: np.random.Generator, n: int) -> Wave:
    """Sniffing and blowing into the microphone."""

    def sniff(random: np.random.Generator) -> Wave:
        length = int(random.uniform(0.1, 0.4) * HZ)
        low = random.choice([60.0, 1500.0])
        sound = spectrum_noise(random, length, _band(low, low * 4, 2.0)) * np.hanning(length)
        return sound / np.abs(sound).max() * random.uniform(0.4, 1.0)

    return _scatter(random, n, 0.7, sniff)


PLAN: tuple[tuple[Maker, float, tuple[float, ...]], ...] = (
    (white, 10.0, (-50.0, -35.0)),
    (pink, 10.0, (-50.0, -35.0)),
    (brown, 10.0, (-50.0, -30.0)),
    (room, 20.0, (-50.0, -40.0)),
    (hum, 15.0, (-45.0, -30.0)),
    (plucked, 25.0, (-40.0, -25.0)),
    (bowed, 20.0, (-40.0, -25.0)),
    (band, 25.0, (-40.0, -25.0)),
    (keyboard, 20.0, (-40.0, -25.0)),
    (knocks, 15.0, (-35.0, -20.0)),
    (dishes, 10.0, (-35.0, -25.0)),
    (paper, 10.0, (-45.0, -30.0)),
    (beeps, 15.0, (-35.0, -25.0)),
    (breath, 25.0, (-50.0, -35.0)),
    (coughs, 35.0, (-35.0, -20.0)),
    (throat, 15.0, (-40.0, -25.0)),
    (sniffs, 20.0, (-40.0, -25.0)),
)
"""What is made, for how many seconds at each level: 600 s in all."""


def ten_minutes(seed: int, *, share: float = 1.0) -> list[Piece]:
    """All kinds at all levels; `share` below 1 makes each piece shorter."""
    random = np.random.default_rng(seed)
    pieces: list[Piece] = []
    for maker, seconds, levels in PLAN:
        for level in levels:
            n = int(seconds * share * HZ)
            wave = at_level(maker(random, n), level) + at_level(pink(random, n), ROOM_DBFS)
            pieces.append(Piece(maker.__name__, level, to_int16(wave)))
    return pieces

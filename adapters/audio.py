"""Sound as it arrives, turned into sound as it is needed: int16 mono at another rate, as a stream.

Sample rates of 8 to 48 kHz, mono or interleaved stereo. Nothing here knows of persons, rooms or speech.

soxr's streaming resampler collects blocks before it gives anything back from quality LQ on (20 to 60 ms for
10 ms frames), which is up to two detector windows. Its quality QQ gives every sample back at once, but does
not filter. A `Resampler` with `low_delay` therefore filters by itself (FIR, linear phase) around QQ: the
whole delay is that of the filter, `Resampler.delay_ms`, 0.7 ms for 48 kHz and 1.9 ms for 8 kHz input.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from adapters.errors import UnsupportedAudioError
from adapters.ports import EARS_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adapters.ports import AudioFrame

    Samples = NDArray[np.int16]

MIN_HZ = 8_000
MAX_HZ = 48_000
SILENT_DBFS = -120.0
_FILTER_TAPS = 63
_CUTOFF = 0.45
"""Of the lower rate: where the filter has lost 6 dB."""


def check_format(sample_rate_hz: int, channels: int) -> None:
    """Accept 8 to 48 kHz, mono or stereo.

    Raises:
        UnsupportedAudioError: anything else.
    """
    if not MIN_HZ <= sample_rate_hz <= MAX_HZ:
        raise UnsupportedAudioError(f"sample rate {sample_rate_hz} Hz: {MIN_HZ} to {MAX_HZ} Hz are taken")
    if channels not in (1, 2):
        raise UnsupportedAudioError(f"{channels} channels: mono and stereo are taken")


def mix_to_mono(interleaved: Samples, channels: int) -> Samples:
    """Mean of the channels; mono comes back as it is."""
    if channels == 1:
        return interleaved
    pairs = interleaved.reshape(-1, channels).astype(np.int32)
    return (pairs.sum(axis=1) // channels).astype(np.int16)


def mono_samples(frame: AudioFrame) -> Samples:
    """The frame's samples as int16 mono at its own rate.

    Raises:
        UnsupportedAudioError: the format is not taken, or the bytes are no whole samples of it.
    """
    check_format(frame.sample_rate_hz, frame.channels)
    if len(frame.pcm) % (2 * frame.channels):
        raise UnsupportedAudioError(
            f"{len(frame.pcm)} bytes are no whole int16 samples of {frame.channels} channels"
        )
    return mix_to_mono(np.frombuffer(frame.pcm, dtype="<i2"), frame.channels)


def level_dbfs(samples: Samples) -> float:
    """RMS over full scale in dB; SILENT_DBFS for silence and for no samples."""
    if not len(samples):
        return SILENT_DBFS
    wide = samples.astype(np.float32)
    mean_square = float(np.dot(wide, wide)) / len(wide)
    if mean_square <= 0.0:
        return SILENT_DBFS
    return max(SILENT_DBFS, 10.0 * math.log10(mean_square) - 20.0 * math.log10(32768.0))


@lru_cache(maxsize=64)
def _low_pass(rate_hz: int, cutoff_hz: float) -> NDArray[np.float32]:
    """A linear-phase windowed sinc; unity at 0 Hz, -6 dB at `cutoff_hz`."""
    n = np.arange(_FILTER_TAPS) - (_FILTER_TAPS - 1) / 2
    taps = np.sinc(2.0 * cutoff_hz / rate_hz * n) * np.hamming(_FILTER_TAPS)
    return (taps / taps.sum()).astype(np.float32)


class _Filter:
    """Streaming FIR; as many samples out as in."""

    __slots__ = ("_history", "_taps")

    def __init__(self, taps: NDArray[np.float32]) -> None:
        self._taps = taps
        self._history = np.zeros(len(taps) - 1, dtype=np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        if not len(samples):
            return samples
        line = np.concatenate((self._history, samples))
        self._history = line[-len(self._history) :]
        return np.convolve(line, self._taps, mode="valid")


class Resampler:
    """A stream of int16 mono samples at one rate, given back at another.

    `low_delay` gives every sample back at once, `delay_ms` late, and suits ears; without it soxr's HQ filter
    is used, which is cleaner and keeps 20 to 120 ms back until `flush`, and suits a voice that is made faster
    than it is played. Equal rates pass through untouched.

    Raises:
        UnsupportedAudioError: a rate outside 8 to 48 kHz.
    """

    def __init__(self, from_hz: int, to_hz: int, *, low_delay: bool = True) -> None:
        check_format(from_hz, 1)
        check_format(to_hz, 1)
        import soxr

        self.from_hz = from_hz
        self.to_hz = to_hz
        self.delay_ms = 0.0
        self._before: _Filter | None = None
        self._after: _Filter | None = None
        self._soxr: soxr.ResampleStream | None = None
        if from_hz == to_hz:
            return
        self._soxr = soxr.ResampleStream(
            from_hz, to_hz, 1, dtype="float32", quality="QQ" if low_delay else "HQ"
        )
        if low_delay:
            higher = max(from_hz, to_hz)
            filtering = _Filter(_low_pass(higher, _CUTOFF * min(from_hz, to_hz)))
            self._before, self._after = (filtering, None) if from_hz > to_hz else (None, filtering)
            self.delay_ms = (_FILTER_TAPS - 1) / 2 / higher * 1000.0

    def push(self, samples: Samples) -> Samples:
        """Take samples in, give back what is ready."""
        if self._soxr is None:
            return samples
        return self._through(samples.astype(np.float32), last=False)

    def flush(self) -> Samples:
        """Give back what is still inside; nothing may be pushed afterwards."""
        if self._soxr is None:
            return np.zeros(0, dtype=np.int16)
        behind = round(self.delay_ms * self.from_hz / 1000.0)
        return self._through(np.zeros(behind, dtype=np.float32), last=True)

    def _through(self, wide: NDArray[np.float32], *, last: bool) -> Samples:
        assert self._soxr is not None
        if self._before is not None:
            wide = self._before.push(wide)
        out = self._soxr.resample_chunk(wide, last=last)
        if self._after is not None:
            out = self._after.push(out)
        return np.clip(np.rint(out), -32768, 32767).astype(np.int16)


class MonoStream:
    """One participant's frames, whatever their format, as int16 mono at one rate.

    The format may change from frame to frame; what a resampler held back (`Resampler.delay_ms`) is then lost.
    """

    def __init__(self, to_hz: int = EARS_HZ, *, low_delay: bool = True) -> None:
        self._to_hz = to_hz
        self._low_delay = low_delay
        self._resampler: Resampler | None = None

    def push(self, frame: AudioFrame) -> Samples:
        """Convert one frame.

        Raises:
            UnsupportedAudioError: the frame is not int16 PCM of 8 to 48 kHz, mono or stereo.
        """
        samples = mono_samples(frame)
        if self._resampler is None or self._resampler.from_hz != frame.sample_rate_hz:
            self._resampler = Resampler(frame.sample_rate_hz, self._to_hz, low_delay=self._low_delay)
        return self._resampler.push(samples)

    def reset(self) -> None:
        """Forget what came before; the next frame begins anew."""
        self._resampler = None


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """A whole recording at another rate, in soxr's HQ quality.

    Raises:
        UnsupportedAudioError: a rate outside 8 to 48 kHz.
    """
    whole = Resampler(from_hz, to_hz, low_delay=False)
    return np.concatenate((whole.push(samples), whole.flush()))


def faded_in(pcm: bytes, done: int, over: int) -> bytes:
    """The next samples of a sound that gets louder over `over` samples, of which `done` have passed."""
    samples = np.frombuffer(pcm, dtype="<i2")
    gain = np.minimum((np.arange(done, done + len(samples)) + 1) / over, 1.0)
    return np.rint(samples * gain).astype("<i2").tobytes()

"""WAV files: read with a clear refusal of what is no such file, written with a channel for each participant.

Read are PCM of 8, 16, 24 and 32 bit and float of 32 and 64 bit, mono or stereo, 8 to 48 kHz. The length is
judged by the header, before any sound is read.
"""

from __future__ import annotations

import struct
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from adapters.audio import check_format, mix_to_mono, resample
from adapters.errors import UnsupportedAudioError
from adapters.ports import FRAME_MS, AudioFrame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MAX_MINUTES = 10.0

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_TAKEN = frozenset({(_PCM, 8), (_PCM, 16), (_PCM, 24), (_PCM, 32), (_FLOAT, 32), (_FLOAT, 64)})
_UNKNOWN_SIZE = 0xFFFFFFFF
"""Written by programs that stream into a pipe: the sound goes on to the end of the file."""


@dataclass(frozen=True, slots=True)
class WavSound:
    """A recording as it was read, int16 interleaved."""

    samples: NDArray[np.int16]
    sample_rate_hz: int
    channels: int

    @property
    def duration_ms(self) -> float:
        """Length."""
        return len(self.samples) / self.channels * 1000.0 / self.sample_rate_hz

    def mono(self, sample_rate_hz: int | None = None) -> NDArray[np.int16]:
        """Mixed to mono, at another rate if one is given.

        Raises:
            UnsupportedAudioError: a rate outside 8 to 48 kHz.
        """
        mixed = mix_to_mono(self.samples, self.channels)
        if sample_rate_hz is None or sample_rate_hz == self.sample_rate_hz:
            return mixed
        return resample(mixed, self.sample_rate_hz, sample_rate_hz)

    def frames(self, frame_ms: int = FRAME_MS) -> Iterator[AudioFrame]:
        """The recording in frames of equal length; the last one is filled up with silence."""
        step = self.sample_rate_hz * frame_ms // 1000 * self.channels
        for at in range(0, len(self.samples), step):
            pcm = self.samples[at : at + step].tobytes()
            yield AudioFrame(pcm.ljust(2 * step, b"\0"), self.sample_rate_hz, self.channels)


@dataclass(frozen=True, slots=True)
class _Format:
    encoding: int
    channels: int
    sample_rate_hz: int
    bits: int


def read_wav(path: Path, *, max_minutes: float = MAX_MINUTES) -> WavSound:
    """Read a recording.

    Raises:
        UnsupportedAudioError: the file is missing, unreadable, empty, no WAV, truncated, longer than
            `max_minutes`, or in a format that is not taken. The reason names the file.
    """
    try:
        if not path.exists():
            raise UnsupportedAudioError(f"{path}: there is no such file")
        if not path.is_file():
            raise UnsupportedAudioError(f"{path} is not a file")
        if path.stat().st_size == 0:
            raise UnsupportedAudioError(f"{path} is empty")
        with path.open("rb") as file:
            return _read(file, path, max_minutes)
    except OSError as error:
        raise UnsupportedAudioError(f"{path} cannot be read: {error.strerror or error}") from error


def write_wav(path: Path, channels: Sequence[NDArray[np.int16]], sample_rate_hz: int) -> None:
    """Write int16 PCM, a channel for each array; shorter ones are filled up with silence.

    Raises:
        ValueError: no channels.
        OSError: the file cannot be written.
    """
    if not channels:
        raise ValueError("a WAV file needs a channel")
    woven = np.zeros((max(len(channel) for channel in channels), len(channels)), dtype="<i2")
    for n, channel in enumerate(channels):
        woven[: len(channel), n] = channel
    with path.open("wb") as file, wave.open(file, "wb") as out:
        out.setnchannels(len(channels))
        out.setsampwidth(2)
        out.setframerate(sample_rate_hz)
        out.writeframes(woven.tobytes())


def _read(file: BinaryIO, path: Path, max_minutes: float) -> WavSound:
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise UnsupportedAudioError(f"{path} is no WAV file")
    sound_format: _Format | None = None
    while len(header := file.read(8)) == 8:
        name, size = header[:4], struct.unpack("<I", header[4:])[0]
        if name == b"data":
            if sound_format is None:
                break
            return _read_sound(file, path, sound_format, size, max_minutes)
        if name == b"fmt ":
            sound_format = _read_format(file.read(size + size % 2), path)
        else:
            file.seek(size + size % 2, 1)
    raise UnsupportedAudioError(f"{path} is truncated or no sound: it has no data")


def _read_format(chunk: bytes, path: Path) -> _Format:
    if len(chunk) < 16:
        raise UnsupportedAudioError(f"{path} is truncated: its header ends early")
    encoding, channels, rate, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
    if encoding == _EXTENSIBLE and len(chunk) >= 26:
        encoding = struct.unpack("<H", chunk[24:26])[0]
    if (encoding, bits) not in _TAKEN:
        raise UnsupportedAudioError(f"{path}: encoding {encoding} with {bits} bit; PCM and float are taken")
    try:
        check_format(rate, channels)
    except UnsupportedAudioError as refusal:
        raise UnsupportedAudioError(f"{path}: {refusal.reason}") from refusal
    return _Format(encoding, channels, rate, bits)


def _read_sound(file: BinaryIO, path: Path, form: _Format, size: int, max_minutes: float) -> WavSound:
    here = file.tell()
    there = file.seek(0, 2) - here
    file.seek(here)
    if size == _UNKNOWN_SIZE:
        size = there
    block = form.bits // 8 * form.channels
    minutes = size / block / form.sample_rate_hz / 60.0
    if minutes > max_minutes:
        raise UnsupportedAudioError(f"{path} is {minutes:.0f} minutes long; {max_minutes:.0f} are taken")
    if size > there:
        raise UnsupportedAudioError(f"{path} is truncated: {there} of {size} bytes of sound are there")
    if size < block:
        raise UnsupportedAudioError(f"{path} holds no sound")
    raw = file.read(size - size % block)
    return WavSound(_decode(raw, form.encoding, form.bits), form.sample_rate_hz, form.channels)


def _decode(raw: bytes, encoding: int, bits: int) -> NDArray[np.int16]:
    match encoding, bits:
        case 1, 8:
            return ((np.frombuffer(raw, dtype=np.uint8).astype(np.int16) - 128) << 8).astype(np.int16)
        case 1, 16:
            return np.frombuffer(raw, dtype="<i2").astype(np.int16)
        case 1, 24:
            upper = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3)[:, 1:]
            return np.frombuffer(upper.tobytes(), dtype="<i2").astype(np.int16)
        case 1, 32:
            return (np.frombuffer(raw, dtype="<i4") >> 16).astype(np.int16)
        case _:
            wide = np.frombuffer(raw, dtype=f"<f{bits // 8}")
            within = np.clip(np.nan_to_num(wide, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
            return np.clip(np.rint(within * 32768.0), -32768, 32767).astype(np.int16)

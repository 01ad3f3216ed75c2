from __future__ import annotations

import struct
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from adapters.errors import UnsupportedAudioError
from adapters.wav import read_wav, write_wav

if TYPE_CHECKING:
    from pathlib import Path

SOUND = np.array([0, 1000, -1000, 32767, -32768, 12345], np.int16)


def wav_bytes(
    data: bytes,
    *,
    encoding: int = 1,
    channels: int = 1,
    rate: int = 16_000,
    bits: int = 16,
    size: int | None = None,
) -> bytes:
    block = channels * bits // 8
    header = struct.pack("<HHIIHH", encoding, channels, rate, rate * block, block, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + header + b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def encoded(encoding: int, bits: int) -> bytes:
    wide = SOUND.astype(np.int32)
    match encoding, bits:
        case 1, 8:
            return ((wide >> 8) + 128).astype(np.uint8).tobytes()
        case 1, 16:
            return SOUND.tobytes()
        case 1, 24:
            return b"".join(struct.pack("<i", int(v) << 8)[:3] for v in SOUND)
        case 1, 32:
            return (wide << 16).tobytes()
        case _:
            return (SOUND / 32768.0).astype(f"<f{bits // 8}").tobytes()


@pytest.mark.parametrize(("encoding", "bits"), [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)])
def test_every_usual_width_is_read(tmp_path: Path, encoding: int, bits: int) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(wav_bytes(encoded(encoding, bits), encoding=encoding, bits=bits))
    sound = read_wav(path)
    coarse = 256 if bits == 8 else 1
    assert np.abs(sound.samples.astype(int) - SOUND).max() < coarse
    assert (sound.sample_rate_hz, sound.channels) == (16_000, 1)


def test_extensible_headers_and_streamed_sizes_are_understood(tmp_path: Path) -> None:
    data = SOUND.tobytes()
    header = struct.pack("<HHIIHH", 0xFFFE, 1, 16_000, 32_000, 2, 16)
    header += struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + bytes(14)
    chunks = b"fmt " + struct.pack("<I", len(header)) + header + b"data\xff\xff\xff\xff" + data
    path = tmp_path / "piped.wav"
    path.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + chunks)
    assert read_wav(path).samples.tolist() == SOUND.tolist()


def test_stereo_at_another_rate_becomes_mono_frames(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left = np.full(4800, 1000, np.int16)
    write_wav(path, [left, left * 3], 48_000)
    sound = read_wav(path)
    assert (sound.channels, sound.duration_ms) == (2, 100.0)
    assert set(sound.mono().tolist()) == {2000}
    assert len(sound.mono(16_000)) == pytest.approx(1600, abs=2)
    frames = list(sound.frames())
    assert len(frames) == 10
    assert {(len(f.pcm), f.sample_rate_hz, f.channels) for f in frames} == {(1920, 48_000, 2)}


def test_the_last_frame_is_filled_up_with_silence(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    write_wav(path, [np.ones(170, np.int16)], 16_000)
    frames = list(read_wav(path).frames())
    assert [len(f.pcm) for f in frames] == [320, 320]
    assert np.frombuffer(frames[1].pcm, np.int16).tolist() == [1] * 10 + [0] * 150


def test_a_channel_for_each_participant(tmp_path: Path) -> None:
    path = tmp_path / "room.wav"
    write_wav(path, [SOUND, SOUND[:2], SOUND[:0]], 24_000)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (3, 24_000, len(SOUND))
        woven = np.frombuffer(file.readframes(100), np.int16).reshape(-1, 3)
    assert woven[:, 0].tolist() == SOUND.tolist()
    assert woven[:, 1].tolist() == [0, 1000, 0, 0, 0, 0]
    assert not woven[:, 2].any()


def test_a_file_without_channels_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a channel"):
        write_wav(tmp_path / "none.wav", [], 16_000)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        (b"", "is empty"),
        (b"ID3\x04 this is an mp3 file, not a wav", "is no WAV file"),
        (b"RIFF", "is no WAV file"),
        (wav_bytes(SOUND.tobytes())[:20], "is truncated"),
        (wav_bytes(SOUND.tobytes())[:40], "is truncated"),
        (wav_bytes(SOUND.tobytes(), size=4000), "is truncated: 12 of 4000 bytes"),
        (wav_bytes(b""), "holds no sound"),
        (wav_bytes(b"", size=4 * 3600 * 32_000), "is 240 minutes long"),
        (wav_bytes(SOUND.tobytes(), rate=96_000), "96000 Hz"),
        (wav_bytes(SOUND.tobytes(), channels=6), "6 channels"),
        (wav_bytes(SOUND.tobytes(), encoding=7, bits=8), "encoding 7 with 8 bit"),
        (wav_bytes(SOUND.tobytes()).replace(b"data", b"atad"), "it has no data"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_clear_line(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "input.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnsupportedAudioError) as refused:
        read_wav(path)
    assert reason in refused.value.reason
    assert "input.wav" in refused.value.reason
    assert "\n" not in str(refused.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedAudioError, match="is not a file"):
        read_wav(tmp_path)


def test_hours_are_refused_before_any_sound_is_read(tmp_path: Path) -> None:
    path = tmp_path / "hours.wav"
    with path.open("wb") as file:
        file.write(wav_bytes(b"", size=2 * 3600 * 32_000))
        file.truncate(2 * 3600 * 32_000)
    with pytest.raises(UnsupportedAudioError, match="120 minutes"):
        read_wav(path)


def test_noise_in_floats_does_not_overflow(tmp_path: Path) -> None:
    path = tmp_path / "float.wav"
    wild = np.array([np.nan, np.inf, -np.inf, 5.0, -5.0, 3e38], "<f4")
    path.write_bytes(wav_bytes(wild.tobytes(), encoding=3, bits=32))
    assert read_wav(path).samples.tolist() == [0, 32767, -32768, 32767, -32768, 32767]

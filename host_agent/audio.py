"""What a model's audio says of itself. Pure. Audio is int16 mono PCM."""

from __future__ import annotations

BYTES_PER_SAMPLE = 2
_UNSAID_HZ = 24_000


def rate_hz(mime_type: str) -> int:
    """Return the rate in a mime type such as "audio/pcm;rate=16000"; 24,000 where it names none."""
    for item in mime_type.split(";"):
        key, _, value = item.strip().partition("=")
        if key == "rate" and value.isdigit() and int(value) > 0:
            return int(value)
    return _UNSAID_HZ


def duration_ms(size: int, sample_rate_hz: int) -> float:
    """Return how long `size` bytes sound."""
    return size / BYTES_PER_SAMPLE / sample_rate_hz * 1000.0

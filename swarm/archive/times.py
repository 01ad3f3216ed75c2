"""Times and durations as a user writes them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?(ms|s|m|h|d|w)")
_SIZES = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "ki": 1024, "mi": 1024**2, "gi": 1024**3}
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?) ?(|k|m|g|ki|mi|gi)b?", re.IGNORECASE)


def time_ms(text: str) -> int:
    """Return a time in ms since 1970, of `2026-11-21`, `2026-11-21T10:00` (UTC unless told), ms, an entry id.

    Raises:
        ValueError: it is none of these.
    """
    if re.fullmatch(r"\d{1,15}(-\d{1,20})?", text):
        return int(text.partition("-")[0])
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def duration_ms(text: str) -> int:
    """Return a duration in ms: `500ms`, `90s`, `15m`, `12h`, `7d`, `2w`.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no duration")
    return int(float(found[1]) * _UNITS_MS[found[2]])


def size_bytes(text: str) -> int:
    """Return a size in bytes: `500000`, `64MB`, `1GiB`.

    Raises:
        ValueError: it is none.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no size")
    return int(float(found[1]) * _SIZES[found[2].lower()])

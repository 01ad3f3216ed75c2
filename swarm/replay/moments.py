"""Which part of a record is replayed, and how long the waits between its events are. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streams.sequence import entry_order

if TYPE_CHECKING:
    from datetime import tzinfo

    from streams.events import Recorded

_ENTRY_ID = re.compile(r"\d{1,20}-\d{1,20}")
_SECONDS = re.compile(r"\+(\d{1,9}(\.\d{1,3})?)")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in a record: an entry's id, a time on Redis's clock, or a time since the first entry."""

    entry_id: str | None = None
    at_ms: int | None = None
    after_ms: int | None = None

    def reached(self, entry: Recorded, first_ms: int) -> bool:
        """Return whether `entry` is at this point or past it; `first_ms` is when the record begins."""
        if self.entry_id is not None:
            return entry_order(entry.id) >= entry_order(self.entry_id)
        if self.at_ms is not None:
            return entry.at_ms >= self.at_ms
        return entry.at_ms >= first_ms + (self.after_ms or 0)


def moment(text: str, zone: tzinfo = UTC) -> Moment:
    """Return the point that `text` names: `1795254689197-0`, `+90` (seconds into it), or an ISO 8601 time.

    A time without an offset is one of `zone`.

    Raises:
        ValueError: it names none.
    """
    if _ENTRY_ID.fullmatch(text):
        return Moment(entry_id=text)
    seconds = _SECONDS.fullmatch(text)
    if seconds:
        return Moment(after_ms=round(float(seconds[1]) * 1000))
    time = datetime.fromisoformat(text)
    time = time.replace(tzinfo=zone) if time.tzinfo is None else time
    return Moment(at_ms=round(time.timestamp() * 1000))


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a record is shown."""

    speed: float = 1.0
    """2 is twice as fast; 0 is without any wait."""
    longest_wait_s: float = 3.0
    """What took longer is cut short to this, so that nobody looks at a room where nothing happens."""

    def wait_s(self, before: Recorded | None, entry: Recorded) -> float:
        """Return how long to wait before `entry` is shown, after `before` was."""
        if before is None or not self.speed:
            return 0.0
        return min(max(0, entry.at_ms - before.at_ms) / 1000 / self.speed, self.longest_wait_s)

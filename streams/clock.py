"""What Redis's clock shows, told from its replies. No I/O: the replies' times are arguments."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.errors import StreamUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

_DRIFT = 100e-6
"""How fast two clocks may run apart, as a share: ten times what quartz does."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """One reply that told the server's time; the truth lies within `error_ms` of `offset_ms`."""

    offset_ms: float
    """Server's time minus the local monotonic one."""
    error_ms: float
    """Half the round trip, and half the resolution of what the reply told."""
    read_s: float
    """Local monotonic time of the reply."""

    def error_at_ms(self, now_s: float) -> float:
        """How far the offset may be off by now, with both clocks drifting."""
        return self.error_ms + max(0.0, now_s - self.read_s) * 1000.0 * _DRIFT


def reading(server_ms: float, sent_s: float, received_s: float, resolution_ms: float = 0.0) -> ClockReading:
    """Return what a reply tells: `server_ms` was shown at some moment between `sent_s` and `received_s`.

    `resolution_ms` is 1 for a time cut off to whole ms, 0 for one in µs.
    """
    middle_ms = (sent_s + received_s) * 500.0
    half_trip_ms = max(0.0, received_s - sent_s) * 500.0
    return ClockReading(
        offset_ms=server_ms + resolution_ms / 2 - middle_ms,
        error_ms=half_trip_ms + resolution_ms / 2,
        read_s=received_s,
    )


def better(kept: ClockReading | None, new: ClockReading) -> ClockReading:
    """Return the reading to go by: the one with the smaller error now.

    Where the two cannot both be true the server's clock was set, and the new one counts.
    """
    if kept is None:
        return new
    kept_error_ms = kept.error_at_ms(new.read_s)
    contradicts = abs(new.offset_ms - kept.offset_ms) > new.error_ms + kept_error_ms
    return new if contradicts or new.error_ms <= kept_error_ms else kept


class ServerClock:
    """Redis's clock as the replies told it so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reading: ClockReading | None = None

    def observe(self, server_ms: float, sent_s: float, received_s: float, resolution_ms: float = 0.0) -> None:
        """Take note of a reply; see `reading`."""
        self._reading = better(self._reading, reading(server_ms, sent_s, received_s, resolution_ms))

    @property
    def known(self) -> bool:
        """Whether any reply has told the time yet."""
        return self._reading is not None

    @property
    def error_ms(self) -> float:
        """How far off `now_ms` may be; infinite while nothing is known."""
        return float("inf") if self._reading is None else self._reading.error_at_ms(self._clock())

    def now_ms(self) -> int:
        """Return Redis's time in ms.

        Raises:
            StreamUnavailableError: no reply has told the time yet.
        """
        return self.at_ms(self._clock())

    def at_ms(self, monotonic_s: float) -> int:
        """Return Redis's time in ms at the local monotonic time.

        Raises:
            StreamUnavailableError: no reply has told the time yet.
        """
        if self._reading is None:
            raise StreamUnavailableError("its clock is not known before its first reply")
        return max(0, round(monotonic_s * 1000.0 + self._reading.offset_ms))

    def monotonic_s(self, server_ms: float) -> float:
        """Return the local monotonic time at which Redis's clock shows `server_ms`.

        Raises:
            StreamUnavailableError: no reply has told the time yet.
        """
        if self._reading is None:
            raise StreamUnavailableError("its clock is not known before its first reply")
        return (server_ms - self._reading.offset_ms) / 1000.0

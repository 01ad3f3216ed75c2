"""Deadlines of what a host waits for. Pure: time is an argument, in seconds of one monotonic clock."""

from __future__ import annotations

from enum import StrEnum


class Alarm(StrEnum):
    """What did not happen in time."""

    NOT_INTERRUPTED = "activity_start was not acknowledged by the open turn"
    NO_FIRST_AUDIO = "no first audio after the grant"
    TURN_TOO_LONG = "the turn did not end"


class Watchdog:
    """Says which awaited things are overdue. At most one deadline for each alarm."""

    __slots__ = ("_deadlines_s",)

    def __init__(self) -> None:
        self._deadlines_s: dict[Alarm, float] = {}

    def arm(self, alarm: Alarm, *, now_s: float, limit_s: float) -> None:
        """Expect `alarm`'s event within `limit_s` from now. An armed alarm keeps its earlier deadline."""
        self._deadlines_s.setdefault(alarm, now_s + limit_s)

    def disarm(self, *alarms: Alarm) -> None:
        """Forget deadlines: what was awaited happened, or will not be awaited any more."""
        for alarm in alarms:
            self._deadlines_s.pop(alarm, None)

    def armed(self, alarm: Alarm) -> bool:
        return alarm in self._deadlines_s

    def next_deadline_s(self) -> float | None:
        """Return the earliest deadline, or None where nothing is awaited."""
        return min(self._deadlines_s.values(), default=None)

    def overdue(self, now_s: float) -> tuple[Alarm, ...]:
        """Return what is overdue, earliest first, and forget it."""
        due = sorted((at, alarm) for alarm, at in self._deadlines_s.items() if at <= now_s)
        for _, alarm in due:
            del self._deadlines_s[alarm]
        return tuple(alarm for _, alarm in due)

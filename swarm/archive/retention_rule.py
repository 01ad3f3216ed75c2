"""What of a stream may be trimmed, given its readers, its age and its size. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.sequence import entry_order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Order = tuple[int, int]
"""An entry id as what ids are ordered by."""

DAY_MS = 86_400_000
BEGINNING: Order = (0, 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept of each stream. A limit of None is none."""

    max_age_ms: int | None = None
    max_entries: int | None = None
    max_bytes: int | None = None
    """Of memory, as Redis estimates it."""
    patience: float = 2.0
    """What a live group has not read yet is kept up to so many times the limits; then the group is passed."""
    live_ms: int = 60_000
    """A group whose consumers have not read for that long is dead, and holds nothing."""
    archive_held_ms: int = 7 * DAY_MS
    """What an archive has not got is kept while it has been at work within that time, whatever the limits."""

    def entries(self, entries: int, memory: int) -> int | None:
        """Return how many entries may stay of a stream that has `entries` in `memory` bytes."""
        if self.max_bytes is None or memory <= self.max_bytes:
            return self.max_entries
        by_bytes = entries * self.max_bytes // memory
        return by_bytes if self.max_entries is None else min(by_bytes, self.max_entries)


@dataclass(frozen=True, slots=True)
class Reader:
    """A consumer group or an archive, and what it still needs."""

    name: str
    needs: Order
    """It needs the entries from this one on."""
    idle_ms: int | None
    """Since it last read; None where it never did."""


@dataclass(frozen=True, slots=True)
class Floors:
    """The entries from which on a limit keeps the stream; BEGINNING where it takes nothing."""

    soft: Order
    """By the limits."""
    hard: Order
    """By the limits times the patience."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Entries before `floor` go."""

    floor: Order
    passed: tuple[str, ...] = ()
    """Live groups, and archives, that lose entries by it, sorted."""

    @property
    def floor_id(self) -> str:
        """The entry id from which on the stream is kept."""
        return f"{self.floor[0]}-{self.floor[1]}"


def needed_from(last_delivered_id: str, oldest_pending_id: str | None) -> Order:
    """Return the first entry that a group needs: its oldest unacknowledged one, or the next."""
    ms, count = entry_order(last_delivered_id)
    following = (ms, count + 1) if (ms, count) != BEGINNING else BEGINNING
    return following if oldest_pending_id is None else min(following, entry_order(oldest_pending_id))


def age_floor(now_ms: int, max_age_ms: float | None) -> Order:
    """Return the first entry that is not older than `max_age_ms`."""
    return BEGINNING if max_age_ms is None else (max(0, int(now_ms - max_age_ms)), 0)


def decide(
    floors: Floors, groups: Iterable[Reader], archives: Collection[Reader], limits: Limits
) -> Cut | None:
    """Return what to trim; None where nothing is.

    Dead groups hold nothing. A live group holds what it needs until the hard floor; an archive that has been
    at work of late holds what it needs whatever the limits; one that has not is passed, and named.
    """
    live = [group for group in groups if group.idle_ms is not None and group.idle_ms <= limits.live_ms]
    running = [each for each in archives if _within(each.idle_ms, limits.archive_held_ms)]
    floor = min([floors.soft, *(group.needs for group in live)])
    floor = max(floor, min(floors.soft, floors.hard))
    floor = min([floor, *(archive.needs for archive in running)])
    if floor <= BEGINNING:
        return None
    lost = [*live, *(archive for archive in archives if archive not in running)]
    return Cut(floor, tuple(sorted(reader.name for reader in lost if reader.needs < floor)))


def _within(idle_ms: int | None, limit_ms: int) -> bool:
    return idle_ms is not None and idle_ms <= limit_ms

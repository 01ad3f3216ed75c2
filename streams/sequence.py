"""Whether the entries of a room follow each other: gaps and forks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.events import Recorded


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries of a session that this reader did not get."""

    room: str
    session: str
    after_seq: int
    before_seq: int

    @property
    def missing(self) -> int:
        """How many."""
        return self.before_seq - self.after_seq - 1


@dataclass(frozen=True, slots=True)
class Fork:
    """An entry that does not follow the one before it: a failover lost writes, and seq values came again."""

    room: str
    session: str
    seq: int
    id: str
    prev: str
    """Entry id that it names as the one before it."""
    last_id: str
    """Entry id that this reader got before it."""


class Sequence:
    """Follows rooms, entry by entry.

    A reader that begins in the middle of a session sees no gap before its first entry; one that changes to
    a new session misses its beginning where that does not start with seq 1.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, int, str]] = {}

    def observe(self, recorded: Recorded) -> Gap | Fork | None:
        """Take the next entry of its room and say what is wrong with it. An entry seen again is ignored."""
        last = self._last.get(recorded.room)
        if last is not None and entry_order(recorded.id) <= entry_order(last[2]):
            return None
        self._last[recorded.room] = (recorded.session, recorded.seq, recorded.id)
        if last is None:
            return None
        session, seq, last_id = last
        if session != recorded.session:
            return Gap(recorded.room, recorded.session, 0, recorded.seq) if recorded.seq > 1 else None
        if recorded.seq > seq + 1:
            return Gap(recorded.room, session, seq, recorded.seq)
        if recorded.seq <= seq or recorded.prev != last_id:
            return Fork(recorded.room, session, recorded.seq, recorded.id, recorded.prev, last_id)
        return None


def entry_order(entry_id: str) -> tuple[int, int]:
    """Return what entry ids are ordered by."""
    ms, _, counter = entry_id.partition("-")
    return int(ms), int(counter or 0)

"""Whether the entries of a room follow each other: gaps and forks. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.events import Recorded

__all__ = ("Fork", "Gap", "Position", "Sequence", "entry_order", "without")


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries of a session that this reader did not get."""

    room: str
    session: str
    after_seq: int
    before_seq: int
    exact: bool = True
    """False where only the bounds are known: some of these seq were not got, which ones nobody can tell."""

    @property
    def missing(self) -> int:
        """How many; at most so many where that is not exact."""
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


@dataclass(frozen=True, slots=True)
class Position:
    """The last entry of a room that a reader got."""

    session: str
    seq: int
    id: str
    closed: bool = False
    """It was the session's last one (ROOM_CLOSED)."""


class Sequence:
    """Follows rooms, entry by entry.

    A reader that begins in the middle of a session sees no gap before its first entry, unless it says after
    which entry it wanted to begin (`begin`) and that one is not right before. One that changes to a new
    session misses its beginning where that does not start with seq 1, and may miss the end of the old one
    where that was not closed.
    """

    def __init__(self) -> None:
        self._last: dict[str, Position | Recorded] = {}
        self._begun: dict[str, tuple[int, int]] = {}
        self._before: tuple[str, Position | Recorded | None, tuple[int, int] | None] | None = None

    def begin(self, room: str, after_id: str) -> None:
        """Note that `room` is read from after `after_id` on, whatever was read of it before."""
        self._last.pop(room, None)
        self._begun[room] = entry_order(after_id)

    def opens(self, room: str) -> None:
        """Note that `room` is read from its first event on: it opened after the reader began."""
        self.resume(room, Position("", 0, "0-0", closed=True))

    def resume(self, room: str, position: Position) -> None:
        """Go on after `position`, which another reader has reached."""
        self._begun.pop(room, None)
        self._last[room] = position

    def forget(self, room: str) -> None:
        """Forget where `room` was."""
        self._last.pop(room, None)
        self._begun.pop(room, None)

    def position(self, room: str) -> Position | None:
        """Return the last entry of `room`; None before its first."""
        last = self._last.get(room)
        return None if last is None else _position(last)

    def before_fault(self) -> Position | None:
        """Return the last entry before the one at which something was wrong last."""
        last = self._before[1] if self._before is not None else None
        return None if last is None else _position(last)

    def observe(self, recorded: Recorded) -> Gap | Fork | None:
        """Take the next entry of its room and say what is wrong with it. An entry seen again is ignored."""
        room, seq = recorded.room, recorded.seq
        last = self._last.get(room)
        if last is None:
            self._before = room, None, self._begun.pop(room, None)
            self._last[room] = recorded
            return _first(recorded, self._before[2])
        if last.seq + 1 == seq and last.id == recorded.prev and last.session == recorded.session:
            self._last[room] = recorded
            return None
        return self._out_of_step(last, recorded)

    def _out_of_step(self, last: Position | Recorded, recorded: Recorded) -> Gap | Fork | None:
        room, session, seq, entry_id = recorded.room, recorded.session, recorded.seq, recorded.id
        if entry_order(entry_id) <= entry_order(last.id):
            return None
        self._before = room, last, None
        self._last[room] = recorded
        was = _position(last)
        last_session, last_seq, last_id = was.session, was.seq, was.id
        if last_session != session:
            return _new_session(room, last_session, last_seq, was.closed, recorded)
        if seq > last_seq + 1:
            return Gap(room, session, last_seq, seq)
        return Fork(room, session, seq, entry_id, recorded.prev, last_id)

    def take_back(self) -> None:
        """Be where it was before the last entry at which something was wrong: that is then found again."""
        if self._before is not None:
            room, last, begun = self._before
            self.forget(room)
            if last is not None:
                self._last[room] = last
            if begun is not None:
                self._begun[room] = begun


def _position(last: Position | Recorded) -> Position:
    if isinstance(last, Position):
        return last
    return Position(last.session, last.seq, last.id, last.type == "ROOM_CLOSED")


def _first(recorded: Recorded, wanted: tuple[int, int] | None) -> Gap | None:
    if not wanted or wanted == (0, 0) or recorded.seq <= 1:
        return None  # from the beginning means: from what is kept
    try:
        passed = entry_order(recorded.prev) > wanted
    except ValueError:
        return None
    return Gap(recorded.room, recorded.session, 0, recorded.seq, exact=False) if passed else None


def _new_session(room: str, session: str, seq: int, closed: bool, recorded: Recorded) -> Gap | None:
    if recorded.seq > 1:
        return Gap(room, recorded.session, 0, recorded.seq)
    if closed:
        return None
    # The end of the old session was trimmed, or Redis lost it: every session ends with ROOM_CLOSED.
    return Gap(room, session, seq, seq + 2, exact=False)


def without(gap: Gap, seqs: Collection[int]) -> tuple[Gap, ...]:
    """Return what is left of `gap` when `seqs` are no loss: the runs of seq that still are."""
    runs: list[Gap] = []
    after = gap.after_seq
    for seq in (*sorted(seq for seq in seqs if gap.after_seq < seq < gap.before_seq), gap.before_seq):
        if seq > after + 1:
            runs.append(replace(gap, after_seq=after, before_seq=seq))
        after = max(after, seq)
    return tuple(runs)


def entry_order(entry_id: str) -> tuple[int, int]:
    """Return what entry ids are ordered by."""
    ms, _, counter = entry_id.partition("-")
    return int(ms), int(counter or 0)

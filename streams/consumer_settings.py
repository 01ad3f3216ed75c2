"""How a consumer of a group works, and the figures it gives. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from streams.selection import beginning

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("ConsumerFigures", "ConsumerSettings", "RoomLag", "share_of")

_MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """How a consumer works. Times in ms.

    Raises:
        ValueError: a number is out of its range, or `begin` is no entry id.
    """

    begin: str = "0"
    """Where a new group begins: an entry id, `0` for all that is kept, `$` for what is still to come."""
    ack_every: int = 1
    """Acknowledge after so many entries; 1: after each."""
    ack_linger_ms: int = 20
    """Longest that a handled entry waits for company to be acknowledged, where `ack_every` is over 1."""
    tries: int = 5
    """An entry whose handler failed so often goes to the dead letters."""
    first_delay_ms: float = 100.0
    """Wait before the second try; doubled each time, shortened at random by up to a half."""
    longest_delay_ms: float = 5000.0
    batch: int = 100
    """Entries of a room that are read at once."""
    concurrency: int = 16
    """Rooms that are handled at the same time; within a room there is one entry at a time."""
    lease_ms: int = 5000
    """A consumer that is not heard of for so long loses its rooms to the others of the group."""
    claim_idle_ms: int = 60_000
    """Entries that somebody without a lease (another client in the group) left for so long are claimed."""
    drain_ms: int = 5000
    """Longest that `stop` waits for handlers that run."""

    def __post_init__(self) -> None:
        beginning(self.begin)
        for name, least, most in (
            ("ack_every", 1, _MOST_AT_ONCE),
            ("ack_linger_ms", 0, 60_000),
            ("tries", 1, 1_000_000),
            ("first_delay_ms", 0, 3_600_000),
            ("longest_delay_ms", 0, 3_600_000),
            ("batch", 1, _MOST_AT_ONCE),
            ("concurrency", 1, 10_000),
            ("lease_ms", 200, 3_600_000),
            ("claim_idle_ms", 1, 2**40),
            ("drain_ms", 0, 3_600_000),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} has to be {least} to {most}, not {getattr(self, name)}")

    def delay_ms(self, tried: int) -> float:
        """Return the longest wait before the next try, after `tried` of them failed."""
        return min(self.longest_delay_ms, self.first_delay_ms * 2.0 ** min(tried - 1, 60))


@dataclass(frozen=True, slots=True)
class RoomLag:
    """How far a group is behind in one room."""

    lag: int
    """Events written and not handled yet; at least so many where a session has ended in between."""
    pending: int
    """Entries given out to a consumer and not acknowledged yet."""


@dataclass(frozen=True, slots=True)
class ConsumerFigures:
    """What one consumer did since it was made, and how far behind it is."""

    group: str
    consumer: str
    handled: int
    """Entries whose handler ended well."""
    failed: int
    """Tries that failed."""
    claimed: int
    """Entries that were given out before, to this consumer or to one that died."""
    dead_letters: int
    """Entries given up on after the last try."""
    quarantined: int
    """Entries that break the schema: dead letters too, never handled."""
    lost: int
    """Entries that were removed before this group had them, by their seq."""
    forks: int
    rooms: Mapping[str, RoomLag]
    """The rooms that this consumer has, as of the last renewal of its leases."""

    @property
    def lag(self) -> int:
        """Events not handled yet in all rooms of this consumer."""
        return sum(room.lag for room in self.rooms.values())

    @property
    def pending(self) -> int:
        """Entries given out and not acknowledged in all rooms of this consumer."""
        return sum(room.pending for room in self.rooms.values())


def share_of(room: str, members: Mapping[str, str]) -> str | None:
    """Return which of the live members should have `room`: the same answer for all who ask.

    `members` gives each one's rooms, separated by blanks, or `*`. A member that comes or goes moves no rooms
    between the others (rendezvous hashing).
    """
    candidates = [name for name, rooms in members.items() if rooms == "*" or room in rooms.split(" ")]
    return max(candidates, key=lambda name: blake2b(f"{name} {room}".encode()).digest(), default=None)

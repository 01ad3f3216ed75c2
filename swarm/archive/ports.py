"""What an archive is to those who write and read it, and what an archiver reads from. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

if TYPE_CHECKING:
    from pathlib import Path

    from streams.reader import Entry
    from swarm.archive.rows import Batch

Format = Literal["parquet", "jsonl"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events: all of them unless something is named. Times in ms, of writing, on Redis's clock."""

    rooms: tuple[str, ...] = ()
    """None named: all rooms."""
    from_ms: int = 0
    before_ms: int = 2**62


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a selection holds."""

    events: int
    first_ms: int | None
    last_ms: int | None


@dataclass(frozen=True, slots=True)
class SeqGap:
    """seq of a session that the archive does not have, between two that it has."""

    room: str
    session: str
    after_seq: int
    before_seq: int


class Archive(Protocol):
    """A database that holds the record. `async with` opens it and brings its tables up to date.

    Every method raises ArchiveUnavailableError where the database is away or in use, which is worth trying
    again, and ArchiveError for what is not.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def positions(self) -> dict[str, str]:
        """Return, by room, the id of the last entry that is archived."""
        ...

    async def write(self, batch: Batch) -> int:
        """Write what comes after the positions, move these, erase what is named as forgotten: all or nothing.

        A batch that was written before, in whole or in part, doubles nothing. Returns the new rows.
        """
        ...

    async def forget(self, participant: str, room: str | None = None) -> int:
        """Erase a participant's words, in one room or in all; the rows stay. Returns how many had some."""
        ...

    async def extent(self, selection: Selection) -> Extent:
        """Return how many events were selected, and the times of the first and the last."""
        ...

    async def slice_end(self, selection: Selection, after_ms: int, events: int) -> int | None:
        """Return the time up to which, and with it, about `events` come after `after_ms`; None: none do."""
        ...

    async def export(
        self, selection: Selection, after_ms: int, to_ms: int, path: Path, file_format: Format
    ) -> int:
        """Write the events after `after_ms`, up to and with `to_ms`, into a file by time; return how many."""
        ...

    async def gaps(self, room: str | None = None) -> list[SeqGap]:
        """Return what is missing within the sessions, apart from words that were forgotten."""
        ...


class Source(Protocol):
    """Entries of many rooms, in order within a room; `RoomsReader` and `HintedReader` are such."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def read(self) -> list[tuple[str, list[Entry]]]:
        """Return new entries by room; empty where none came for a while. Waits while Redis is away."""
        ...

    async def read_now(self) -> list[tuple[str, list[Entry]]]:
        """Return what is there, without waiting."""
        ...

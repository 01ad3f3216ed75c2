"""What an export has written so far, and whether it can go on. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self, cast

from swarm.archive.ports import Format, Selection

VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an export, complete."""

    file: str
    events: int
    to_ms: int
    """Time of its last event."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An export: what was asked for, and the files that are complete, in the order of time."""

    file_format: Format
    selection: Selection
    parts: tuple[Part, ...] = ()
    ended: bool = False
    """Everything that was selected has been written."""

    @property
    def after_ms(self) -> int:
        """The time after which the next part begins."""
        return self.parts[-1].to_ms if self.parts else self.selection.from_ms - 1

    @property
    def events(self) -> int:
        """Events in the complete parts."""
        return sum(part.events for part in self.parts)

    def next_file(self) -> str:
        """Return the name of the part that comes next."""
        return f"part-{len(self.parts):06d}.{self.file_format}"

    def with_part(self, events: int, to_ms: int) -> Manifest:
        """Return the manifest with one more part."""
        return replace(self, parts=(*self.parts, Part(self.next_file(), events, to_ms)), ended=False)

    def continues(self, asked: Manifest) -> str | None:
        """Return why `asked` cannot go on where this one is; None where it can."""
        if asked.file_format != self.file_format:
            return f"it holds {self.file_format}, not {asked.file_format}"
        if (asked.selection.rooms, asked.selection.from_ms) != (self.selection.rooms, self.selection.from_ms):
            return "it was begun for other rooms, or from another time"
        if asked.selection.before_ms <= self.after_ms:
            return "it reaches past that end already"
        return None

    def document(self) -> dict[str, Any]:
        """Return the manifest as it is stored."""
        return {
            "version": VERSION,
            "format": self.file_format,
            "rooms": list(self.selection.rooms),
            "from_ms": self.selection.from_ms,
            "before_ms": self.selection.before_ms,
            "ended": self.ended,
            "parts": [{"file": part.file, "events": part.events, "to_ms": part.to_ms} for part in self.parts],
        }

    @classmethod
    def of(cls, document: Any) -> Self:
        """Return the manifest that was stored.

        Raises:
            ValueError: it is none, or of a newer version.
        """
        try:
            if document["version"] != VERSION or document["format"] not in ("parquet", "jsonl"):
                raise ValueError("of another version")
            rooms = tuple(str(room) for room in document["rooms"])
            parts = [
                Part(str(part["file"]), int(part["events"]), int(part["to_ms"])) for part in document["parts"]
            ]
            return cls(
                cast("Format", document["format"]),
                Selection(rooms, int(document["from_ms"]), int(document["before_ms"])),
                tuple(parts),
                bool(document["ended"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError("no manifest of an export") from error

"""Which entries a reader wants, told from their envelopes. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.events import Recorded

__all__ = ("Selection", "after_ms", "beginning", "checked_id")

_ENTRY_ID = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_LARGEST = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """Entries of these kinds and types, by these sources; None is any."""

    kinds: frozenset[str] | None = None
    types: frozenset[str] | None = None
    sources: frozenset[str] | None = None

    @classmethod
    def of(
        cls,
        kinds: Collection[str] | None = None,
        types: Collection[str] | None = None,
        sources: Collection[str] | None = None,
    ) -> Selection:
        """Return the selection of what is given.

        Raises:
            TypeError: a bare string, whose letters would be taken for names.
        """
        return cls(_names(kinds), _names(types), _names(sources))

    def takes(self, recorded: Recorded) -> bool:
        """Whether the entry is wanted."""
        return (
            (self.types is None or recorded.type in self.types)
            and (self.kinds is None or recorded.kind in self.kinds)
            and (self.sources is None or recorded.source in self.sources)
        )


def beginning(from_id: str, from_ms: float | None = None) -> str:
    """Return where a reader begins: after `from_id`, or with what was written at `from_ms` (Redis time).

    Raises:
        ValueError: `from_id` is neither `$` nor an entry id, or `from_ms` is no time.
    """
    if from_ms is not None:
        return after_ms(from_ms)
    return "$" if from_id == "$" else checked_id(from_id)


def checked_id(entry_id: str) -> str:
    """Return `entry_id`.

    Raises:
        ValueError: it is none.
    """
    parts = _ENTRY_ID.fullmatch(entry_id)
    if parts is None or any(int(part or 0) > _LARGEST for part in parts.groups()):
        raise ValueError(f"{entry_id[:60]!r} is no entry id, such as 0 or 1795254689197-0")
    return entry_id


def after_ms(from_ms: float) -> str:
    """Return the id after which the entries written at `from_ms` (Redis time) or later come.

    Raises:
        ValueError: it is no number of ms, or no stream gets so far.
    """
    if not from_ms <= _LARGEST:
        raise ValueError(f"from_ms: {from_ms!r} ms since 1970 is no time of an entry")
    return "0-0" if from_ms <= 0 else f"{ceil(from_ms) - 1}-{_LARGEST}"


def _names(given: Collection[str] | None) -> frozenset[str] | None:
    if isinstance(given, str):
        raise TypeError(f"{given!r}: a collection of names is wanted, as {{{given!r}}}")
    return None if given is None else frozenset(given)

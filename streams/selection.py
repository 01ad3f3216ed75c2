"""Which entries a reader wants, told from their envelopes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from streams.events import Recorded

__all__ = ("Selection", "after_ms")


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


def after_ms(from_ms: int) -> str:
    """Return the id after which the entries written at `from_ms` (Redis time) or later come."""
    return "0-0" if from_ms <= 0 else f"{from_ms - 1}-{2**64 - 1}"


def _names(given: Collection[str] | None) -> frozenset[str] | None:
    if isinstance(given, str):
        raise TypeError(f"{given!r}: a collection of names is wanted, as {{{given!r}}}")
    return None if given is None else frozenset(given)

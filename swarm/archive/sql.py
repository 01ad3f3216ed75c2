"""The statements that both databases run, as text, and the numbered migrations. No connection here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources

from swarm.archive import words
from swarm.archive.rows import COLUMNS, EventRow

ERASE_SET = ", ".join(
    [
        *(
            f"{name} = CASE WHEN participant = $who THEN NULL ELSE {name} END"
            for name in words.OF_PARTICIPANT
        ),
        f"{words.OF_OTHER} = CASE WHEN coalesce(other, participant) = $who THEN NULL ELSE words END",
    ]
)
_HAS_OWN = " OR ".join(f"{name} IS NOT NULL" for name in words.OF_PARTICIPANT)
ERASE_WHERE = (
    f"((participant = $who AND ({_HAS_OWN})) OR (coalesce(other, participant) = $who AND words IS NOT NULL))"
)
"""The rows that hold words of `$who`; words never lie in another column."""

GAPS = """
WITH followed AS (
  SELECT room, session, seq, lead(seq) OVER (PARTITION BY room, session ORDER BY seq) AS next_seq FROM events
)
SELECT room, session, seq, next_seq FROM followed WHERE next_seq > seq + 1 ORDER BY room, session, seq
"""

_KINDS = {
    "int": ("BIGINT", "bigint"),
    "float": ("DOUBLE", "double precision"),
    "bool": ("BOOLEAN", "boolean"),
}


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of the schema."""

    number: int
    name: str
    statements: str


def migrations(database: str) -> list[Migration]:
    """Return the steps for `duckdb` or `postgres`, in their order."""
    folder = resources.files("swarm.archive").joinpath("migrations", database)
    found = [file for file in folder.iterdir() if re.fullmatch(r"\d{4}_\w+\.sql", file.name)]
    return [
        Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
        for file in sorted(found, key=lambda file: file.name)
    ]


def column_types(*, postgres: bool) -> dict[str, str]:
    """Return each column's type as a row of JSON carries it: JSON documents travel as text."""
    types: dict[str, str] = {}
    for name in COLUMNS:
        kind = str(EventRow.__annotations__[name]).partition(" ")[0]
        types[name] = _KINDS.get(kind, ("VARCHAR", "text"))[postgres]
    return types

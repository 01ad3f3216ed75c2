"""The statements that both databases run, as text, and the numbered migrations. No connection here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources

from swarm.archive.rows import COLUMNS, EventRow

SCHEMA = "swarm"
"""Of the tables in PostgreSQL."""
PAGE = 2000
"""Rows that are read and changed at a time."""

WITH_WORDS = """
SELECT entry_ms, entry_n, room, session, entry_id, {data} FROM events
WHERE spoken AND (participant = {who} OR other = {who})
  AND (entry_ms, entry_n, room) > ({ms}, {n}, {after_room})
{more} ORDER BY entry_ms, entry_n, room LIMIT {page}
"""
"""A page of the rows that may hold words of a participant."""

ERASE_ASIDE = """
UPDATE quarantine SET fields = '' WHERE (position({who} IN fields) > 0 OR position({escaped} IN fields) > 0)
"""
"""Entries that were put aside have no form: whatever names a participant, also in ASCII within JSON, goes."""

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


def escaped(participant: str) -> str:
    """Return the name as ASCII in a JSON text within a JSON text has it."""
    return json.dumps(participant)[1:-1].replace("\\", "\\\\")


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

"""What the proofs found, as a table in a document; proofs that did not run keep their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.proofs.proof import Figure, Proof

BEGINS, ENDS = "<!-- proofs: written by python -m tests.proofs -->", "<!-- proofs: end -->"
HEAD = ("| proof | | found |", "|---|---|---|")


def has_place(path: Path) -> bool:
    """Return whether there is such a document, with the marks."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return BEGINS in text and ENDS in text.partition(BEGINS)[2]


def write(path: Path, proofs: Sequence[Proof], size: str) -> None:
    """Put a row for each proof between the marks of the document."""
    before, begins, rest = path.read_text(encoding="utf-8").partition(BEGINS)
    table, ends, after = rest.partition(ENDS)
    rows = {_name(line): line for line in table.splitlines() if line.startswith("| `")}
    for proof in proofs:
        found = "<br>".join(map(_told, proof.figures))
        rows[proof.name] = f"| `{proof.name}` | {'holds' if proof.holds else 'BROKEN'} ({size}) | {found} |"
    text = "\n".join((*HEAD, *rows.values()))
    path.write_text(f"{before}{begins}\n{text}\n{ends}{after}", encoding="utf-8")


def _name(row: str) -> str:
    return row.split("`")[1]


def _told(figure: Figure) -> str:
    bound = f" (bound {figure.bound})" if figure.bound else ""
    unit = f" {figure.unit}" if figure.unit else ""
    return f"{figure.name} {figure.value:g}{unit}{bound}".replace("|", "/")

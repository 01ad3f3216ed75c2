"""Figures as a part of a document: between two marks, so that the rest of it stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from report import Figure


def marks(name: str) -> tuple[str, str]:
    """Return the marks between which the benchmark `name` writes."""
    return f"<!-- {name}: written by benchmarks/{name}.py -->", f"<!-- {name}: end -->"


def tables(figures: Sequence[Figure], environment: Mapping[str, Any]) -> str:
    """Return the figures as Markdown tables, and where they were measured."""
    rows = ["| figure | value | runs | goal | beside it |", "|---|---|---|---|---|"]
    for figure in figures:
        runs = [run for run in figure.runs if run is not None]
        spread = f"{rounded(min(runs))} to {rounded(max(runs))}" if len(runs) > 1 else ""
        goal = ""
        if figure.goal is not None:
            verdict = {True: "met", False: "missed", None: "open"}[figure.met]
            goal = f"at {'least' if figure.at_least else 'most'} {figure.goal:g}: {verdict}"
        peers = ", ".join(f"{name} {_text(value)}" for name, value in figure.peers.items())
        shown = f"{_text(figure.value)} {figure.unit}"
        rows.append(f"| `{figure.name}` | {shown} | {spread} | {goal} | {peers} |")
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    sure = "inconclusive" if environment["inconclusive"] else "steady"
    pings = ", ".join(str(ping) for ping in environment["ping_us"])
    where = (
        f"Measured on {environment['cpus']} cores ({environment['machine']}), Redis "
        f"{environment['redis_server']}, Python {environment['python']}, {packages}; {environment['runs']} "
        f"{'short run' if environment['quick'] else 'runs'}. PINGs beside them: {pings} us: {sure}."
    )
    return "\n".join((where, "", *rows))


def write(path: str, text: str, name: str = "floor") -> None:
    """Put `text` between the marks of the benchmark `name` in the document.

    Raises:
        ValueError: the document has no such marks.
    """
    document = Path(path)
    first, last = marks(name)
    before, begins, rest = document.read_text(encoding="utf-8").partition(first)
    _, ends, after = rest.partition(last)
    if not begins or not ends:
        raise ValueError(f"{path} has no {first} with {last} after it")
    document.write_text(f"{before}{first}\n{text}\n{last}{after}", encoding="utf-8")


def _text(value: float | None) -> str:
    return "-" if value is None else f"{rounded(value):g}"

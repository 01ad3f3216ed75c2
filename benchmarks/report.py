"""What a benchmark says: figures with their peers and runs, where they were measured, readable or as JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PING_TOLERANCE = 0.20
"""A PING beside the runs that moved by more makes what was measured inconclusive."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `value` is None where it could not be measured, and `note` says why."""

    name: str
    value: float | None
    unit: str
    peers: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])
    runs: Sequence[float | None] = ()
    """The same number of each run by itself: their spread says how far to trust it."""
    goal: float | None = None
    """At most so much; at least, with `at_least`."""
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one, or without a value."""
        if self.goal is None or self.value is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def document(self) -> dict[str, Any]:
        """As `--json` gives it."""
        document: dict[str, Any] = {
            "name": self.name,
            "value": rounded(self.value),
            "unit": self.unit,
            "peers": {name: rounded(value) for name, value in self.peers.items()},
        }
        if self.runs:
            document["runs"] = [rounded(run) for run in self.runs]
        if self.goal is not None:
            document["goal"] = self.goal
            document["goal_is"] = "at least" if self.at_least else "at most"
        if self.note:
            document["note"] = self.note
        return document

    def line(self) -> str:
        """As a person reads it."""
        shown = f"{_text(self.value)} {self.unit}".strip()
        line = f"  {self.name:42s} {shown:>14s}"
        if self.goal is not None:
            sign = ">=" if self.at_least else "<="
            line += f"   goal {sign} {self.goal:g}: {_VERDICTS[self.met]}"
        runs = [run for run in self.runs if run is not None]
        if len(runs) > 1:
            line += f"   runs {min(runs):.4g} .. {max(runs):.4g}"
        return line + (f"   ({self.note})" if self.note else "")


_VERDICTS = {True: "met", False: "MISSED", None: "open"}


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of what is there, or None."""
    kept = [value for value in values if value is not None]
    return statistics.median(kept) if kept else None


def percentile(values: Iterable[float | None], share: float) -> float | None:
    """Return the smallest value that at least `share` of them do not exceed, or None."""
    kept = sorted(value for value in values if value is not None)
    return kept[max(0, math.ceil(share * len(kept)) - 1)] if kept else None


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """Return ours over theirs, or None where one is missing."""
    return None if ours is None or not theirs else ours / theirs


def rounded(value: float | None) -> float | None:
    """Return four significant digits."""
    return None if value is None else float(f"{value:.4g}")


def environment(packages: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """Return where it was measured: interpreter, machine, load, versions."""
    versions: dict[str, str] = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 2),
        "packages": versions,
        **more,
    }


def ping_verdict(pings_us: Sequence[float]) -> dict[str, Any]:
    """Return the PINGs measured beside the runs, and whether they moved by more than PING_TOLERANCE."""
    if not pings_us:
        return {"ping_us": [], "inconclusive": True}
    middle = statistics.median(pings_us)
    moved = max(abs(ping - middle) for ping in pings_us) / middle
    return {
        "ping_us": [round(ping, 1) for ping in pings_us],
        "ping_moved": round(moved, 3),
        "inconclusive": moved > PING_TOLERANCE,
    }


def show(title: str, figures: Sequence[Figure], environment: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the figures: one JSON document and nothing else, or lines."""
    if as_json:
        document = {"figures": [figure.document() for figure in figures], "environment": dict(environment)}
        print(json.dumps(document))
        return
    print(title)
    for figure in figures:
        print(figure.line())
        if figure.peers:
            print("      " + ", ".join(f"{name} {_text(value)}" for name, value in figure.peers.items()))
    if environment.get("inconclusive"):
        print(f"  inconclusive: a PING beside the runs moved by {environment.get('ping_moved', 1.0):.0%}")


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"

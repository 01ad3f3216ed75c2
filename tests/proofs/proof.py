"""What a proof found: figures, and whatever broke a promise. Sizes: one for every day, one in full."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Progress = Callable[[str], None]
MOST_BROKEN = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str = ""
    bound: str = ""
    """What it is held against; empty where it is only told."""


@dataclass(slots=True)
class Proof:
    """The outcome of one proof."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.broken

    def figure(self, name: str, value: float, unit: str = "", bound: str = "") -> None:
        self.figures.append(Figure(name, round(value, 4), unit, bound))

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note a broken promise; the first MOST_BROKEN are kept in words."""
        if not holds and len(self.broken) < MOST_BROKEN:
            self.broken.append(otherwise)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "holds": self.holds,
            "figures": [
                {"name": each.name, "value": each.value, "unit": each.unit, "bound": each.bound}
                for each in self.figures
            ],
            "broken": self.broken,
            "notes": self.notes,
        }


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything a run does."""

    sequences: int
    """Hypothesis sequences on a real server."""
    fake_sequences: int
    """And on the fake one."""
    kills: int
    stops: int
    storm_lease_ms: int
    histories: int
    mutant_histories: int
    """Histories after which a seeded fault counts as not found."""
    contenders: tuple[int, ...]
    fairness_rounds: int
    cancellations: int
    clock_rounds: int
    onsets: int


CI = Size(
    sequences=60,
    fake_sequences=60,
    kills=40,
    stops=15,
    storm_lease_ms=500,
    histories=12,
    mutant_histories=60,
    contenders=(2, 16, 64),
    fairness_rounds=16,
    cancellations=500,
    clock_rounds=1,
    onsets=6,
)
FULL = Size(
    sequences=10_000,
    fake_sequences=2_500,
    kills=500,
    stops=200,
    storm_lease_ms=1_000,
    histories=200,
    mutant_histories=200,
    contenders=(2, 16, 64, 256),
    fairness_rounds=40,
    cancellations=10_000,
    clock_rounds=5,
    onsets=100,
)


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least `share` of them do not exceed; 0 where there is none."""
    if not values:
        return 0.0
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def jain(counts: list[int]) -> float:
    """Return Jain's index: 1 where all have the same, 1/n where one has everything."""
    squares = sum(count * count for count in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else 0.0

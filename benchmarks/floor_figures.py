"""The figures of floor.py, out of what its runs gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from floor_alone import PING, PLAIN_PING
from floor_contenders import OURS
from report import Figure, median, percentile, ratio

if TYPE_CHECKING:
    from collections.abc import Callable

    from floor_alone import Alone
    from floor_contests import Outcome

REDIS_PY = "redis-py"


@dataclass(slots=True)
class Measured:
    """What the runs gave, in order; contests by section and by what was varied."""

    alone: list[Alone] = field(default_factory=list["Alone"])
    contests: dict[str, dict[str, list[Outcome]]] = field(
        default_factory=dict[str, "dict[str, list[Outcome]]"]
    )
    preemptions_ms: list[list[float]] = field(default_factory=list["list[float]"])
    failures: list[str] = field(default_factory=list[str])

    def add(self, section: str, name: str, outcome: Outcome | None) -> None:
        """Take note of a contest; None is one that failed."""
        if outcome is not None:
            self.contests.setdefault(section, {}).setdefault(name, []).append(outcome)

    def values(self, section: str, name: str, of: Callable[[Outcome], float | None]) -> list[float | None]:
        """Return a value of each run."""
        return [of(outcome) for outcome in self.contests.get(section, {}).get(name, [])]

    def middle(self, section: str, of: Callable[[Outcome], float | None]) -> dict[str, float | None]:
        """Return the median over the runs of each contest of a section but ours."""
        return {
            name: median(self.values(section, name, of))
            for name in self.contests.get(section, {})
            if name != OURS
        }


def p50(outcome: Outcome) -> float | None:
    return outcome.p(0.50)


def p99(outcome: Outcome) -> float | None:
    return outcome.p(0.99)


def figures(measured: Measured) -> list[Figure]:
    """Return the figures of the sections that ran."""
    return [
        *_alone(measured),
        *_handoffs(measured),
        *_preemptions(measured),
        *_rates(measured),
        *_costs(measured, "rooms", "listened to, at most 10 contended for by 2"),
        *_costs(measured, "contenders", "of one room, think 10 ms"),
    ]


def _runs(
    name: str,
    unit: str,
    runs: list[float | None],
    goal: float | None = None,
    *,
    at_least: bool = False,
    **more: object,
) -> Figure:
    return Figure(name, median(runs), unit, runs=runs, goal=goal, at_least=at_least, **more)  # type: ignore[arg-type]


def _alone(measured: Measured) -> list[Figure]:
    if not measured.alone:
        return []
    names = [name for name in measured.alone[0].us if name != OURS]
    in_us = {
        f"{name}_us": median(run.us[name] for run in measured.alone) for name in (PING, PLAIN_PING, OURS)
    }
    peers = {name: median(run.over_ping(name) for run in measured.alone) for name in names if name != PING}
    return [
        _runs(
            "acquire_over_ping",
            "x",
            [run.over_ping(OURS) for run in measured.alone],
            1.5,
            peers=peers | in_us,
        ),
        _runs(
            "script_calls_per_turn",
            "calls",
            [run.scripts_per_turn for run in measured.alone],
            2.0,
            note="a turn that nobody contends for",
        ),
    ]


def _handoffs(measured: Measured) -> list[Figure]:
    found: list[Figure] = []
    if "handoff" in measured.contests:
        peers = measured.middle("handoff", p50)
        fastest = min((value for value in peers.values() if value is not None), default=None)
        ours = measured.values("handoff", OURS, p50)
        overtaken = measured.values("handoff", OURS, lambda outcome: outcome.overtaken_percent())
        found += [
            _runs("handoff_2_processes_p50_ms", "ms", ours, 1.0, peers=peers),
            _runs(
                "handoff_2_processes_p99_ms",
                "ms",
                measured.values("handoff", OURS, p99),
                5.0,
                peers=measured.middle("handoff", p99),
            ),
            _runs("handoff_over_fastest_peer", "x", [ratio(run, fastest) for run in ours], 1.5),
            _runs(
                "handoff_redis_py_over_ours",
                "x",
                [ratio(peers.get(REDIS_PY), run) for run in ours],
                50.0,
                at_least=True,
                peers={
                    "scattered": ratio(
                        median(measured.values("scattered", REDIS_PY, p50)),
                        median(measured.values("scattered", OURS, p50)),
                    )
                },
            ),
            _runs(
                "overtaken_percent",
                "%",
                overtaken,
                0.0,
                peers=measured.middle("handoff", lambda outcome: outcome.overtaken_percent()),
            ),
            _runs(
                "script_calls_per_contended_turn",
                "calls",
                measured.values("handoff", OURS, lambda outcome: outcome.scripts_per_turn),
                note="request, take-up of the grant, release",
            ),
        ]
    for processes in measured.contests.get("processes", {}):
        of = measured.values("processes", processes, p99)
        middle = {"p50": median(measured.values("processes", processes, p50))}
        goal = 6.0 if processes == "8" else None
        found.append(_runs(f"handoff_{processes}_processes_p99_ms", "ms", of, goal, peers=middle))
    return found


def _preemptions(measured: Measured) -> list[Figure]:
    runs: list[float | None] = [percentile(run, 0.99) for run in measured.preemptions_ms]
    middle = {"p50": median(percentile(run, 0.5) for run in measured.preemptions_ms)}
    return [_runs("preempt_p99_ms", "ms", runs, 5.0, peers=middle)] if runs else []


def _rates(measured: Measured) -> list[Figure]:
    runs = measured.values("rate", OURS, lambda outcome: outcome.per_s)
    peers = measured.middle("rate", lambda outcome: outcome.per_s)
    note = "50 rooms, 2 contenders each, in 2 processes, without holding"
    return [_runs("grants_per_s", "1/s", runs, peers=peers, note=note)] if runs else []


def _costs(measured: Measured, section: str, note: str) -> list[Figure]:
    return [
        _runs(
            f"{section}_{many}_handoff_p50_ms",
            "ms",
            measured.values(section, many, p50),
            peers={
                "p99": median(measured.values(section, many, p99)),
                "script_calls_per_turn": median(
                    measured.values(section, many, lambda outcome: outcome.scripts_per_turn)
                ),
                "server_us_per_call": median(
                    measured.values(section, many, lambda outcome: outcome.server_us)
                ),
                "turns_per_s": median(measured.values(section, many, lambda outcome: outcome.per_s)),
            },
            note=note,
        )
        for many in measured.contests.get(section, {})
    ]

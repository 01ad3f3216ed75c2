"""What is derived from a tally: shares, means, percentiles, fairness. Pure; see docs/analytics.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm.analytics.tally import COUNTERS, DURATIONS, PAIRED, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from swarm.analytics.tally import Tally

SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_OWN = tuple(name for name in COUNTERS if name not in ("is_person", "joined_as_agent"))


def jain(values: Iterable[float]) -> float | None:
    """Return Jain's index of fairness: 1 for equal shares, 1/n where one has all; None for nothing at all."""
    shares = list(values)
    squares = sum(value * value for value in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else None


def is_person(counters: Mapping[str, int]) -> bool:
    """Return whether a participant is a person: it joined as one, or was heard speaking as one."""
    return counters.get("is_person", 0) > 0


def floor_fairness(tally: Tally) -> tuple[float | None, int]:
    """Return Jain's index of the agents' floor time, and over how many: those who asked for the floor."""
    held = [
        counters.get("floor_ms", 0)
        for counters in tally.participants.values()
        if not is_person(counters) and (counters.get("requests", 0) or counters.get("grants", 0))
    ]
    return jain(held), len(held)


def document(tally: Tally, **about: Any) -> dict[str, Any]:
    """Return the figures as `swarm stats --json` prints them, with `about` (room, source) in front."""
    index, over = floor_fairness(tally)
    return {
        **about,
        "events": tally.events,
        "sessions": tally.sessions,
        "missing": tally.missing,
        "first_ms": tally.first_ms,
        "last_ms": tally.last_ms,
        "participants": _participants(tally),
        "pairs": _pairs(tally),
        "durations": {name: _duration(tally.durations.get(name, Histogram())) for name in DURATIONS},
        "fairness": {"jain": _rounded(index), "agents": over},
        "types": dict(sorted(tally.types.items())),
    }


def _participants(tally: Tally) -> dict[str, dict[str, Any]]:
    floor_ms = sum(counters.get("floor_ms", 0) for counters in tally.participants.values())
    speech_ms = sum(counters.get("speech_ms", 0) for counters in tally.participants.values())
    did, suffered = _interruptions(tally)
    found: dict[str, dict[str, Any]] = {}
    by_floor = sorted(tally.participants.items(), key=lambda item: (-item[1].get("floor_ms", 0), item[0]))
    for who, counters in by_floor:
        found[who] = {
            "kind": "person" if is_person(counters) else "agent",
            **{name: counters.get(name, 0) for name in _OWN},
            "floor_share": _share(counters.get("floor_ms", 0), floor_ms),
            "speech_share": _share(counters.get("speech_ms", 0), speech_ms),
            "heard_share": _share(counters.get("words_heard", 0), counters.get("words_generated", 0)),
            "interrupted_others": did.get(who, 0),
            "was_interrupted": suffered.get(who, 0),
        }
    return found


def _pairs(tally: Tally) -> dict[str, list[dict[str, Any]]]:
    return {
        kind: [
            {"by": by, "whom": whom, "count": pair.count, "held_ms": pair.held_ms}
            for (its_kind, by, whom), pair in sorted(tally.pairs.items())
            if its_kind == kind
        ]
        for kind in PAIRED
    }


def _interruptions(tally: Tally) -> tuple[dict[str, int], dict[str, int]]:
    """Return how often each one cut others off, and was cut off."""
    did: dict[str, int] = {}
    suffered: dict[str, int] = {}
    for (kind, by, whom), pair in tally.pairs.items():
        if kind == "interruption":
            did[by] = did.get(by, 0) + pair.count
            suffered[whom] = suffered.get(whom, 0) + pair.count
    return did, suffered


def _duration(histogram: Histogram) -> dict[str, Any]:
    shown: dict[str, Any] = {"count": histogram.count, "total_ms": histogram.total_ms}
    shown["mean_ms"] = _rounded(histogram.mean_ms)
    return shown | {f"{name}_ms": histogram.percentile_ms(share) for name, share in SHARES.items()}


def _share(part: float, whole: float) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

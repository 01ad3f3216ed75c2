"""The figures of stream.py: what was measured, and what it comes to."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from report import Figure, median, percentile, ratio
from stream_contenders import DICTS, FASTSTREAM, OURS, RAW

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_fanin import Wakes
    from stream_stats import Command

FULL_EVENTS = 10_000_000
GOAL_ROOMS, GOAL_HINTED_ROOMS = 300, 1_000
XREAD, HINTS = "one XREAD", "hints"


@dataclass(slots=True)
class Measured:
    """What the runs gave, in their order."""

    us: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """What was done, to whom it was done by, to us an event."""
    processor_us: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """The same, of processor time of the client, where that was measured."""
    wakes: dict[tuple[str, int], list[Wakes]] = field(default_factory=lambda: defaultdict(list))
    """How the rooms were waited for, and how many there were."""
    commands: dict[int, list[Command]] = field(default_factory=lambda: defaultdict(list))
    """`swarm stats`, by how many events the archive held."""
    live: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """The fold and the decoding, in us an event."""


def figures(measured: Measured) -> list[Figure]:
    """Return every figure that was measured, with its goal where it has one."""
    return [*_ratios(measured), *_fan_in(measured), *_stats(measured)]


def _ratios(measured: Measured) -> list[Figure]:
    def share(ours: float | None, theirs: float | None) -> float | None:
        return ratio(theirs, ours)

    wanted: tuple[tuple[str, str, Callable[[float, float], float | None], str, float | None, bool], ...] = (
        ("publish_over_xadd", "publish", ratio, RAW, 1.3, False),
        ("pipelined_share_of_xadd", "publish pipelined", share, RAW, 0.65, True),
        ("consume_share_of_raw", "consume", share, RAW, 0.8, True),
        ("consume_over_faststream", "consume", share, FASTSTREAM, 2.0, True),
        ("consume_over_faststream_dicts", "consume", share, DICTS, None, True),
        ("consume_batched_share_of_raw", "consume batched", share, RAW, 0.5, True),
        ("consume_batched_over_faststream", "consume batched", share, FASTSTREAM, 5.0, True),
        ("consume_batched_over_faststream_dicts", "consume batched", share, DICTS, None, True),
    )
    found: list[Figure] = []
    for name, what, of, peer, goal, at_least in wanted:
        by_name = measured.us.get(what)
        if by_name is None:
            continue
        runs = [of(*pair) for pair in zip(by_name[OURS], by_name.get(peer, []), strict=False)]
        peers = {f"{who}, us an event": median(us) for who, us in by_name.items()}
        by_processor = measured.processor_us.get(what, {})
        peers |= {f"{who}, of the processor": median(us) for who, us in by_processor.items()}
        note = "" if runs else f"{peer} was not measured"
        found.append(Figure(name, median(runs), "x", peers, runs, goal=goal, at_least=at_least, note=note))
    return found


def _fan_in(measured: Measured) -> list[Figure]:
    found: list[Figure] = []
    for (how, rooms), runs in measured.wakes.items():
        goal = {(XREAD, GOAL_ROOMS): 5.0, (HINTS, GOAL_HINTED_ROOMS): 10.0}.get((how, rooms))
        p99s = [percentile(run.wakes_ms, 0.99) for run in runs]
        peers = {
            "p50": median(percentile(run.wakes_ms, 0.5) for run in runs),
            "events a second": median(run.per_s for run in runs),
            "reader, us an event": median(run.reader_us for run in runs),
            "lost": float(sum(run.lost for run in runs)),
        }
        name = f"fan_in_{'hinted_' if how == HINTS else ''}{rooms}_rooms_p99_ms"
        found.append(Figure(name, median(p99s), "ms", peers, p99s, goal=goal))
    return found


def _stats(measured: Measured) -> list[Figure]:
    found: list[Figure] = []
    for events, runs in measured.commands.items():
        full = events == FULL_EVENTS
        name = f"stats_{_short(events)}"
        took = [run.took_s for run in runs]
        peers = {"processor, s": median(run.processor_s for run in runs)}
        found.append(Figure(f"{name}_s", median(took), "s", peers, took, goal=10.0 if full else None))
        peak = [run.peak_mb for run in runs]
        found.append(Figure(f"{name}_peak_mb", median(peak), "MB", {}, peak, goal=1024.0 if full else None))
    if measured.live:
        folded = [fold for fold, _ in measured.live]
        peers = {"decoding the entry": median(decoded for _, decoded in measured.live)}
        found.append(Figure("live_stats_us", median(folded), "us", peers, folded, goal=50.0))
    return found


def _short(events: int) -> str:
    return f"{events // 1_000_000}m" if events % 1_000_000 == 0 else f"{events // 1000}k"

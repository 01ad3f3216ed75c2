"""The figures as one picture: floor time, gaps and overlaps, who cut whom off, and how soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swarm.analytics.bins import bounds_ms
from swarm.analytics.figures import is_person
from swarm.demo.picture import COLOURS, PERSON_COLOUR

if TYPE_CHECKING:
    from pathlib import Path

    from swarm.analytics.tally import Histogram, Tally

MOST_NAMES = 12
_STEP_MS, _SHOWN_MS = 100, 3_000


def draw(tally: Tally, title: str, path: Path) -> None:
    """Write the picture of a tally to `path` as a PNG of about 1400 x 900.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(2, 2)
    _floor(axes[0][0], tally)
    _transfers(axes[0][1], tally)
    _interruptions(axes[1][0], tally)
    _latencies(axes[1][1], tally)
    figure.suptitle(title, fontsize=13)  # pyright: ignore[reportUnknownMemberType] -- types are partial
    figure.savefig(path, format="png")  # pyright: ignore[reportUnknownMemberType] -- types are partial


def _floor(axis: Any, tally: Tally) -> None:
    held = sorted(tally.participants.items(), key=lambda item: item[1].get("floor_ms", 0))[-MOST_NAMES:]
    names = [who for who, _ in held]
    for row, (_, counters) in enumerate(held):
        colour = PERSON_COLOUR if is_person(counters) else COLOURS[0]
        axis.barh(row, counters.get("floor_ms", 0) / 1000, color=colour, alpha=0.35)
        axis.barh(row, counters.get("speech_ms", 0) / 1000, color=colour, height=0.4)
        turns = counters.get("turns", 0)
        axis.annotate(f" {turns} turn(s)", (counters.get("floor_ms", 0) / 1000, row), va="center", fontsize=9)
    axis.set_yticks(range(len(names)), names)
    axis.margins(x=0.15)
    axis.set_xlabel("seconds")
    axis.set_title("floor held (pale) and speech", fontsize=11)
    _plain(axis)


def _transfers(axis: Any, tally: Tally) -> None:
    edges = np.arange(-_SHOWN_MS, _SHOWN_MS + _STEP_MS, _STEP_MS)
    for name, sign, colour in (("gap", 1, COLOURS[1]), ("overlap", -1, PERSON_COLOUR)):
        values, weights = _middles(tally.durations.get(name))
        shown = np.clip(sign * values, -_SHOWN_MS, _SHOWN_MS - 1)
        label = f"{name} ({int(weights.sum())})"
        axis.hist(shown, bins=edges, weights=weights, color=colour, label=label)
    axis.axvline(0, color="#777777", linewidth=1)
    axis.set_xlabel("ms from one speaker's end to the next one's beginning (ends of the scale: beyond)")
    axis.set_title("gaps and overlaps where the speaker changes", fontsize=11)
    axis.legend(frameon=False)
    _plain(axis)


def _interruptions(axis: Any, tally: Tally) -> None:
    found = {
        (by, whom): pair.count for (kind, by, whom), pair in tally.pairs.items() if kind == "interruption"
    }
    axis.set_title("interruptions: who (rows) cut whom off", fontsize=11)
    if not found:
        axis.text(0.5, 0.5, "none", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
        return
    busiest = sorted({name for pair in found for name in pair}, key=lambda name: -_times(found, name))
    names = sorted(busiest[:MOST_NAMES])
    counts = np.array([[found.get((by, whom), 0) for whom in names] for by in names])
    axis.imshow(counts, cmap="Reds", vmin=0, vmax=1.6 * counts.max(), aspect="auto")
    axis.set_xticks(range(len(names)), names)
    axis.set_yticks(range(len(names)), names)
    for row in range(len(names)):
        for column in range(len(names)):
            axis.text(column, row, counts[row, column] or "", ha="center", va="center")


def _times(found: dict[tuple[str, str], int], name: str) -> int:
    return sum(count for pair, count in found.items() if name in pair)


def _latencies(axis: Any, tally: Tally) -> None:
    for name, label, colour in (
        ("onset_to_silence", "onset to silence", PERSON_COLOUR),
        ("response", "response to a person", COLOURS[0]),
        ("queue_wait", "wait in the queue", COLOURS[2]),
    ):
        values, weights = _middles(tally.durations.get(name))
        if len(values):
            order = np.argsort(values)
            share = np.concatenate(([0.0], np.cumsum(weights[order]) / weights.sum()))
            shown = np.maximum(np.concatenate((values[order][:1], values[order])), 1)
            axis.step(shown, share, where="post", color=colour, label=f"{label} ({int(weights.sum())})")
            axis.plot(shown[1:], share[1:], ".", color=colour)
    axis.set_xscale("log")
    axis.set_ylim(0, 1.02)
    axis.set_xlabel("ms")
    axis.set_ylabel("share that is done")
    axis.set_title("how soon", fontsize=11)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(frameon=False, loc="lower right")
    _plain(axis)


def _middles(histogram: Histogram | None) -> tuple[Any, Any]:
    bins = {} if histogram is None else histogram.bins
    middles = [sum(bounds_ms(number)) / 2 for number in sorted(bins)]
    return np.array(middles), np.array([bins[number] for number in sorted(bins)], dtype=float)


def _plain(axis: Any) -> None:
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)

"""A score as one picture: what was taken for what, and how soon interruptions were caught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm.evaluate import HIT_WITHIN_S, IGNORE, INTERRUPT, delays_s

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from swarm.evaluate import Outcome

_COLOUR = "#2a6fbb"
_BINS = 30
_LARGEST_DOT = 900.0
_SMALLEST_DOT = 15.0


def draw(outcomes: Sequence[Outcome], judge: str, path: Path) -> None:
    """Write confusion, distribution of delays and calibration to `path` as a PNG of about 1500 x 500.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(1, 3)
    _confusion(axes[0], outcomes)
    _delays(axes[1], outcomes)
    _calibration(axes[2], outcomes)
    figure.suptitle(f"Judge {judge} on {len(outcomes)} rows")  # pyright: ignore[reportUnknownMemberType] -- matplotlib types are partial
    figure.savefig(path, format="png")  # pyright: ignore[reportUnknownMemberType] -- matplotlib types are partial


def _confusion(axis: Any, outcomes: Sequence[Outcome]) -> None:
    labels = (IGNORE, INTERRUPT)
    counts = [
        [sum(1 for each in outcomes if each.label == label and each.decision == said) for said in labels]
        for label in labels
    ]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for down, row in enumerate(counts):
        for along, count in enumerate(row):
            share = shares[down][along]
            shown = f"{count}\n{share:.1%}"
            axis.text(along, down, shown, ha="center", va="center", color="white" if share > 0.5 else "black")
    axis.set_xticks((0, 1), [f"judged {label}" for label in labels])
    axis.set_yticks((0, 1), labels)
    axis.set_title("what was taken for what")


def _delays(axis: Any, outcomes: Sequence[Outcome]) -> None:
    delays = delays_s(outcomes)
    if delays:
        axis.hist(delays, bins=_BINS, range=(0, HIT_WITHIN_S), color=_COLOUR)
    false = sum(1 for each in outcomes if each.label == IGNORE and each.fired_s is not None)
    axis.set_title(f"interruptions caught word by word ({false} false)")
    axis.set_xlabel("s from the onset")
    axis.set_ylabel("rows")


def _calibration(axis: Any, outcomes: Sequence[Outcome]) -> None:
    axis.plot((0.5, 1), (0.5, 1), color="grey", linewidth=1)
    for low in (0.5, 0.6, 0.7, 0.8, 0.9):
        here = [each for each in outcomes if low < each.confidence <= low + 0.1]
        if here:
            place = sum(each.confidence for each in here) / len(here)
            share = sum(each.right for each in here) / len(here)
            area = _LARGEST_DOT * len(here) / len(outcomes)
            axis.scatter(place, share, s=max(_SMALLEST_DOT, area), color=_COLOUR, alpha=0.6)
            below = {"textcoords": "offset points", "xytext": (0, -24), "ha": "center"}
            axis.annotate(f"{len(here)} rows", (place, share), **below)
    axis.set_xlim(0.45, 1.07)
    axis.set_ylim(-0.15, 1.1)
    axis.set_title("what a confidence is worth")
    axis.set_xlabel("confidence")
    axis.set_ylabel("share of right decisions")

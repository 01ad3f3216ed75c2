"""The run as one picture: a lane for each participant, its sound, its turns, and what was cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from swarm.demo.report import Recording, Report

COLOURS = ("#2a6fbb", "#2f9e63", "#8a5fbf", "#b8860b")
PERSON_COLOUR = "#d1495b"


def draw(report: Report, recording: Recording, people: frozenset[str], path: Path) -> None:
    """Write the timeline of a run to `path` as a PNG of about 1600 x 700.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = sorted(recording.samples, key=lambda who: (who in people, who))
    figure = Figure(figsize=(16, 2.0 * len(names) + 1.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    rows: Any = figure.subplots(len(names), 1, sharex=True, squeeze=False)
    for row, name in enumerate(names):
        _lane(rows[row][0], name, COLOURS[row % len(COLOURS)], report, recording, people)
    rows[-1][0].set_xlabel("seconds")
    figure.suptitle(  # pyright: ignore[reportUnknownMemberType] -- matplotlib types are partial
        "Who was heard, who held the stick (shaded), and who was cut off", fontsize=13
    )
    figure.savefig(path)  # pyright: ignore[reportUnknownMemberType] -- matplotlib types are partial


def _lane(
    axis: Any, name: str, colour: str, report: Report, recording: Recording, people: frozenset[str]
) -> None:
    colour = PERSON_COLOUR if name in people else colour
    samples = recording.samples[name]
    step = max(1, recording.rate_hz // 200)
    whole = len(samples) // step * step
    peaks = np.abs(samples[:whole].astype(np.int32)).reshape(-1, step).max(axis=1) / 32768.0
    seconds = np.arange(len(peaks)) * step / recording.rate_hz
    axis.fill_between(seconds, -peaks, peaks, color=colour, linewidth=0)
    end_s = seconds[-1] if len(seconds) else 1.0
    for turn in report.turns:
        if turn.holder == name:
            to_s = end_s if turn.to_ms is None else turn.to_ms / 1000
            axis.axvspan(turn.from_ms / 1000, to_s, color=colour, alpha=0.15, linewidth=0)
    for item in report.interruptions:
        if item.interrupted == name:
            cut = item.decision == "interrupt"
            at_s = item.at_ms / 1000
            axis.axvline(
                at_s, color="#b00020" if cut else "#777777", linestyle="-" if cut else ":", linewidth=1.4
            )
            text = f"cut by {item.interruptor}" if cut else f"{item.interruptor}: no interruption"
            axis.annotate(text, (at_s, 0.86), xytext=(4, 0), textcoords="offset points", fontsize=9)
    axis.set_ylim(-1, 1)
    axis.set_xlim(0, max(1.0, end_s))
    axis.set_yticks([])
    axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=12)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)

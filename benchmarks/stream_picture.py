"""The picture of stream.py: what more rooms cost, and what more events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from report import median, percentile
from stream_figures import HINTS, XREAD

if TYPE_CHECKING:
    from stream_figures import Measured

SHARES = {0.5: "-", 0.99: "--"}


def draw(measured: Measured, path: str) -> None:
    """Draw into the file `path`, in the format that its name says; sections that were left out stay empty."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (wakes, reader, stats) = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
    for how, colour in ((XREAD, "C0"), (HINTS, "C1")):
        rooms = sorted(rooms for its_how, rooms in measured.wakes if its_how == how)
        runs = {n: measured.wakes[how, n] for n in rooms}
        for share, style in SHARES.items():
            heights = [median(percentile(run.wakes_ms, share) for run in runs[n]) for n in rooms]
            label = f"{how}, p{share * 100:g}"
            wakes.plot(rooms, heights, style, marker="o", color=colour, label=label)
        costs = [median(run.reader_us for run in runs[n]) for n in rooms]
        reader.plot(rooms, costs, marker="o", color=colour, label=how)
    wakes.set_ylabel("published until with the reader, ms")
    wakes.set_title("wake-up at 2,000 events/s by rooms")
    reader.set_ylabel("processor time of the reader, us an event")
    reader.set_title("cost of an event by rooms")
    for axis in (wakes, reader):
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
        axis.set_xlabel("rooms of one reader")
    sizes = sorted(measured.commands)
    for label, style, of in (("wall clock", "-", "took_s"), ("processor", "--", "processor_s")):
        heights = [median(getattr(run, of) for run in measured.commands[n]) for n in sizes]
        stats.plot(sizes, heights, style, marker="o", color="C2", label=label)
    stats.set_xscale("log")
    stats.set_ylim(bottom=0)
    stats.set_xlabel("events in the archive")
    stats.set_ylabel("s")
    stats.set_title("swarm stats by events (DuckDB)")
    for axis in (wakes, reader, stats):
        if axis.lines:
            axis.legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)

"""The picture of floor.py: hand-overs of ours and of the peers, and what rooms and contenders cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from floor_contenders import OURS, PEERS
from report import percentile

if TYPE_CHECKING:
    from floor_figures import Measured

SHARES = (0.5, 0.99)


def draw(measured: Measured, path: str) -> None:
    """Draw into the file `path`, in the format that its name says; sections that were left out stay empty."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (bars, lines) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    kinds = [kind for kind in (OURS, *PEERS) if kind in measured.contests.get("handoff", {})]
    for n, share in enumerate(SHARES):
        heights = [_pooled(measured, "handoff", kind, share) for kind in kinds]
        drawn = bars.bar([i + 0.4 * n for i in range(len(kinds))], heights, 0.38, label=f"p{share * 100:g}")
        bars.bar_label(drawn, fmt="%.2g", fontsize=8)
    bars.set_yscale("log")
    bars.set_xticks([i + 0.2 for i in range(len(kinds))], kinds, fontsize=8)
    bars.set_ylabel("hand-over, ms")
    bars.set_title("64 contenders in 2 processes")
    bars.legend()
    for section, label in (("contenders", "contenders of one room"), ("rooms", "rooms listened to")):
        many = list(measured.contests.get(section, {}))
        for share, style in zip(SHARES, ("-", "--"), strict=True):
            heights = [_pooled(measured, section, name, share) for name in many]
            lines.plot(
                [int(name) for name in many], heights, style, marker="o", label=f"{label}, p{share * 100:g}"
            )
    lines.set_xscale("log")
    lines.set_ylim(bottom=0)
    lines.set_ylabel("hand-over of ours, ms")
    lines.set_title("cost by contenders and by rooms")
    if lines.lines:
        lines.legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _pooled(measured: Measured, section: str, name: str, share: float) -> float:
    outcomes = measured.contests.get(section, {}).get(name, [])
    return percentile([ms for outcome in outcomes for ms in outcome.handoffs_ms()], share) or 0.0

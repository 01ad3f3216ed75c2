"""The figures, the tables and the picture of backchannel.py from its trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backchannel_trial import CONTROL
from report import Figure, median, ratio, rounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backchannel_trial import Outcome

OURS = ("told_immediate", "told_confirm", "told_overlap")
PEERS = ("resuming", "resuming_tuned", "resuming_told", "resuming_min_words")
NAMES = {
    "told_immediate": "ours, immediate",
    "told_confirm": "ours, confirm",
    "told_overlap": "ours, overlap",
    CONTROL: "nobody says anything",
    "resuming": "AgentSession, no words found",
    "resuming_tuned": "AgentSession tuned, no words found",
    "resuming_told": "AgentSession, words found",
    "resuming_min_words": "AgentSession, words found, min_words 2",
}


def silence_ms(outcomes: Sequence[Outcome], name: str) -> float | None:
    """Return the median silence after a backchannel."""
    return median(each.silence_ms for each in outcomes if each.contender == name)


def figures(runs: Sequence[Sequence[Outcome]]) -> list[Figure]:
    """Return the figures, each over all trials, with the same of each run by itself."""
    together = [each for run in runs for each in run]

    def silence(figure: str, name: str, *, goal: float | None = None, note: str = "") -> Figure:
        mine = [each for each in together if each.contender == name]
        peers: dict[str, float | None] = {
            "mean": sum(each.silence_ms for each in mine) / len(mine) if mine else None,
            "longest gap": max((each.longest_ms for each in mine), default=None),
            "cut off of 100": 100 * sum(each.cut for each in mine) / len(mine) if mine else None,
            "words lost": float(sum(each.lost_words for each in mine)),
            "ms of sound too much": max((each.doubled_ms for each in mine), default=None),
            "ms changed": max((e.changed_ms for e in mine if e.changed_ms is not None), default=None),
        }
        return Figure(
            figure,
            silence_ms(together, name),
            "ms",
            peers=peers,
            runs=[silence_ms(run, name) for run in runs],
            goal=goal,
            note=note,
        )

    def over(figure: str, peer: str) -> Figure:
        def value(outcomes: Sequence[Outcome]) -> float | None:
            return ratio(silence_ms(outcomes, "told_confirm"), silence_ms(outcomes, peer))

        return Figure(figure, value(together), "ratio", runs=[value(run) for run in runs])

    made = [
        silence("overlap_silence_ms", "told_overlap", goal=0.0),
        silence("confirm_silence_ms", "told_confirm"),
        silence("immediate_silence_ms", "told_immediate", note="cuts by design; of 4.5 s"),
        silence("agent_session_silence_ms", "resuming", note="defaults; its recogniser finds no words"),
        silence("agent_session_tuned_silence_ms", "resuming_tuned"),
        silence(
            "agent_session_told_silence_ms", "resuming_told", note="defaults; its recogniser finds the words"
        ),
        silence("agent_session_min_words_silence_ms", "resuming_min_words"),
        over("confirm_over_agent_session", "resuming"),
        over("confirm_over_agent_session_tuned", "resuming_tuned"),
        over("confirm_over_agent_session_told", "resuming_told"),
        silence("control_silence_ms", CONTROL, note="nobody says anything: the machine's and the network's"),
    ]
    return [figure for figure in made if figure.value is not None]


def by_text(outcomes: Sequence[Outcome]) -> list[str]:
    """Return rows of a Markdown table: silence by what was said and by contender."""
    texts = list(dict.fromkeys((each.text, each.ms) for each in outcomes))
    present = [name for name in NAMES if any(each.contender == name for each in outcomes)]
    head = " | ".join(f'"{text.rstrip(".")}", {ms:.0f} ms' for text, ms in texts)
    rows = [
        f"| silence in ms, median | {head} | cut off | words lost | most sound too much, ms "
        "| most changed where handed over, ms |",
        "|---" * (len(texts) + 5) + "|",
    ]
    for name in present:
        mine = [each for each in outcomes if each.contender == name]
        cells = [_text(median(each.silence_ms for each in mine if each.text == text)) for text, _ in texts]
        cut = f"{sum(each.cut for each in mine)} of {len(mine)}"
        lost = sum(each.lost_words for each in mine)
        doubled = max(each.doubled_ms for each in mine)
        changed = [each.changed_ms for each in mine if each.changed_ms is not None]
        most = _text(max(changed, default=None))
        rows.append(f"| {NAMES[name]} | {' | '.join(cells)} | {cut} | {lost} | {doubled:.0f} | {most} |")
    return rows


def tables(made: Sequence[Figure], outcomes: Sequence[Outcome], environment: Mapping[str, Any]) -> str:
    """Return where it was measured, the figures and the silences by what was said, in Markdown."""
    rows = ["| figure | median | mean | medians of the runs |", "|---|---|---|---|"]
    for figure in made:
        runs = [run for run in figure.runs if run is not None]
        spread = f"{rounded(min(runs)):g} to {rounded(max(runs)):g}" if len(runs) > 1 else ""
        mean = _text(figure.peers["mean"]) if "mean" in figure.peers else ""
        rows.append(f"| `{figure.name}` | {_text(figure.value)} {figure.unit} | {mean} | {spread} |")
    packages = ", ".join(f"{name} {version}" for name, version in environment["packages"].items())
    sure = "inconclusive" if environment["inconclusive"] else "steady"
    where = (
        f"Measured on {environment['cpus']} cores ({environment['machine']}), Python "
        f"{environment['python']}, {packages}; {environment['trials']} trials of each in "
        f"{environment['runs']} runs. "
        f"PINGs beside them: {', '.join(map(str, environment['ping_us']))} us: {sure}."
    )
    return "\n".join((where, "", *rows, "", *by_text(outcomes)))


def draw(outcomes: Sequence[Outcome], path: str) -> None:
    """Draw into the file `path`, in the format that its name says: a dot for each trial."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    present = [name for name in NAMES if any(each.contender == name for each in outcomes)]
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    for row, name in enumerate(reversed(present)):
        mine = [each for each in outcomes if each.contender == name]
        colour = "tab:blue" if name in (*OURS, CONTROL) else "tab:orange"
        for cut, mark in ((False, "o"), (True, "x")):
            dots = [each.silence_ms for each in mine if each.cut is cut]
            axes.plot(dots, [row] * len(dots), mark, color=colour, alpha=0.6)
        axes.plot([silence_ms(mine, name)], [row], "|", color="black", markersize=16)
    axes.set_yticks(range(len(present)), [NAMES[name] for name in reversed(present)], fontsize=8)
    axes.set_xlabel("silence after a backchannel, ms of 4,500 (x: cut off; bar: median)")
    axes.set_xlim(left=-50)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{rounded(value):g}"

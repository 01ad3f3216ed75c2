"""The figures of barge_in.py from its trials. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from report import Figure, median, percentile, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from trial import Trial

CONTENDERS = ("ours_confirm", "ours_immediate", "agent_session", "agent_session_tuned", "livekit_runner")
OURS = "ours_confirm"
"""The mode that is compared: the default of the swarm."""
MODES = ("ours_confirm", "ours_immediate")
DEFAULT, TUNED = "agent_session", "agent_session_tuned"


def silences(trials: Sequence[Trial], name: str) -> list[float | None]:
    """Onset to silence of one contender."""
    return [trial.onset_to_silence_ms for trial in trials if trial.contender == name]


def figures(runs: Sequence[Sequence[Trial]]) -> list[Figure]:
    """Return the figures, each over all trials, with the same of each run by itself."""
    together = [trial for run in runs for trial in run]

    def silent(name: str, of: Callable[[list[float | None]], float | None]) -> float | None:
        return of(silences(together, name))

    def over(name: str) -> Figure:
        def value(trials: Sequence[Trial]) -> float | None:
            return ratio(median(silences(trials, OURS)), median(silences(trials, name)))

        default = name == DEFAULT
        return Figure(
            f"onset_to_silence_ratio_{'default' if default else 'tuned'}",
            value(together),
            "ratio",
            runs=[value(run) for run in runs],
            goal=0.25 if default else 0.70,
        )

    def p95_over_tuned(trials: Sequence[Trial]) -> float | None:
        return ratio(p95(silences(trials, OURS)), median(silences(trials, TUNED)))

    def words_off(trials: Sequence[Trial], *names: str) -> float | None:
        """p95 of the words that context and recording differ by, over trials that were cut."""
        return p95(
            float(trial.heard_error)
            for trial in trials
            if trial.contender in names and trial.onset_to_silence_ms is not None
        )

    def interrupted(trials: Sequence[Trial]) -> float | None:
        return median(t.decision_to_interrupted_ms for t in trials if t.contender in MODES)

    peers = [name for name in _names(together) if name != OURS]
    return [
        over(DEFAULT),
        over(TUNED),
        Figure(
            "onset_to_silence_median_ms",
            silent(OURS, median),
            "ms",
            peers={name: silent(name, median) for name in peers},
            runs=[median(silences(run, OURS)) for run in runs],
        ),
        Figure(
            "onset_to_silence_p95_over_tuned_median",
            p95_over_tuned(together),
            "ratio",
            peers={f"{name}_p95_ms": silent(name, p95) for name in (OURS, *peers)},
            runs=[p95_over_tuned(run) for run in runs],
            goal=1.0,
        ),
        Figure(
            "interrupted_median_ms",
            interrupted(together),
            "ms",
            runs=[interrupted(run) for run in runs],
            goal=5.0,
            note="decision to interrupted=True on the offline model",
        ),
        Figure(
            "heard_text_error_p95_words",
            words_off(together, *MODES),
            "words",
            peers={name: words_off(together, name) for name in peers if name not in MODES},
            runs=[words_off(run, *MODES) for run in runs],
            goal=1.0,
        ),
    ]


def p95(values: Iterable[float | None]) -> float | None:
    """The 95th percentile."""
    return percentile(values, 0.95)


def table(trials: Sequence[Trial]) -> str:
    """Return the parts of each contender's way to silence, in ms."""
    head = (
        "onset to detector",
        "detector to gate",
        "gate to silence",
        "onset to pause",
        "onset to silence",
        "p95",
        "max",
    )
    lines = [
        "medians in ms" + " " * 8 + "".join(f"{column:>19s}" for column in head) + "     cut   words off"
    ]
    for name in _names(trials):
        mine = [trial for trial in trials if trial.contender == name]
        silent = [trial.onset_to_silence_ms for trial in mine]
        values = (
            median(trial.onset_to_detector_ms for trial in mine),
            median(trial.detector_to_gate_ms for trial in mine),
            median(trial.gate_to_silence_ms for trial in mine),
            median(trial.onset_to_pause_ms for trial in mine),
            median(silent),
            p95(silent),
            percentile(silent, 1.0),
        )
        cut = [trial for trial in mine if trial.onset_to_silence_ms is not None]
        off = percentile([float(trial.heard_error) for trial in cut], 0.95)
        shown = "".join(f"{'-' if value is None else f'{value:.0f}':>19s}" for value in values)
        lines.append(
            f"{name:21s}{shown}{len(cut):>5d}/{len(mine)}{'-' if off is None else f'{off:.0f}':>12s}"
        )
    return "\n".join(lines)


def _names(trials: Sequence[Trial]) -> list[str]:
    present = dict.fromkeys(trial.contender for trial in trials)
    return [name for name in CONTENDERS if name in present] + [n for n in present if n not in CONTENDERS]

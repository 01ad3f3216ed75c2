"""Scores a judge of interruptions on labelled rows: whole, short, and word by word. Pure.

A row is judged twice: once as a complete reply, and once as it grew, word by word, if it has word times. What
cannot be judged has the safe decision, an interruption.
"""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from streams.vocabulary import Decision, Observation
from swarm.errors import SwarmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from adapters.ports import Judge

IGNORE, INTERRUPT = "ignore", "interrupt"
SHORT_WORDS = 3
HIT_WITHIN_S = 1.5
LONGEST_LINE_CHARS = 200_000
_WORD_S = 0.25
"""What a word is taken to last where a row has no times."""
_LEVEL_DBFS = -25.0
_LONGEST_S = 86_400.0


class EvaluationError(SwarmError):
    """A file of labelled rows cannot be used; `line` is the first wrong one, 0 for the file."""

    def __init__(self, *, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Row:
    """What one person said while an agent spoke, and whether it took the floor."""

    text: str
    label: str = ""
    """IGNORE, INTERRUPT, or nothing where it is not known."""
    context: str = ""
    word_times: tuple[tuple[str, float, float], ...] = ()
    language: str = ""
    problems: tuple[str, ...] = ()
    """What of it cannot be used: it is judged without that."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a judge said of one row."""

    label: str
    words: int
    """How many the row has."""
    decision: str
    confidence: float
    replayed: bool = False
    fired_s: float | None = None
    """From the onset to the word at which the growing reply was taken for an interruption."""

    @property
    def right(self) -> bool:
        """Whether the decision is the label."""
        return self.decision == self.label

    def prediction(self) -> str:
        """The line of a predictions file."""
        return json.dumps({"decision": self.decision, "confidence": self.confidence})


SAFE = Outcome(label="", words=0, decision=INTERRUPT, confidence=0.5)
"""What is said of a row that cannot be judged."""


def row_of(line: str, number: int) -> Row:
    """Return the row that a JSON line holds.

    Raises:
        EvaluationError: there is nothing in it to judge; names the line.
    """
    if len(line) > LONGEST_LINE_CHARS:
        raise EvaluationError(line=number, reason=f"is longer than {LONGEST_LINE_CHARS} characters")
    try:
        found: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(line=number, reason=f"is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise EvaluationError(line=number, reason="holds no object")
    values = cast("dict[str, Any]", found)
    text = values.get("text")
    if not isinstance(text, str):
        raise EvaluationError(line=number, reason="has no text")
    problems: list[str] = []
    label = values.get("label")
    if label is not None and label not in (IGNORE, INTERRUPT):
        problems.append(f"label {str(label)[:40]!r} is neither {IGNORE!r} nor {INTERRUPT!r}")
        label = None
    return Row(
        text,
        label or "",
        _text(values, "context", problems),
        _times(values.get("word_times"), problems),
        _text(values, "language", problems),
        tuple(problems),
    )


def _text(values: dict[str, Any], key: str, problems: list[str]) -> str:
    found = values.get(key)
    if found is None or isinstance(found, str):
        return found or ""
    problems.append(f"{key} is no text")
    return ""


def _times(found: object, problems: list[str]) -> tuple[tuple[str, float, float], ...]:
    if found is None:
        return ()
    try:
        times = tuple((str(word), float(start), float(end)) for word, start, end in cast("Any", found))
    except (TypeError, ValueError, OverflowError):
        problems.append("word_times are not [word, start, end]")
        return ()
    if all(0 <= start <= end < _LONGEST_S for _, start, end in times):
        return times
    problems.append("word_times hold what is no stretch of time")
    return ()


def judged(row: Row, make: Callable[[], Judge]) -> Outcome:
    """Return what judges made by `make` say of `row`: of the whole, and of its growing words.

    Raises:
        EvaluationError: a judge failed, or answered with what is no verdict; says how.
    """
    try:
        verdict = make().observe(_whole(row))
        interrupts = Decision(verdict.decision) is Decision.INTERRUPT
        confidence = 1.0 if verdict.confidence is None else float(verdict.confidence)
        fired_s = _fired_s(row, make()) if row.word_times else None
    except Exception as error:
        raise EvaluationError(line=0, reason=f"the judge failed ({error!r:.100})") from error
    if not 0.0 <= confidence <= 1.0:
        raise EvaluationError(line=0, reason=f"the judge's confidence is {confidence}, not from 0 to 1")
    return Outcome(
        row.label,
        len(row.text.split()),
        INTERRUPT if interrupts else IGNORE,
        confidence,
        replayed=bool(row.word_times),
        fired_s=fired_s,
    )


def _fired_s(row: Row, judge: Judge) -> float | None:
    for seen in _growing(row):
        if judge.observe(seen).decision is Decision.INTERRUPT:
            return seen.elapsed_ms / 1000.0
    return None


def _whole(row: Row) -> Observation:
    if row.word_times:
        end_s = row.word_times[-1][2]
        voiced_s = sum(end - start for _, start, end in row.word_times)
    else:
        end_s = voiced_s = _WORD_S * len(row.text.split())
    return _seen(row, row.text, end_s, voiced_s, over=True)


def _growing(row: Row) -> Iterable[Observation]:
    words: list[str] = []
    voiced_s = 0.0
    for word, start, end in row.word_times:
        words.append(word)
        voiced_s += max(0.0, end - start)
        yield _seen(row, " ".join(words), end, voiced_s, over=False)
    yield _seen(row, " ".join(words), row.word_times[-1][2], voiced_s, over=True)


def _seen(row: Row, words: str, elapsed_s: float, voiced_s: float, *, over: bool) -> Observation:
    return Observation(
        elapsed_ms=elapsed_s * 1000.0,
        voiced_ms=voiced_s * 1000.0,
        silence_ms=0.0,
        level_dbfs=_LEVEL_DBFS,
        words=words,
        final=over,
        ended=over,
        agent_words=row.context,
        language=row.language,
    )


def scores(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return all figures of rows that have labels; None where there is nothing to count."""
    short = [each for each in outcomes if each.words <= SHORT_WORDS]
    return {
        "rows": len(outcomes),
        "all": classes(outcomes),
        "short": classes(short),
        "calibration_error": calibration_error(outcomes),
        "replay": replay(outcomes),
    }


def classes(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return precision, recall and F1 of each class, balanced accuracy, and the counts behind them."""
    found: dict[str, Any] = {"rows": len(outcomes)}
    for label in (IGNORE, INTERRUPT):
        hit = sum(1 for each in outcomes if each.label == label and each.right)
        said = sum(1 for each in outcomes if each.decision == label)
        are = sum(1 for each in outcomes if each.label == label)
        precision, recall = _share(hit, said), _share(hit, are)
        both = (precision or 0.0) + (recall or 0.0)
        found[label] = {
            "rows": are,
            "right": hit,
            "precision": precision,
            "recall": recall,
            "f1": _round(2 * (precision or 0.0) * (recall or 0.0) / both) if both else None,
        }
    recalls = [found[label]["recall"] for label in (IGNORE, INTERRUPT)]
    found["balanced_accuracy"] = None if None in recalls else _round(sum(recalls) / 2)
    return found


def calibration_error(outcomes: Sequence[Outcome], bins: int = 10) -> float | None:
    """Return how far the confidences are from the share of right decisions (expected error over bins)."""
    if not outcomes:
        return None
    total = 0.0
    for index in range(bins):
        low, high = index / bins, (index + 1) / bins
        here = [e for e in outcomes if low < e.confidence <= high or (index == 0 and e.confidence == 0)]
        if here:
            right = sum(each.right for each in here) / len(here)
            total += len(here) * abs(right - sum(each.confidence for each in here) / len(here))
    return _round(total / len(outcomes))


def replay(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the word-by-word figures: false fires, hits within HIT_WITHIN_S, their median delay."""
    grown = [each for each in outcomes if each.replayed]
    calm = [each for each in grown if each.label == IGNORE]
    claims = [each for each in grown if each.label == INTERRUPT]
    delays = delays_s(outcomes)
    return {
        "rows": len(grown),
        "false_fires": _share(sum(each.fired_s is not None for each in calm), len(calm)),
        "hits_within_1_5_s": _share(len(delays), len(claims)),
        "median_delay_s": _round(statistics.median(delays)) if delays else None,
        "p90_delay_s": _round(sorted(delays)[math.ceil(0.9 * len(delays)) - 1]) if delays else None,
    }


def delays_s(outcomes: Iterable[Outcome]) -> list[float]:
    """Return the delays of the interruptions that were caught in time."""
    return [
        each.fired_s
        for each in outcomes
        if each.label == INTERRUPT and each.fired_s is not None and each.fired_s <= HIT_WITHIN_S
    ]


def _share(part: int, whole: int) -> float | None:
    return _round(part / whole) if whole else None


def _round(value: float) -> float:
    return round(value, 4)

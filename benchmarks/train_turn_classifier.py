"""Trains the classifier of short replies from labelled overlaps. Same input, same file, byte for byte.

    python benchmarks/train_turn_classifier.py TRAIN.jsonl --out MODEL.json
    python benchmarks/train_turn_classifier.py TRAIN.jsonl --curve [OTHERS.jsonl ...]
    python benchmarks/train_turn_classifier.py TRAIN.jsonl --registers

The second prints what each threshold for growing words costs and brings, word by word: on TRAIN held out by
conversation, and on files of rows that no weight has seen. The third prints how each register of the invented
replies is judged by weights that saw TRAIN and the other registers alone.

What it learns from, and what it may not: docs/interruption/data-card.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from synthetic_replies import synthetic_replies

from host_agent.interruption import JudgeSettings, LearnedJudge
from host_agent.interruption.classifier import TurnClassifier
from host_agent.interruption.reading import acknowledges, features_of
from swarm.evaluate import judged, row_of, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

L2 = 1.0
SYNTHETIC_WEIGHT = 0.25
INVENTED = Path(__file__).parent / "replies"
INVENTED_WEIGHT = 0.1
DOUBTFUL_WEIGHT = 0.0
GROWING_WEIGHT = 0.5
LEAST_SEEN = 3
STEPS = 200
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Example:
    features: tuple[str, ...]
    target: float
    weight: float


def doubtful(row: dict[str, Any]) -> bool:
    """Whether a derived label says that plain agreement took the floor: that is the rule's word."""
    return row["label"] == "interrupt" and acknowledges(row["text"])


def whole_examples(rows: Iterable[dict[str, Any]]) -> list[Example]:
    return [
        Example(
            tuple(features_of(row["text"], row.get("context", ""))),
            float(row["label"] == "interrupt"),
            row.get("weight", 1.0) * (DOUBTFUL_WEIGHT if doubtful(row) else 1.0),
        )
        for row in rows
    ]


def growing_examples(rows: Iterable[dict[str, Any]]) -> list[Example]:
    """Every beginning of every row: what its first words say about how it will end."""
    examples: list[Example] = []
    for row in rows:
        words = row["text"].split()
        weight = row.get("weight", 1.0) * (DOUBTFUL_WEIGHT if doubtful(row) else 1.0)
        for count in range(1, min(len(words), 8) + 1):
            features = features_of(" ".join(words[:count]), row.get("context", ""))
            share = 1.0 if count == len(words) else GROWING_WEIGHT
            examples.append(Example(tuple(features), float(row["label"] == "interrupt"), weight * share))
    return examples


def fit(examples: Sequence[Example]) -> dict[str, float]:
    """Return the weights of a logistic regression with a quadratic penalty; no chance in it."""
    seen: dict[str, int] = {}
    for example in examples:
        for feature in example.features:
            seen[feature] = seen.get(feature, 0) + 1
    names = sorted(feature for feature, count in seen.items() if count >= LEAST_SEEN)
    index = {name: place for place, name in enumerate(names)}
    pairs = [(row, index[f]) for row, e in enumerate(examples) for f in e.features if f in index]
    rows, columns = np.array(pairs, dtype=np.int64).T
    targets = np.array([e.target for e in examples])
    weights = np.array([e.weight for e in examples])
    penalty = np.full(len(names), L2)
    penalty[index["1"]] = 1e-3

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = np.bincount(rows, w[columns], len(examples))
        p = 1.0 / (1.0 + np.exp(-np.clip(z, -30, 30)))
        error = weights * (p - targets)
        value = float(np.sum(weights * (np.logaddexp(0, z) - targets * z)) + 0.5 * np.sum(penalty * w * w))
        return value, np.bincount(columns, error[rows], len(names)) + penalty * w

    solved = minimise(loss, np.zeros(len(names)))
    return {name: round(float(w), 4) for name, w in zip(names, solved, strict=True) if abs(w) >= 5e-4}


def minimise(loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray) -> np.ndarray:
    """L-BFGS with backtracking, STEPS steps at most."""
    at, history = start, []
    value, slope = loss(at)
    for _ in range(STEPS):
        direction, alphas = slope.copy(), []
        for s, y, rho in reversed(history):
            alpha = rho * s.dot(direction)
            alphas.append(alpha)
            direction -= alpha * y
        if history:
            s, y, _rho = history[-1]
            direction *= s.dot(y) / y.dot(y)
        for (s, y, rho), alpha in zip(history, reversed(alphas), strict=True):
            direction += s * (alpha - rho * y.dot(direction))
        step, descent = (1.0 if history else 1e-3), slope.dot(direction)
        while True:
            there = at - step * direction
            next_value, next_slope = loss(there)
            if next_value <= value - 1e-4 * step * descent or step < 1e-10:
                break
            step *= 0.5
        s, y = there - at, next_slope - slope
        if s.dot(y) > 1e-12:
            history = [*history[-9:], (s, y, 1.0 / s.dot(y))]
        done = abs(value - next_value) <= 1e-9 * max(1.0, abs(value))
        at, value, slope = there, next_value, next_slope
        if done:
            break
    return at


def train(
    rows: Sequence[dict[str, Any]], *, growing: bool = True, without: str | None = None
) -> TurnClassifier:
    """Return weights from `rows`, replies made by rule, and invented ones of all registers but `without`."""
    made = synthetic_replies([row["context"] for row in rows], SYNTHETIC_WEIGHT)
    invented = [row for register, found in registers().items() if register != without for row in found]
    everything = [*rows, *made, *invented]
    return TurnClassifier(
        whole=fit(whole_examples(everything)),
        growing=fit(growing_examples(everything)) if growing else {},
    )


@lru_cache(maxsize=1)
def registers() -> dict[str, list[dict[str, Any]]]:
    """Return the invented replies by register, each row with its weight."""
    return {
        file.stem: [{**row, "weight": INVENTED_WEIGHT} for row in rows_of(file)]
        for file in sorted(INVENTED.glob("*.jsonl"))
    }


def folds(rows: Sequence[dict[str, Any]]) -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Split by conversation, the same way every time."""

    def fold(row: dict[str, Any]) -> int:
        return int(hashlib.sha256(str(row["conv"]).encode()).hexdigest(), 16) % FOLDS

    return [([r for r in rows if fold(r) != k], [r for r in rows if fold(r) == k]) for k in range(FOLDS)]


def calibrate(classifier: TurnClassifier, found: Sequence[tuple[float, bool]]) -> float:
    """Return the factor on the score that makes the held-out probabilities most likely."""
    scores = np.array([np.log(p / (1 - p)) for p, _ in found])
    truth = np.array([float(label) for _, label in found])
    factors = np.arange(0.3, 2.01, 0.02)
    losses = [float(np.sum(np.logaddexp(0, f * scores) - truth * f * scores)) for f in factors]
    return float(factors[int(np.argmin(losses))])


def held_out(rows: Sequence[dict[str, Any]]) -> Iterable[tuple[TurnClassifier, list[dict[str, Any]]]]:
    """Yield rows with weights that have not seen their conversation, then each register likewise."""
    for others, held in folds(rows):
        yield train(others, growing=False), held
    for register, held in registers().items():
        yield train(rows, growing=False, without=register), held


def held_out_probabilities(rows: Sequence[dict[str, Any]]) -> list[tuple[float, bool]]:
    found: list[tuple[float, bool]] = []
    for classifier, held in held_out(rows):
        for row in held:
            p = classifier.probability(row["text"], row["context"])
            if p is not None:
                found.append((min(max(p, 1e-6), 1 - 1e-6), row["label"] == "interrupt"))
    return found


def scaled(weights: dict[str, float], factor: float) -> dict[str, float]:
    return {name: round(weight * factor, 3) for name, weight in weights.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--curve", type=Path, nargs="*")
    parser.add_argument("--registers", action="store_true")
    options = parser.parse_args()
    if options.out is None and options.curve is None and not options.registers:
        parser.error("name --out, --curve or --registers")
    rows = rows_of(options.train)
    if options.registers:
        by_register(rows)
    if options.curve is not None:
        curve(rows, options.curve)
    if options.out is not None:
        write_model(rows, options)


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def curve(rows: list[dict[str, Any]], others: Sequence[Path]) -> None:
    """Print false fires, hits and delay of the replay for each threshold of growing words."""
    tried = [("held out", [(train(most), held) for most, held in folds(rows)])]
    if others:
        whole = train(rows)
        tried += [(file.stem, [(whole, rows_of(file))]) for file in others]
    for name, parts in tried:
        for threshold in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
            settings = JudgeSettings(growing_probability=threshold)
            outcomes = [
                judged(row_of(json.dumps(row), 0), partial(LearnedJudge, classifier, None, settings))
                for classifier, held in parts
                for row in held
            ]
            found = scores(outcomes)["replay"]
            print(
                f"{name}, {threshold}: false fires {found['false_fires']:.4f},"
                f" hits {found['hits_within_1_5_s']:.4f}, median delay {found['median_delay_s']:.2f} s"
            )


def by_register(rows: list[dict[str, Any]]) -> None:
    """Print how well each register is judged by weights that have not seen it."""
    for register, held in registers().items():
        classifier = train(rows, growing=False, without=register)
        make = partial(LearnedJudge, classifier, None, JudgeSettings())
        found = scores([judged(row_of(json.dumps(row), 0), make) for row in held])
        whole, short = found["all"], found["short"]
        print(
            f"{register}: balanced accuracy {whole['balanced_accuracy']:.3f},"
            f" of 1 to 3 words {short['balanced_accuracy']:.3f},"
            f" recall of interruptions {whole['interrupt']['recall']:.3f},"
            f" of 1 to 3 words {short['interrupt']['recall']:.3f}"
        )


def write_model(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    held = held_out_probabilities(rows)
    classifier = train(rows)
    factor = calibrate(classifier, held)
    document = {
        "format": 1,
        "licence": "CC-BY-4.0",
        "source": "Trained on overlaps of the ICSI Meeting Corpus (Janin et al. 2003) with MRDA dialogue "
        "acts (Shriberg et al. 2004), CC BY 4.0, and on replies that were invented or made by rule.",
        "trained_on_sha256": hashlib.sha256(options.train.read_bytes()).hexdigest(),
        "calibration": round(factor, 2),
        "whole": scaled(dict(classifier.whole), factor),
        "growing": dict(classifier.growing),
    }
    options.out.write_text(json.dumps(document, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    truths = [(p >= 0.5, label) for p, label in held]
    for name, wanted in (("ignore", False), ("interrupt", True)):
        right = [said == label for said, label in truths if label is wanted]
        print(f"held out by conversation and register, {name}: {sum(right) / len(right):.4f} of {len(right)}")
    print(
        f"calibration {factor:.2f}, {len(document['whole'])} + {len(document['growing'])} weights,"
        f" {options.out.stat().st_size / 1000:.0f} KB"
    )


if __name__ == "__main__":
    main()

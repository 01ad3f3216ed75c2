"""How right a judge is on labelled rows, beside min-words paths and the plain word list."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from livekit.agents.tokenize.basic import split_words
from report import Figure

from host_agent.interruption import InterruptionFilter, InterruptionHandlerConfig, Lexicon
from host_agent.interruption.judging import judge_factory
from streams.vocabulary import Decision, Observation, Verdict
from swarm.evaluate import INTERRUPT, judged, scores
from swarm.evaluate_run import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from swarm.evaluate import Outcome, Row

MIN_WORDS = 3
OURS = "learned"
_PIPECAT = """
import asyncio, json, sys, time
from pipecat.frames.frames import BotStartedSpeakingFrame, InterimTranscriptionFrame
from pipecat.turns.user_start.min_words_user_turn_start_strategy import MinWordsUserTurnStartStrategy
async def main(texts, rounds):
    took, fired = [], []
    for at in range(rounds):
        for text in texts:
            strategy = MinWordsUserTurnStartStrategy(min_words=3)
            await strategy.process_frame(BotStartedSpeakingFrame())
            frame = InterimTranscriptionFrame(text, "person", "2026-01-01T00:00:00Z")
            began = time.thread_time_ns()
            result = await strategy.process_frame(frame)
            took.append((time.thread_time_ns() - began) / 1000)
            if at == 0 and result.name == "STOP":
                fired.append(text)
    print(json.dumps({"took_us": took, "fired": fired}))
asyncio.run(main(*json.load(sys.stdin)))
"""


class ByText:
    """A judge that looks at nothing but the words."""

    def __init__(self, interrupts: Callable[[str], bool]) -> None:
        self._interrupts = interrupts

    def observe(self, observation: Observation) -> Verdict:
        fires = self._interrupts(observation.words)
        return Verdict(Decision.INTERRUPT if fires else Decision.CONTINUE, "by its words", observation.words)


def pipecat(texts: Sequence[str], rounds: int) -> tuple[list[float], frozenset[str] | None, str]:
    """Return Pipecat's times and the texts on which it fires; none, and why, without PIPECAT_PYTHON."""
    python = os.environ.get("PIPECAT_PYTHON")
    if not python:
        return [], None, "Pipecat not measured: PIPECAT_PYTHON names no interpreter that has it"
    ran = subprocess.run(
        [python, "-c", _PIPECAT],
        input=json.dumps([list(texts), rounds]), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if ran.returncode:
        return [], None, "Pipecat not measured: " + (ran.stderr.strip().splitlines() or ["it failed"])[-1]
    told = json.loads(ran.stdout.strip().splitlines()[-1])
    return told["took_us"], frozenset(told["fired"]), ""


def figures_of(file: Path, seen_texts: frozenset[str]) -> list[Figure]:
    """Return every accuracy of `file`; texts of `seen_texts` are left out of the unseen ones.

    Raises:
        SettingError: the file cannot be read.
        EvaluationError: it holds what is no row.
    """
    rows = read_rows(file)
    texts = sorted({text for row in rows for text in _said(row)})
    _, fired, note = pipecat(texts, 1)
    plain, learned = InterruptionFilter(), judge_factory(InterruptionHandlerConfig())
    lists = judge_factory(InterruptionHandlerConfig(judging="lists"))
    makes: dict[str, Callable[[], Any]] = {
        OURS: learned,
        "word lists with durations": lists,
        "plain word list": lambda: ByText(
            lambda text: plain.should_interrupt(text, {"is_speaking": True})[0]
        ),
        "livekit min_words": lambda: ByText(
            lambda text: len(split_words(text, split_character=True)) >= MIN_WORDS
        ),
    }
    if fired is not None:
        makes["pipecat min_words"] = lambda: ByText(lambda text: text in fired)
    found = {
        name: _measured(rows, [judged(row, make) for row in rows], seen_texts) for name, make in makes.items()
    }
    if fired is None:
        found["pipecat min_words"] = dict.fromkeys(found[OURS])
    return [_figure(file.stem, name, found, note) for name in _GOALS]


def _said(row: Row) -> list[str]:
    words = [word for word, _, _ in row.word_times]
    return [row.text, *(" ".join(words[: count + 1]) for count in range(len(words)))]


def _measured(
    rows: Sequence[Row], outcomes: Sequence[Outcome], seen_texts: frozenset[str]
) -> dict[str, float | None]:
    lexicon = Lexicon()
    both = list(zip(rows, outcomes, strict=True))
    led = [
        each
        for row, each in both
        if row.label == INTERRUPT and lexicon.read(row.text.partition(" ")[0]).backchannels
    ]
    unseen = [each for row, each in both if row.text not in seen_texts] if seen_texts else []
    every = scores(outcomes)
    short, grown = every["short"], every["replay"]
    ignore = every["all"]["ignore"]["recall"]
    return {
        "balanced_accuracy": every["all"]["balanced_accuracy"],
        "short_balanced_accuracy": short["balanced_accuracy"],
        "short_interrupt_recall": short[INTERRUPT]["recall"],
        "unseen_balanced_accuracy": scores(unseen)["all"]["balanced_accuracy"] if unseen else None,
        "acknowledgement_led_recall": sum(each.right for each in led) / len(led) if led else None,
        "backchannels_cut_off": None if ignore is None else 1.0 - ignore,
        "replay_false_fires": grown["false_fires"],
        "replay_hits_within_1_5_s": grown["hits_within_1_5_s"],
        "replay_median_delay_s": grown["median_delay_s"],
    }


def _figure(stem: str, name: str, found: Mapping[str, Mapping[str, float | None]], note: str) -> Figure:
    goal, unit, at_least = _GOALS[name]
    peers = {peer: figures[name] for peer, figures in found.items() if peer != OURS}
    value = found[OURS][name]
    if value is None:
        note = "nothing to count in these rows"
    return Figure(f"{stem}_{name}", value, unit, peers, goal=goal, at_least=at_least, note=note)


_GOALS: dict[str, tuple[float | None, str, bool]] = {
    "balanced_accuracy": (0.95, "share", True),
    "short_balanced_accuracy": (0.95, "share", True),
    "short_interrupt_recall": (0.95, "share", True),
    "unseen_balanced_accuracy": (0.92, "share", True),
    "acknowledgement_led_recall": (0.98, "share", True),
    "backchannels_cut_off": (None, "share", False),
    "replay_false_fires": (0.02, "share", False),
    "replay_hits_within_1_5_s": (0.97, "share", True),
    "replay_median_delay_s": (None, "s", False),
}

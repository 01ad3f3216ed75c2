"""What a judgement is worth and what it costs: accuracy, decision, state query, memory, words to action.

    uv run python benchmarks/judgement.py [--rows ROWS.jsonl ...] [--seen TRAIN.jsonl ...] [--json]

Accuracy is measured on `everyday_replies.jsonl` beside this file (written by the authors of the word lists:
a check that nothing broke, no natural speech) and on every file of rows as `swarm eval` reads them; `--seen`
names rows whose texts do not count as unseen. Ours beside LiveKit's own min-words test (`split_words` of
livekit-agents, as its session calls it), Pipecat's MinWordsUserTurnStartStrategy (in an environment of its
own, named by PIPECAT_PYTHON: its pins collide), and the plain word list. A decision is one observation of
words that the judge has not seen before, over 24 replies and their beginnings, in CPU time of the thread (on
a busy machine the wall clock shows its neighbours). For words to action see `transcript_to_action.py`.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgement_accuracy import figures_of, pipecat
from livekit.agents.tokenize.basic import split_words
from report import Figure, environment, median, percentile, show
from transcript_to_action import measure

from host_agent.interruption import AgentStateManager, InterruptionFilter, InterruptionHandlerConfig
from host_agent.interruption.judging import judge_factory
from streams.vocabulary import Observation
from swarm.evaluate_run import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable


RUNS, ROUNDS, JUDGES, PIPECAT_ROUNDS = 3, 60, 200, 20
ACTION = "transcript_to_action_p99_ms"
EVERYDAY = Path(__file__).parent / "everyday_replies.jsonl"
DECISION_GOAL_US, QUERY_GOAL_US, INSTANCE_GOAL_KB, ACTION_GOAL_MS = 50.0, 1.0, 15.0, 50.0
CONTEXT = (
    "so the train to the coast leaves at nine from the upper platform and you change once at the"
    " junction where"
    " the next one waits for twelve minutes"
)
REPLIES = (
    "mm-hmm", "yeah", "uh-huh right", "oh that's very interesting", "yeah but wait a minute",
    "which platform", "i see", "that makes sense", "no the other one",
    "okay so how much is that with a return ticket", "what", "stop", "right right right",
    "the upper platform", "oh really", "can you say that again", "yeah that would be great", "sure",
    "because i have a dog with me and two bicycles", "exactly", "well i don't know if",
    "hmm which one is it", "tuesday morning", "train to the coast leaves at nine",
)  # fmt: skip


def beginnings() -> list[str]:
    """Return every reply as it grows."""
    return [
        " ".join(words[: count + 1])
        for words in (reply.split() for reply in REPLIES)
        for count in range(len(words))
    ]


def timed_us(call: Callable[[str], object], texts: list[str], rounds: int = ROUNDS) -> list[float]:
    """Return how long each call took."""
    took: list[float] = []
    for _ in range(rounds):
        for text in texts:
            began = time.thread_time_ns()
            call(text)
            took.append((time.thread_time_ns() - began) / 1000)
    return took


def decisions_us(judging: str, texts: list[str]) -> list[float]:
    """Return how long each decision of a fresh judge took, its making left out."""
    make = judge_factory(InterruptionHandlerConfig(judging=judging))
    took: list[float] = []
    for _ in range(ROUNDS):
        for text in texts:
            seen = Observation(400.0, 400.0, 0.0, -25.0, words=text, agent_words=CONTEXT)
            judge = make()
            began = time.thread_time_ns()
            judge.observe(seen)
            took.append((time.thread_time_ns() - began) / 1000)
    return took


def state_query_us() -> float | None:
    """Return the p99 of a state query, the timer's own time included."""
    manager = AgentStateManager()
    took: list[float] = []
    for _ in range(20_000):
        began = time.thread_time_ns()
        manager.get_state()
        took.append((time.thread_time_ns() - began) / 1000)
    return percentile(took, 0.99)


def instance_kb() -> float:
    """Return the memory of a judge that has decided, what all judges share left out."""
    make = judge_factory(InterruptionHandlerConfig())
    seen = Observation(400.0, 400.0, 0.0, -25.0, words=REPLIES[3], agent_words=CONTEXT)
    make().observe(seen)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    judges = [make() for _ in range(JUDGES)]
    for judge in judges:
        judge.observe(seen)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / JUDGES / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=Path, nargs="*", default=[])
    parser.add_argument("--seen", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    texts = beginnings()
    plain = InterruptionFilter()
    runs: list[dict[str, Any]] = []
    note = ""
    for _ in range(RUNS):
        theirs, _, note = pipecat(texts, PIPECAT_ROUNDS)
        runs.append({
            "learned": percentile(decisions_us("learned", texts), 0.99),
            "lists": percentile(decisions_us("lists", texts), 0.99),
            "filter": percentile(
                timed_us(lambda text: plain.should_interrupt(text, {"is_speaking": True}), texts), 0.99
            ),
            "livekit": percentile(
                timed_us(lambda text: len(split_words(text, split_character=True)) < 3, texts), 0.99
            ),
            "pipecat": percentile(theirs, 0.99),
            "query": state_query_us(),
            "kb": instance_kb(),
        })  # fmt: skip

    acted = measure()

    def of(name: str) -> list[float | None]:
        return [run[name] for run in runs]

    figures = [
        Figure(
            "decision_p99_us", median(of("learned")), "us",
            runs=of("learned"), goal=DECISION_GOAL_US, note=note,
            peers={
                "word lists with durations": median(of("lists")), "plain word list": median(of("filter")),
                "livekit min_words": median(of("livekit")), "pipecat min_words": median(of("pipecat")),
            },
        ),
        Figure("state_query_us", median(of("query")), "us", runs=of("query"), goal=QUERY_GOAL_US),
        Figure("instance_kb", median(of("kb")), "KB", runs=of("kb"), goal=INSTANCE_GOAL_KB),
        Figure(
            ACTION, acted[ACTION], "ms", runs=[run[ACTION] for run in acted["runs"]], goal=ACTION_GOAL_MS,
            peers={"until the adapter tells of the cut": acted["transcript_to_cut_p99_ms"]},
        ),
    ]  # fmt: skip
    seen_texts = frozenset(row.text for file in options.seen for row in read_rows(file))
    for file in (EVERYDAY, *options.rows):
        figures += figures_of(file, seen_texts)
    mean_words = statistics.mean(len(text.split()) for text in texts)
    more = {"texts": len(texts), "mean_words": round(mean_words, 1)}
    show("judgement", figures, environment(("livekit-agents",), **more), as_json=options.json)


if __name__ == "__main__":
    main()

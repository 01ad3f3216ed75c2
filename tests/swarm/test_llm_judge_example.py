from __future__ import annotations

import asyncio
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.gate import GateState
from streams.vocabulary import BargeInMode, Decision, Observation, Verdict
from tests.adapters.scene import scene, speak
from tests.adapters.virtual_time import VirtualLoop, run_virtual

FILE = Path(__file__).parents[2] / "examples" / "llm_judge.py"
SEEN = Observation(400.0, 400.0, 0.0, -25.0, words="oh digits")


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("llm_judge_example", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Local:
    def __init__(self, confidence: float | None) -> None:
        self.confidence = confidence

    def observe(self, observation: Observation) -> Verdict:
        return Verdict(Decision.INTERRUPT, "local", observation.words, self.confidence)


async def answered(example: Any, answer: str, confidence: float | None) -> tuple[Decision, Decision]:
    async def ask(words: str, context: str) -> str:
        return answer

    async with asyncio.TaskGroup() as tasks:
        judge = example.LlmJudge(ask, tasks, Local(confidence))
        first = judge.observe(SEEN).decision
        await asyncio.sleep(0.01)
        return first, judge.observe(replace(SEEN, elapsed_ms=450.0)).decision


async def test_an_unsure_local_interruption_waits_for_the_model_and_takes_its_word(example: Any) -> None:
    assert await answered(example, "ignore", 0.7) == (Decision.HOLD, Decision.CONTINUE)
    assert await answered(example, " Interrupt.", 0.7) == (Decision.HOLD, Decision.INTERRUPT)


@pytest.mark.parametrize("confidence", [None, 0.99])
async def test_a_sure_local_answer_is_not_put_to_the_model(example: Any, confidence: float | None) -> None:
    assert await answered(example, "ignore", confidence) == (Decision.INTERRUPT, Decision.INTERRUPT)


async def test_the_local_answer_stands_where_the_model_is_late_or_fails(example: Any) -> None:
    async def late(words: str, context: str) -> str:
        await asyncio.sleep(60)
        return "ignore"

    async def failing(words: str, context: str) -> str:
        raise ConnectionError("no network")

    for ask in (late, failing):
        async with asyncio.TaskGroup() as tasks:
            judge = example.LlmJudge(ask, tasks, Local(0.7))
            assert judge.observe(SEEN).decision is Decision.HOLD
            await asyncio.sleep(0.01)
            assert judge.observe(replace(SEEN, elapsed_ms=700.0)).decision is Decision.INTERRUPT


async def test_growing_words_do_not_put_the_decision_off(example: Any) -> None:
    asked: list[str] = []

    async def late(words: str, context: str) -> str:
        asked.append(words)
        await asyncio.sleep(60)
        return "ignore"

    async with asyncio.TaskGroup() as tasks:
        judge = example.LlmJudge(late, tasks, Local(0.7))
        said = [
            judge.observe(replace(SEEN, elapsed_ms=400.0 + 100 * count, words=f"oh digits {count}")).decision
            for count in range(4)
        ]
        await asyncio.sleep(0.01)
    assert said == [Decision.HOLD] * 3 + [Decision.INTERRUPT]
    assert asked == ["oh digits 0"], "one question at a time"


async def test_an_answer_is_for_the_words_that_were_asked_about(example: Any) -> None:
    async def ask(words: str, context: str) -> str:
        return "Ignore, because it is an echo."

    async with asyncio.TaskGroup() as tasks:
        judge = example.LlmJudge(ask, tasks, Local(0.7))
        assert judge.observe(SEEN).decision is Decision.HOLD
        await asyncio.sleep(0.01)
        assert judge.observe(replace(SEEN, elapsed_ms=500.0)).decision is Decision.CONTINUE
        more = replace(SEEN, elapsed_ms=900.0, words="oh digits but why")
        assert judge.observe(more).decision is Decision.HOLD


async def test_a_speech_that_is_over_is_not_waited_for(example: Any) -> None:
    async def late(words: str, context: str) -> str:
        await asyncio.sleep(60)
        return "ignore"

    async with asyncio.TaskGroup() as tasks:
        judge = example.LlmJudge(late, tasks, Local(0.7))
        assert judge.observe(replace(SEEN, ended=True, final=True)).decision is Decision.INTERRUPT


async def test_the_adapter_waits_for_it_as_long_as_for_the_local_judge_and_the_model(example: Any) -> None:
    async with asyncio.TaskGroup() as tasks:
        judge = example.LlmJudge(None, tasks, Local(0.7))
        assert judge.patience_ms == example.LIMIT_MS


class Patient(Local):
    patience_ms = 1000.0


@pytest.mark.parametrize(("takes_ms", "cut_off"), [(250, False), (5_000, True)])
def test_in_a_room_the_agent_is_held_until_the_model_or_the_limit_says(
    example: Any, takes_ms: int, cut_off: bool
) -> None:
    async def ask(words: str, context: str) -> str:
        await asyncio.sleep(takes_ms / 1000)
        return "ignore"

    async def test(loop: VirtualLoop) -> None:
        async with asyncio.TaskGroup() as tasks:
            made = example.LlmJudge(ask, tasks, Patient(0.7))
            async with scene(loop, mode=BargeInMode.CONFIRM, judge=lambda _: made) as s:
                speak(s.adapter, "u1", 3000)
                await s.pass_ms(200)
                s.ears.start("ann", onset_ms_ago=0)
                await s.pass_ms(380)
                s.ears.words("ann", "oh digits")
                for _ in range(20):
                    await s.pass_ms(20)
                    s.ears.progress("ann", silence_ms=0)
                assert bool(s.reports.of("cut")) is cut_off
                assert (s.adapter.gate_state is GateState.OPEN) is not cut_off

    run_virtual(test)

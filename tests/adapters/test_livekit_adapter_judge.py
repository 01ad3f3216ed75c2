"""How long a speech over an agent's utterance may stay undecided, and by whom it is decided."""

from __future__ import annotations

import pytest

from adapters.gate import GateState
from host_agent.interruption import InterruptionHandlerConfig, JudgeSettings, judge_factory
from streams.vocabulary import BargeInMode, Decision, Observation, Verdict
from tests.adapters.scene import Scene, scene, speak
from tests.adapters.scripted import (
    RATE,
)
from tests.adapters.virtual_time import VirtualLoop, run_virtual


def test_a_stalled_stream_of_speech_is_decided_at_the_limit() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 2000)
            await s.pass_ms(200)
            s.ears.start("ann")
            await s.pass_ms(990)
            assert s.adapter.gate_state is GateState.HELD
            await s.pass_ms(20)
            (cut,) = s.reports.of("cut")
            assert cut.verdict.decision is Decision.INTERRUPT

    run_virtual(test)


def test_a_short_speech_whose_words_come_after_it_is_not_cut_off() -> None:
    """An "okay" of 450 ms whose words come at 600 ms, as the shipped judge takes it."""
    make = judge_factory(InterruptionHandlerConfig())

    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, judge=lambda _: make()) as s:
            pcm = speak(s.adapter, "u1", 2000)
            s.ears.hear("ann", 300)
            await s.pass_ms(200)
            s.ears.start("ann", onset_ms_ago=0)
            await s.person_speaks("ann", 480)  # the detector finds the end a little late
            for silence_ms in range(10, 130, 10):
                s.ears.hear("ann")
                s.ears.progress("ann", silence_ms=silence_ms)
                await s.pass_ms(10)
            assert s.adapter.gate_state is GateState.HELD
            s.ears.words("ann", "okay")
            s.ears.progress("ann", silence_ms=140)
            assert s.adapter.gate_state is GateState.OPEN
            s.ears.end("ann")
            await s.adapter.wait_played_out("u1")
            assert s.voice == pcm
            assert not s.reports.of("cut")

    run_virtual(test)


def test_the_judge_knows_the_words_language_and_whether_the_agent_is_audible_yet() -> None:
    seen: list[Observation] = []

    class Noting:
        def observe(self, observation: Observation) -> Verdict:
            seen.append(observation)
            return Verdict(Decision.CONTINUE, "noted")

    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.OVERLAP, judge=lambda _: Noting()) as s:
            s.adapter.begin_utterance("u1")
            s.ears.start("ann")
            s.ears.words("ann", "tak", language="pl")
            assert (seen[-1].agent_thinking, seen[-1].language) == (True, "pl")
            speak(s.adapter, "u1", 1000)
            await s.pass_ms(50)
            s.ears.words("ann", "tak tak", language="pl")
            assert (seen[-1].agent_thinking, seen[-1].language) == (False, "pl")

    run_virtual(test)


def test_a_cough_resumes() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            pcm = speak(s.adapter, "u1", 1000)
            s.ears.hear("ann", 300)
            await s.pass_ms(200)
            s.ears.start("ann")
            await s.person_speaks("ann", 100)
            for silence_ms in range(10, 600, 10):
                s.ears.hear("ann")
                s.ears.progress("ann", silence_ms=silence_ms)
                await s.pass_ms(10)
            s.ears.words("ann", "", final=True)
            s.ears.end("ann")
            (resumed,) = s.reports.of("resumed")
            assert resumed.held_ms == pytest.approx(500, abs=11)
            await s.adapter.wait_played_out("u1")
            assert s.voice == pcm
            assert s.model.log == []

    run_virtual(test)


def test_a_resume_is_revised_when_the_same_speech_goes_on_to_interrupt() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 3000)
            s.ears.hear("ann", 300)
            await s.pass_ms(200)
            s.ears.start("ann")
            await s.person_speaks("ann", 200)
            s.ears.words("ann", "yeah")
            await s.person_speaks("ann", 600)
            heard = len(s.voice)
            s.ears.words("ann", "yeah stop")
            (cut,) = s.reports.of("cut")
            assert cut.playout.heard_ms == heard / 2 / RATE * 1000
            assert s.model.signals == ["start"]

    run_virtual(test)


def test_words_that_come_long_after_a_resumed_speech_change_nothing() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 4000)
            await s.pass_ms(200)
            speech_id = s.ears.start("ann")
            await s.person_speaks("ann", 200)
            s.ears.words("ann", "yeah")
            s.ears.end("ann")
            await s.pass_ms(1300)
            s.ears.words("ann", "yeah stop", speech_id=speech_id)
            assert not s.reports.of("cut")

    run_virtual(test)


def test_without_a_judge_duration_alone_decides() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, judge=None) as s:
            speak(s.adapter, "u1", 3000)
            await s.pass_ms(100)
            s.ears.start("ann")
            await s.person_speaks("ann", 100)
            s.ears.progress("ann", silence_ms=400)
            await s.pass_ms(450)
            assert len(s.reports.of("resumed")) == 1
            s.ears.end("ann")
            s.ears.start("ben")
            await s.person_speaks("ben", 1100)
            (cut,) = s.reports.of("cut")
            assert cut.by == "ben"

    run_virtual(test)


def test_a_judge_that_fails_decides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        def observe(self, observation: Observation) -> Verdict:
            raise RuntimeError("judge")

    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, judge=lambda _: Failing()) as s:
            speak(s.adapter, "u1", 3000)
            await s.pass_ms(100)
            s.ears.start("ann")
            await s.person_speaks("ann", 900)
            assert s.adapter.gate_state is GateState.HELD
            await s.person_speaks("ann", 200)
            assert len(s.reports.of("cut")) == 1

    run_virtual(test)
    assert "judge_failed" in caplog.text


def test_the_judge_is_told_what_is_known_of_the_speech() -> None:
    seen: list[Observation] = []

    class Noting:
        def observe(self, observation: Observation) -> Verdict:
            seen.append(observation)
            return Verdict(Decision.HOLD, "")

    async def test(loop: VirtualLoop) -> None:
        options = {"judge": lambda _: Noting(), "agent_words": lambda: "as I said"}
        async with scene(loop, mode=BargeInMode.CONFIRM, **options) as s:
            speak(s.adapter, "u1", 3000)
            s.ears.hear("ann", 300)
            await s.pass_ms(100)
            s.ears.start("ann", onset_ms_ago=80)
            await s.person_speaks("ann", 100)
            s.ears.words("ann", "But WAIT", final=True)
            s.ears.end("ann")
            last = seen[-1]
            assert (last.words, last.final, last.ended) == ("but wait", True, True)
            assert last.agent_words == "as I said"
            assert last.elapsed_ms == pytest.approx(180)
            assert last.voiced_ms == pytest.approx(180)
            assert last.level_dbfs == -25

    run_virtual(test)


async def over(s: Scene, *, words: str = "", level_dbfs: float = -25.0) -> float:
    """Let ann speak on over the agent; returns after how long, by her onset, she cut it off."""
    s.ears.hear("ann", 100)
    s.ears.start("ann", onset_ms_ago=0)
    for elapsed_ms in range(0, 5_000, 10):
        if s.reports.of("cut"):
            return elapsed_ms
        s.ears.hear("ann")
        s.ears.progress("ann", level_dbfs=level_dbfs)
        if words and elapsed_ms == 200:
            s.ears.words("ann", words, confidence=0.3)
        await s.pass_ms(10)
    raise AssertionError("not cut off")


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
@pytest.mark.parametrize("profile", ["speaking", "thinking", "faint"])
@pytest.mark.parametrize(
    ("settings", "words", "after_ms"),
    [
        ({}, "", 1_000),
        ({"wordless_ms": 2_100}, "", 2_100),
        ({"wordless_ms": 600, "no_words_ms": 300}, "", 600),
        ({}, "hm", 500),
        ({"no_words_ms": 1_800, "sustained_ms": 1_800}, "hm", 1_800),
        ({"no_words_ms": 300}, "hm", 300),
    ],
)
def test_the_judges_limits_hold_whether_words_come_or_not(
    mode: BargeInMode, profile: str, settings: dict[str, float], words: str, after_ms: float
) -> None:
    """For a faint voice and while the agent thinks they are twice as long."""
    make = judge_factory(InterruptionHandlerConfig(judge=JudgeSettings(**settings)))

    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=mode, judge=lambda _: make()) as s:
            if profile == "thinking":
                s.adapter.begin_utterance("u1")
            else:
                speak(s.adapter, "u1", 8_000)
                await s.pass_ms(200)
            level_dbfs = -58.0 if profile == "faint" else -25.0
            cut_ms = await over(s, words=words, level_dbfs=level_dbfs)
            assert cut_ms == pytest.approx(after_ms * (1 if profile == "speaking" else 2), abs=20)

    run_virtual(test)

"""The scenarios of the interruption handler by voice, through the adapter of the swarm in a real room.

Room, detector, gate, judge and playout are real; the recogniser tells the words that were really said, as
late as a streaming one does. An "okay" of 450 ms, told 150 ms after its end, does not cut the agent off.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from host_agent.interruption import (
    InterruptionHandlerConfig,
    MinWordsInterruptionStrategy,
    StrategyJudge,
    judge_factory,
)
from host_agent.offline.voice import EspeakVoice
from streams.vocabulary import BargeInMode, Decision, WordsHeard
from tests.engines.listener import audible_intervals
from tests.real.conftest import AGENT, scene
from tests.real.test_barge_in_room import begin_to_speak
from tests.real.test_seed_scenarios import as_speech

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import Judge, SpeechStarted
    from host_agent.offline.voice import Speech as Made
    from tests.engines.livekit import LiveKitServer
    from tests.real.conftest import Scene

pytestmark = [pytest.mark.real, pytest.mark.livekit, pytest.mark.timeout(90)]

_make_judge = judge_factory(InterruptionHandlerConfig())
LATE_MS = 150.0
RATE_WPM = 190
LONGEST_HOLD_MS = 700.0
LOST_MS = 200.0
"""What a busy machine's network may lose in a few seconds; each of three holds lasts longer."""


class ScriptedRecogniser:
    """Tells whoever listens to the newest speech what the test says it hears."""

    def __init__(self) -> None:
        self._text = ""
        self._tell: Callable[[str, bool], None] | None = None

    def open(self, speech_id: str, person: str, on_words: Callable[[WordsHeard], None]) -> ScriptedRecogniser:
        self._tell = lambda text, final: on_words(WordsHeard(speech_id, person, text, final, 0.9))
        return self

    def push(self, pcm: bytes) -> None: ...

    def finish(self) -> None:
        if self._tell is not None:
            self._tell(self._text, True)

    def cancel(self) -> None:
        self._tell = None

    def tell(self, text: str, *, final: bool = False) -> None:
        """Say now what is known of the newest speech."""
        self._text = text
        if self._tell is not None:
            self._tell(text, final)

    async def follow(self, made: Made, onset_s: float) -> float:
        """Hear each word a while after its end; returns when the last was told."""
        first_ms = made.words[0].start_ms
        self._text = ""
        for word in made.words:
            due_s = onset_s + (word.end_ms - first_ms + LATE_MS) / 1000
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            self.tell(f"{self._text} {word.text}".strip().lower())
        return time.monotonic()


def shipped_judge(started: SpeechStarted) -> Judge:
    return _make_judge()


def three_words(started: SpeechStarted) -> Judge:
    return StrategyJudge([MinWordsInterruptionStrategy(3)])


async def say(at: Scene, ears: ScriptedRecogniser, text: str) -> float:
    made = EspeakVoice("en-us+f3", rate_wpm=RATE_WPM).synthesise_blocking(text)
    onset_s = await at.person.say(as_speech(made.pcm, made.sample_rate_hz, at.person.sample_rate_hz))
    told_s = await ears.follow(made, onset_s)
    await at.person.said()
    return told_s


def silences_ms(at: Scene, from_s: float, to_s: float) -> float:
    """All silence of the agent in a stretch of time."""
    heard = audible_intervals(at.listener.tracks[AGENT])
    return (to_s - from_s - sum(max(0.0, min(i.to_s, to_s) - max(i.from_s, from_s)) for i in heard)) * 1000


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
async def test_scenario_1_the_long_explanation_goes_on(server: LiveKitServer, mode: BargeInMode) -> None:
    ears = ScriptedRecogniser()
    async with scene(server, mode=mode, judge=shipped_judge, recogniser=ears) as at:
        begin_to_speak(at, 8_000)
        await at.listener.wait_audible(AGENT, after_s=0.0, limit_s=5.0)
        await asyncio.sleep(0.8)
        begun_s = time.monotonic()
        for words in ("Okay.", "Yeah.", "Uh-huh."):
            await say(at, ears, words)
        await asyncio.sleep(0.5)
        ended_s = time.monotonic()
        assert at.told.cuts == []
    assert at.told.model == []
    assert at.told.resumed
    assert {resumed.verdict.decision for resumed in at.told.resumed} == {Decision.RESUME}
    silent_ms = silences_ms(at, begun_s, ended_s)
    assert silent_ms < (LOST_MS if mode is BargeInMode.OVERLAP else 3 * LONGEST_HOLD_MS)


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
@pytest.mark.parametrize("words", ["No stop.", "Yeah okay but wait."], ids=["scenario_3", "scenario_4"])
async def test_scenarios_3_and_4_a_command_cuts_the_agent_off(
    server: LiveKitServer, mode: BargeInMode, words: str
) -> None:
    ears = ScriptedRecogniser()
    async with scene(server, mode=mode, judge=shipped_judge, recogniser=ears) as at:
        begin_to_speak(at, 8_000)
        await at.listener.wait_audible(AGENT, after_s=0.0, limit_s=5.0)
        await asyncio.sleep(0.8)
        told_s = await say(at, ears, words)
        await asyncio.sleep(0.6)
        now_s = time.monotonic()
        assert len(at.told.cuts) == 1
        assert at.told.cuts[0].decided_s < told_s + 0.1
        assert silences_ms(at, told_s + 0.3, now_s) == pytest.approx((now_s - told_s - 0.3) * 1000, abs=1)
    assert at.told.model[:2] == ["start", "audio"]


@pytest.mark.parametrize(("words", "cuts"), [("Yeah okay.", 0), ("Yeah okay right.", 1)])
async def test_three_words_are_the_strategy_of_an_agent_in_a_room(
    server: LiveKitServer, words: str, cuts: int
) -> None:
    ears = ScriptedRecogniser()
    async with scene(server, mode=BargeInMode.OVERLAP, judge=three_words, recogniser=ears) as at:
        begin_to_speak(at, 6_000)
        await at.listener.wait_audible(AGENT, after_s=0.0, limit_s=5.0)
        await asyncio.sleep(0.5)
        await say(at, ears, words)
        await asyncio.sleep(0.8)
        assert len(at.told.cuts) == cuts
        assert [cut.verdict.reason for cut in at.told.cuts] == ["MinWordsInterruptionStrategy"] * cuts

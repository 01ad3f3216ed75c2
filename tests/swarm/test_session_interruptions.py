"""Whether and when people may interrupt an agent of a session, by the agent's own settings."""

from __future__ import annotations

from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from adapters.ports import SpeechStarted
from host_agent.errors import InterruptionSettingError
from host_agent.interruption import MinWordsInterruptionStrategy, StrategyJudge, WordListJudge
from streams.vocabulary import Decision, Observation, Verdict
from swarm.session import AgentSpec, SwarmSession

STARTED = SpeechStarted("s1", "paul", onset_s=0.0, detected_s=0.1, onset_sample=0)


def spec(**options: Any) -> AgentSpec:
    return AgentSpec("host", lambda output, record: None, **options)  # type: ignore[arg-type, return-value]


def session(of: AgentSpec) -> SwarmSession:
    return SwarmSession(FakeAsyncRedis(), "lobby", agents=[of], connect=lambda name: None)  # type: ignore[arg-type, return-value]


def seen(words: str) -> Observation:
    return Observation(elapsed_ms=300.0, voiced_ms=250.0, silence_ms=0.0, level_dbfs=-25.0, words=words)


async def test_an_agent_without_strategies_has_the_judge_of_its_session() -> None:
    of = spec()
    judge = session(of)._judge_for(of, STARTED)
    assert isinstance(judge, WordListJudge)
    assert judge.observe(seen("stop")).decision is Decision.INTERRUPT


async def test_an_agents_strategies_judge_each_speech_anew() -> None:
    of = spec(interruption_strategies=lambda: [MinWordsInterruptionStrategy(3)])
    lobby = session(of)
    first, second = lobby._judge_for(of, STARTED), lobby._judge_for(of, STARTED)
    assert isinstance(first, StrategyJudge)
    assert first.observe(seen("no that")).decision is Decision.HOLD
    assert second.observe(seen("is")).decision is Decision.HOLD
    assert first.observe(seen("no that is")).decision is Decision.INTERRUPT
    (handed,) = of.interruptions().interruption_strategies
    assert isinstance(handed, MinWordsInterruptionStrategy)


async def test_an_agent_that_may_not_be_interrupted_goes_on_whatever_is_said() -> None:
    of = spec(allow_interruptions=False)
    judge = session(of)._judge_for(of, STARTED)
    assert judge.observe(seen("stop stop stop")).decision is Decision.RESUME
    assert of.interruptions().allow_interruptions is False


def test_interruptions_are_allowed_unless_switched_off() -> None:
    assert spec().interruptions().allow_interruptions is True
    assert spec().interruptions().interruption_strategies == ()


async def test_the_session_judges_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_INTERRUPTION_LANGUAGE", "pl")
    monkeypatch.setenv("LIVEKIT_INTERRUPTION_SENSITIVITY", "low")
    of = spec()
    judge = session(of)._judge_for(of, STARTED)
    assert judge.observe(seen("no no")).decision is Decision.CONTINUE
    assert judge.observe(seen("no no widzę to wszystko")).decision is Decision.CONTINUE
    assert judge.observe(seen("no no czekaj")).decision is Decision.INTERRUPT


@pytest.mark.parametrize(("key", "value"), [("LANGUAGE", "klingon"), ("JUDGING", "oracle")])
async def test_a_wrong_setting_of_the_judgement_is_refused_when_the_session_is_made(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    monkeypatch.setenv(f"LIVEKIT_INTERRUPTION_{key}", value)
    with pytest.raises(InterruptionSettingError, match=value) as refused:
        session(spec())
    assert refused.value.key == key.lower()


async def test_an_agent_may_have_a_judge_of_its_own() -> None:
    class Never:
        def observe(self, observation: Observation) -> Verdict:
            return Verdict(Decision.CONTINUE, "never", observation.words)

    made: list[str] = []

    def make(started: SpeechStarted) -> Never:
        made.append(started.speech_id)
        return Never()

    of = spec(judge=make)
    judge = session(of)._judge_for(of, STARTED)
    assert judge.observe(seen("stop")).decision is Decision.CONTINUE
    assert made == ["s1"]

"""What the documents that the package follows promise, by their names: matrices, lists, settings, checks."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

import host_agent.interruption as package
from host_agent.interruption import (
    DEFAULT_COMMAND_WORDS,
    DEFAULT_IGNORE_WORDS,
    AgentStateManager,
    HandlerAction,
    InterruptionFilter,
    InterruptionHandler,
    InterruptionHandlerConfig,
    load_config,
)

REPO = Path(__file__).parent.parent.parent

NAMES = (
    "AgentStateManager", "BaseInterruptionStrategy", "IntelligentInterruptionAgent", "InterruptionFilter",
    "InterruptionFrame", "InterruptionHandler", "InterruptionHandlerConfig", "InterruptionTaskFrame",
    "MinWordsInterruptionStrategy", "PipelineTask", "PipelineTaskConfig", "StartFrame", "TextFrame",
    "InputAudioRawFrame", "UserStoppedSpeakingFrame", "TimeBasedStrategy", "load_config",
    "test_integration_locally", "InterruptionHooks", "BaseProcessor", "AllOf", "AnyOf", "judge_factory",
    "VolumeInterruptionStrategy", "KeywordInterruptionStrategy", "UrgencyInterruptionStrategy",
    "MinDurationInterruptionStrategy", "WordFilterInterruptionStrategy", "LearnedJudge", "JudgeSettings",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_promised_name_is_there(name: str) -> None:
    assert callable(getattr(package, name))
    assert name in package.__all__


def test_a_stage_and_a_strategy_have_the_promised_methods() -> None:
    stage, strategy = package.BaseProcessor, package.BaseInterruptionStrategy
    for method in (
        "interruptions_allowed", "interruption_strategies", "push_interruption_task_frame",
        "handle_interruption_frame",
    ):  # fmt: skip
        assert callable(getattr(stage, method))
    for method in ("append_audio", "append_text", "should_interrupt", "reset"):
        assert callable(getattr(strategy, method))


def test_the_package_loads_without_livekit() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, host_agent.interruption; print('livekit' in sys.modules)"],
        cwd=REPO, capture_output=True, text=True, timeout=50, check=True,
    )  # fmt: skip
    assert told.stdout.strip() == "False"


def test_the_shipped_lists_have_21_and_19_words() -> None:
    config = load_config(environ={})
    assert (len(config.ignore_words), len(config.command_words)) == (21, 19)
    assert {
        "yeah",
        "ok",
        "okay",
        "hmm",
        "uh-huh",
        "right",
        "sure",
        "yep",
        "yup",
        "mhm",
        "aha",
        "got it",
    } <= set(DEFAULT_IGNORE_WORDS)
    assert {"wait", "stop", "no", "don't", "halt", "pause", "hold on", "cancel"} <= set(DEFAULT_COMMAND_WORDS)


async def test_the_state_manager_says_whether_and_what_the_agent_speaks() -> None:
    manager = AgentStateManager()
    assert manager.get_state().is_speaking is False
    await manager.start_speaking("utterance_id")
    assert manager.get_state().to_dict()["is_speaking"] is True
    await manager.stop_speaking()
    assert manager.get_state().is_speaking is False


@pytest.mark.parametrize(
    ("text", "speaking", "interrupts"),
    [
        ("yeah", True, False),
        ("stop", True, True),
        ("hmm", True, False),
        ("wait", True, True),
        ("yeah wait", True, True),
        ("yeah okay", True, False),
        ("yeah", False, False),
        ("stop", False, False),
        ("anything at all", False, False),
    ],
)
def test_the_first_matrix_holds(text: str, speaking: bool, interrupts: bool) -> None:
    decided, reason = InterruptionFilter().should_interrupt(text, {"is_speaking": speaking})
    assert decided is interrupts
    assert reason


def test_the_filter_takes_lists_of_ones_own_by_name() -> None:
    own = InterruptionFilter(ignore_words=["yeah", "ok", "hmm"], command_words=["stop", "wait", "no"])
    assert own.should_interrupt(text="yeah ok", agent_state={"is_speaking": True})[0] is False


@pytest.mark.parametrize(
    ("text", "state", "action"),
    [
        ("Yeah", "speaking", HandlerAction.IGNORE),
        ("Ok", "speaking", HandlerAction.IGNORE),
        ("Hmm", "speaking", HandlerAction.IGNORE),
        ("Wait", "speaking", HandlerAction.INTERRUPT),
        ("Stop", "speaking", HandlerAction.INTERRUPT),
        ("No", "speaking", HandlerAction.INTERRUPT),
        ("Yeah", "listening", HandlerAction.RESPOND),
        ("Start", "listening", HandlerAction.RESPOND),
        ("Hello", "listening", HandlerAction.RESPOND),
        ("Okay... yeah... uh-huh", "speaking", HandlerAction.IGNORE),
        ("No stop.", "speaking", HandlerAction.INTERRUPT),
        ("Yeah wait a second", "speaking", HandlerAction.INTERRUPT),
        ("Yeah okay but wait.", "speaking", HandlerAction.INTERRUPT),
    ],
)
@pytest.mark.parametrize("final", [True, False])
def test_the_second_matrix_and_its_scenarios_hold(
    text: str, state: str, action: HandlerAction, final: bool
) -> None:
    handler = InterruptionHandler(InterruptionHandlerConfig())
    handler.note_agent_state(state)
    assert handler.analyze(text, is_final=final).action is action


def test_the_local_check_walks_the_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    rows = package.test_integration_locally(InterruptionHandlerConfig(stt_timeout_ms=20.0))
    assert len(rows) >= 10
    assert all(row.passed for row in rows)
    assert capsys.readouterr().out.count("ok  ") == len(rows)


async def test_the_local_check_runs_inside_an_event_loop_and_with_any_settings() -> None:
    config = InterruptionHandlerConfig(
        ignore_words=("aye",),
        command_words=("avast", "belay that"),
        on_stt_failure="continue",
        stt_timeout_ms=20.0,
    )
    assert len(package.test_integration_locally(config)) >= 10


def test_the_local_check_fails_where_a_decision_is_not_the_documented_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(InterruptionFilter, "should_interrupt", lambda *_: (False, "broken"))
    with pytest.raises(AssertionError, match="not the documented ones"):
        package.test_integration_locally(InterruptionHandlerConfig(stt_timeout_ms=20.0))


@pytest.mark.parametrize("script", ["interruption_strategies.py", "livekit_integration_example.py"])
def test_an_example_runs_and_explains_itself(script: str) -> None:
    for arguments, words in (([], "the agent goes on|continue"), (["--help"], "usage")):
        told = subprocess.run(
            [sys.executable, f"examples/{script}", *arguments],
            cwd=REPO, capture_output=True, text=True, timeout=50, check=True,
        )  # fmt: skip
        assert any(word in told.stdout for word in words.split("|"))


async def test_a_state_query_takes_a_microsecond_and_an_instance_15_kb() -> None:
    manager = AgentStateManager()
    await manager.start_speaking("u1")
    best_s = min(_timed(manager) for _ in range(5))
    assert best_s / 10_000 < 5e-6  # a busy machine; the benchmark has the real number
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [(AgentStateManager(), InterruptionFilter()) for _ in range(20)]
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown / len(kept) < 15_000


def _timed(manager: AgentStateManager) -> float:
    begun_s = time.perf_counter()
    for _ in range(10_000):
        manager.get_state()
    return time.perf_counter() - begun_s


def test_the_template_of_the_settings_file_holds_what_is_shipped() -> None:
    assert (
        load_config(REPO / "examples" / "interruption_config.json", environ={}) == InterruptionHandlerConfig()
    )


def test_every_setting_is_on_the_cheat_sheet() -> None:
    text = (REPO / "docs" / "interruption" / "cheat_sheet.md").read_text()
    for key in InterruptionHandlerConfig.__dataclass_fields__.keys() - {"judge"}:
        assert f"LIVEKIT_INTERRUPTION_{key.upper()}" in text, key

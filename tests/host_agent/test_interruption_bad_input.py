"""What a recogniser, a room or a settings file may get wrong: refused by name, or judged safely."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    AllOf,
    HandlerAction,
    InterruptionFilter,
    InterruptionHandler,
    InterruptionHandlerConfig,
    KeywordInterruptionStrategy,
    MinDurationInterruptionStrategy,
    MinWordsInterruptionStrategy,
    PipelineTaskConfig,
    StrategyJudge,
    TimeBasedStrategy,
    UrgencyInterruptionStrategy,
    VolumeInterruptionStrategy,
    WordFilterInterruptionStrategy,
    judge_factory,
    load_config,
)
from streams.vocabulary import Decision

from .test_judge import seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from host_agent.interruption import BaseInterruptionStrategy
    from streams.vocabulary import Observation, Verdict

BINARY = bytes(range(256)).decode("latin-1")
BOTH = pytest.mark.parametrize("judging", ["learned", "lists"])


def judged(judging: str, *steps: Observation) -> list[Verdict]:
    judge = judge_factory(InterruptionHandlerConfig(judging=judging))()
    return [judge.observe(step) for step in steps]


@BOTH
@pytest.mark.parametrize("text", ["", "   ", "...", "\x00\x01", "\ufffd\ufffd", "🙂👍"])
def test_text_without_a_word_is_judged_as_sound(judging: str, text: str) -> None:
    (held,) = judged(judging, seen(200, words=text))
    assert held.decision is Decision.HOLD
    (over,) = judged(judging, seen(300, words=text, ended=True))
    assert over.decision is Decision.RESUME


@BOTH
def test_a_huge_transcript_interrupts_in_bounded_time(judging: str) -> None:
    huge = "and another thing " * 500_000
    began = time.thread_time()
    (verdict,) = judged(judging, seen(300, words=huge, agent_words="so it goes " * 500_000))
    took_huge_s = time.thread_time() - began
    began = time.thread_time()
    for _ in range(100):
        judged(judging, seen(300, words=huge[:4000]))
    assert verdict.decision is Decision.INTERRUPT
    assert len(verdict.reason) < 500
    assert took_huge_s < time.thread_time() - began + 0.5


@BOTH
def test_binary_and_mixed_scripts_get_a_reason_and_hide_no_command(judging: str) -> None:
    for text in (BINARY, f"yeah {BINARY}", "yeah да はい 对 ok", "\u202eyeah\u202c", "ｙｅａｈ"):
        (verdict,) = judged(judging, seen(300, words=text))
        assert verdict.reason
    (verdict,) = judged(judging, seen(300, words=f"{BINARY[:32]} stop {BINARY[128:160]}"))
    assert verdict.decision is Decision.INTERRUPT


@BOTH
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["elapsed_ms", "voiced_ms", "silence_ms"])
def test_durations_that_are_no_numbers_interrupt_to_be_safe(judging: str, wrong: float, field: str) -> None:
    (verdict,) = judged(judging, replace(seen(300), **{field: wrong}))
    assert verdict.decision is Decision.INTERRUPT
    assert "safe" in verdict.reason


def test_audio_that_is_no_sound_is_no_loudness() -> None:
    loud = VolumeInterruptionStrategy(-30.0)
    for audio, hz in ((b"", 16_000), (b"\x01", 16_000), (b"\xff\x7f" * 100, 0), (b"\xff\x7f" * 100, -5)):
        loud.append_audio(audio, hz)
    assert loud.should_interrupt() is False


@BOTH
@pytest.mark.parametrize("wrong", [None, 7, b"stop", ["stop"]])
def test_words_that_are_no_text_interrupt_to_be_safe(judging: str, wrong: object) -> None:
    (verdict,) = judged(judging, replace(seen(300), words=wrong))  # type: ignore[arg-type]
    assert verdict.decision is Decision.INTERRUPT
    assert "safe" in verdict.reason
    decided, reason = InterruptionFilter().should_interrupt(wrong, {"is_speaking": True})  # type: ignore[arg-type]
    assert decided is True
    assert reason


@BOTH
def test_transcripts_out_of_order_and_after_the_decision_change_no_interrupt(judging: str) -> None:
    late = seen(900, words="yeah", final=True)
    longer, shorter = seen(600, words="yeah but wait"), seen(400, words="yeah")
    verdicts = judged(judging, shorter, longer, shorter, late)
    assert [verdict.decision for verdict in verdicts[1:]] == [Decision.INTERRUPT] * 3
    assert judged(judging, late, shorter)[-1].decision is not Decision.INTERRUPT


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("{", "config_file"),
        ("[]", "config_file"),
        ('{"ignore_words": []}', "ignore_words"),
        ('{"command_words": []}', "command_words"),
        ('{"ignore_words": ["stop"], "command_words": ["stop"]}', "ignore_words"),
        ('{"language": "klingon"}', "language"),
        ('{"thinking_factor": 0}', "thinking_factor"),
        ('{"min_confidence": NaN}', "min_confidence"),
        ('{"volume": 3}', "volume"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_by_their_key(
    tmp_path: Path, content: str, key: str
) -> None:
    file = tmp_path / "interruption_config.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InterruptionSettingError) as refused:
        load_config(file, environ={})
    assert refused.value.key == key


def test_a_missing_or_binary_file_of_settings_is_refused(tmp_path: Path) -> None:
    for file in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InterruptionSettingError) as refused:
            load_config(file, environ={})
        assert refused.value.key == "config_file"
    (tmp_path / "binary.json").write_bytes(bytes(range(256)))
    with pytest.raises(InterruptionSettingError, match="config_file"):
        load_config(tmp_path / "binary.json", environ={})


@pytest.mark.parametrize("language", ["", "xx", "123", "EN-us", "zh_Hant_TW", "\x00"])
def test_an_unknown_tag_is_read_as_the_setting_says(language: str) -> None:
    judge = judge_factory(InterruptionHandlerConfig())()
    expected = Decision.HOLD if language.startswith("zh") else Decision.CONTINUE
    assert judge.observe(seen(300, words="yeah", language=language)).decision is expected


NO_TEXTS = [None, 7, math.nan, b"stop", ["stop"]]


@pytest.mark.parametrize("wrong", NO_TEXTS)
def test_the_handler_interrupts_to_be_safe_where_there_is_no_text(wrong: Any) -> None:
    handler = InterruptionHandler(InterruptionHandlerConfig(log_all_decisions=True))
    handler.note_agent_said(wrong)
    handler.note_agent_state("speaking")
    decided = handler.analyze(wrong)
    assert decided.action is HandlerAction.INTERRUPT
    assert "safe" in decided.reason
    assert not handler.is_backchanneling(wrong)
    assert not handler.contains_interruption(wrong)
    assert not handler.should_skip_reply(wrong)


@pytest.mark.parametrize("wrong", [None, 7, "\x00", ["pl"]])
def test_the_handler_reads_words_with_a_wrong_tag_as_the_setting_says(wrong: Any) -> None:
    handler = InterruptionHandler(InterruptionHandlerConfig())
    handler.note_agent_state("speaking")
    assert handler.analyze("yeah", language=wrong).action is HandlerAction.IGNORE
    assert handler.analyze("stop", language=wrong).action is HandlerAction.INTERRUPT


@pytest.mark.parametrize("wrong", [math.nan, "sure", [0.9]])
def test_the_handler_takes_a_confidence_that_is_no_number_for_unsure(wrong: Any) -> None:
    handler = InterruptionHandler(InterruptionHandlerConfig())
    handler.note_agent_state("speaking")
    assert handler.analyze("yeah", confidence=wrong).action is HandlerAction.WAIT
    assert handler.analyze("stop", confidence=wrong).action is HandlerAction.INTERRUPT


EVERY_STRATEGY = [
    MinWordsInterruptionStrategy(2),
    TimeBasedStrategy(0.0),
    KeywordInterruptionStrategy(["stop"]),
    UrgencyInterruptionStrategy(),
    WordFilterInterruptionStrategy(),
    VolumeInterruptionStrategy(),
    MinDurationInterruptionStrategy(),
]


@pytest.mark.parametrize("strategy", EVERY_STRATEGY, ids=lambda each: each.name)
def test_a_strategy_passes_over_what_is_no_text_and_no_sound(strategy: BaseInterruptionStrategy) -> None:
    for text in NO_TEXTS:
        strategy.append_text(text)  # type: ignore[arg-type]
        strategy.replace_text(text)  # type: ignore[arg-type]
        assert strategy.should_interrupt() is False
    for audio, hz in ((None, 16_000), ("sound", 16_000), (7, 16_000), (b"\xff\x7f" * 9_000, None)):
        strategy.append_audio(audio, hz)  # type: ignore[arg-type]
        assert strategy.should_interrupt() is False


@pytest.mark.parametrize("wrong", NO_TEXTS)
def test_a_judge_of_strategies_interrupts_to_be_safe_where_there_is_no_text(wrong: Any) -> None:
    judge = StrategyJudge([MinWordsInterruptionStrategy(3)])
    verdict = judge.observe(replace(seen(300), words=wrong))
    assert verdict.decision is Decision.INTERRUPT
    assert "safe" in verdict.reason


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: InterruptionHandlerConfig(judge="x"), "judge"),
        (lambda: InterruptionHandlerConfig(ignore_words={"aye": 1}), "ignore_words"),
        (lambda: InterruptionHandlerConfig(command_words=b"stop"), "command_words"),
        (lambda: InterruptionHandler(backchanneling_words="yeah"), "ignore_words"),
        (lambda: InterruptionHandler(interruption_words=7), "command_words"),
        (lambda: InterruptionFilter(ignore_words=7), "ignore_words"),
        (lambda: InterruptionFilter(command_words="stop"), "command_words"),
        (lambda: KeywordInterruptionStrategy([None]), "keywords"),
        (lambda: KeywordInterruptionStrategy(7), "keywords"),
        (lambda: AllOf(None), "interruption_strategies"),
        (lambda: StrategyJudge(7), "interruption_strategies"),
        (lambda: PipelineTaskConfig(interruption_strategies=None), "interruption_strategies"),
        (lambda: PipelineTaskConfig(allow_interruptions="no"), "allow_interruptions"),
        (lambda: load_config(7), "config_file"),
        (lambda: load_config(b"config.json"), "config_file"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_key_wherever_it_is_given(
    make: Callable[[], object], key: str
) -> None:
    with pytest.raises(InterruptionSettingError) as refused:
        make()
    assert refused.value.key == key

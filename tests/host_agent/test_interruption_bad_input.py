"""What a recogniser, a room or a settings file may get wrong: refused by name, or judged safely."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    InterruptionFilter,
    InterruptionHandlerConfig,
    VolumeInterruptionStrategy,
    judge_factory,
    load_config,
)
from streams.vocabulary import Decision

from .test_judge import seen

if TYPE_CHECKING:
    from pathlib import Path

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

"""Strategies of interruption: each alone, combined, failing, and as a judge of the adapter's observations."""

from __future__ import annotations

import logging
import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    AllOf,
    AnyOf,
    BaseInterruptionStrategy,
    InterruptionFilter,
    KeywordInterruptionStrategy,
    MinDurationInterruptionStrategy,
    MinWordsInterruptionStrategy,
    StrategyJudge,
    TimeBasedStrategy,
    UrgencyInterruptionStrategy,
    VolumeInterruptionStrategy,
    WordFilterInterruptionStrategy,
)
from host_agent.interruption.strategies import first_to_interrupt, reset_all
from host_agent.interruption.urgency import urgency_of
from streams.vocabulary import Decision, Observation

HZ = 16_000


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Failing(BaseInterruptionStrategy):
    def __init__(self) -> None:
        super().__init__()
        self.resets = 0

    def append_text(self, text: str) -> None:
        raise OSError("no text")

    def should_interrupt(self) -> bool:
        raise OSError("no answer")

    def reset(self) -> None:
        self.resets += 1
        raise OSError("no reset")


def tone(ms: float, dbfs: float) -> bytes:
    """A sine whose RMS is `dbfs`."""
    t = np.arange(int(HZ * ms / 1000))
    return (
        (np.sin(t * 2 * math.pi * 220 / HZ) * 32_767 * 10 ** (dbfs / 20) * math.sqrt(2))
        .astype("<i2")
        .tobytes()
    )


def seen(words: str = "", **changed: object) -> Observation:
    values: dict[str, object] = {
        "elapsed_ms": 200.0,
        "voiced_ms": 150.0,
        "silence_ms": 0.0,
        "level_dbfs": -25.0,
    }
    return Observation(**{**values, "words": words, **changed})  # type: ignore[arg-type]


def test_three_words_interrupt_where_three_are_asked_for() -> None:
    strategy = MinWordsInterruptionStrategy(3)
    strategy.append_text("no that")
    assert not strategy.should_interrupt()
    strategy.append_text("is")
    assert strategy.should_interrupt()
    strategy.reset()
    assert not strategy.should_interrupt()


@given(st.lists(st.text(alphabet="ab'", min_size=1), max_size=8), st.integers(1, 6))
def test_min_words_counts_what_it_was_given_in_any_pieces(pieces: list[str], least: int) -> None:
    whole, parts = MinWordsInterruptionStrategy(least), MinWordsInterruptionStrategy(least)
    whole.append_text(" ".join(pieces))
    for piece in pieces:
        parts.append_text(piece)
    assert whole.should_interrupt() == parts.should_interrupt()


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "3", None])
def test_min_words_refuses_what_is_no_count(wrong: object) -> None:
    with pytest.raises(InterruptionSettingError, match="min_words"):
        MinWordsInterruptionStrategy(wrong)  # type: ignore[arg-type]


def test_time_counts_from_the_first_words_on() -> None:
    clock = Clock()
    strategy = TimeBasedStrategy(0.5, clock=clock)
    clock.now_s += 9
    assert not strategy.should_interrupt()
    strategy.append_text("well")
    clock.now_s += 0.4
    strategy.append_text("well I")
    strategy.replace_text("well eye")
    assert not strategy.should_interrupt()
    clock.now_s += 0.1
    assert strategy.should_interrupt()
    strategy.reset()
    assert not strategy.should_interrupt()


@pytest.mark.parametrize("wrong", [-1.0, 61.0, math.nan, math.inf, "1", True])
def test_a_time_that_is_none_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(InterruptionSettingError, match="min_duration_s"):
        TimeBasedStrategy(wrong)  # type: ignore[arg-type]


def test_loud_sound_interrupts_and_quiet_sound_does_not() -> None:
    strategy = VolumeInterruptionStrategy(-30.0, min_duration_ms=200)
    strategy.append_audio(tone(1_000, -40), HZ)
    assert not strategy.should_interrupt()
    strategy.append_audio(tone(100, -20), HZ)
    assert not strategy.should_interrupt()
    strategy.append_audio(tone(100, -20), HZ)
    assert strategy.should_interrupt()
    strategy.reset()
    assert not strategy.should_interrupt()


@pytest.mark.parametrize("audio", [b"", b"\x01", b"\xff" * 7, b"\0" * 6_400])
@pytest.mark.parametrize("hz", [HZ, 0, -1, 48_000])
def test_sound_that_is_none_does_not_interrupt(audio: bytes, hz: int) -> None:
    strategy = VolumeInterruptionStrategy(-30.0)
    strategy.append_audio(audio, hz)
    assert not strategy.should_interrupt()


def test_min_duration_counts_sound_and_not_pauses() -> None:
    strategy = MinDurationInterruptionStrategy(500)
    for _ in range(4):
        strategy.append_audio(tone(100, -25), HZ)
        strategy.append_audio(bytes(2 * HZ), HZ)
    assert not strategy.should_interrupt()
    strategy.append_audio(tone(100, -25), HZ)
    assert strategy.should_interrupt()


def test_keywords_are_whole_words_and_phrases() -> None:
    strategy = KeywordInterruptionStrategy(["stop", "hold on"])
    for text in ("unstoppable", "hold it", "on hold"):
        strategy.append_text(text)
        assert not strategy.should_interrupt(), text
        strategy.reset()
    strategy.append_text("please hold")
    strategy.append_text("ON, a second")
    assert strategy.should_interrupt()


@pytest.mark.parametrize("wrong", ["stop", [], [""], ["stop", "?"]])
def test_keywords_that_are_none_are_refused(wrong: object) -> None:
    with pytest.raises(InterruptionSettingError, match="keywords"):
        KeywordInterruptionStrategy(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("calm", "urgent"),
    [
        ("yeah okay", "stop it right now"),
        ("no problem", "no no no"),
        ("mhm go on", "help, there is a fire"),
        ("that is nice", "THAT IS WRONG!"),
        ("don't worry", "shut up"),
    ],
)
def test_urgent_words_interrupt_and_calm_ones_do_not(calm: str, urgent: str) -> None:
    strategy = UrgencyInterruptionStrategy()
    strategy.append_text(calm)
    assert not strategy.should_interrupt()
    strategy.reset()
    strategy.append_text(urgent)
    assert strategy.should_interrupt()


@given(st.text(max_size=200))
def test_urgency_of_any_text_is_a_share(text: str) -> None:
    assert 0.0 <= urgency_of(text) <= 1.0


def test_the_word_filter_is_a_strategy() -> None:
    strategy = WordFilterInterruptionStrategy(InterruptionFilter(["aye"], ["avast"]))
    strategy.append_text("aye aye")
    assert not strategy.should_interrupt()
    strategy.append_text("avast")
    assert strategy.should_interrupt()


def test_any_of_takes_one_and_all_of_takes_all() -> None:
    clock = Clock()
    words, time_ = MinWordsInterruptionStrategy(2), TimeBasedStrategy(0.5, clock=clock)
    either, both = AnyOf([words, time_]), AllOf([words, time_])
    either.append_text("no that")
    assert either.should_interrupt()
    assert not both.should_interrupt()
    clock.now_s += 1
    assert both.should_interrupt()
    both.reset()
    assert not either.should_interrupt()


def test_a_strategy_that_fails_is_logged_and_skipped(caplog: pytest.LogCaptureFixture) -> None:
    failing, words = Failing(), MinWordsInterruptionStrategy(1)
    combined = AnyOf([failing, words])
    with caplog.at_level(logging.ERROR):
        combined.append_text("stop")
        assert combined.should_interrupt()
        assert AllOf([failing, words]).should_interrupt()
        assert not AllOf([failing]).should_interrupt()
        assert first_to_interrupt([failing, words]) is words
        reset_all([failing, words])
    assert not words.should_interrupt()
    assert failing.resets == 1
    assert {record.message for record in caplog.records} == {"interruption.strategy_failed"}


def test_nothing_to_combine_and_no_strategies_are_refused() -> None:
    for wrong in ([], ["min_words"], [MinWordsInterruptionStrategy]):
        with pytest.raises(InterruptionSettingError, match="interruption_strategies"):
            AnyOf(wrong)  # type: ignore[arg-type]


def test_strategies_may_be_fed_from_many_threads() -> None:
    strategy = MinWordsInterruptionStrategy(800)
    threads = [
        threading.Thread(target=lambda: [strategy.append_text("word") for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert strategy.should_interrupt()


def test_a_judge_of_strategies_interrupts_with_the_strategy_as_the_reason() -> None:
    judge = StrategyJudge([MinWordsInterruptionStrategy(3)])
    assert judge.observe(seen()).decision is Decision.HOLD
    assert judge.observe(seen("no that")).decision is Decision.HOLD
    verdict = judge.observe(seen("no that is"))
    assert (verdict.decision, verdict.reason) == (Decision.INTERRUPT, "MinWordsInterruptionStrategy")
    assert judge.observe(seen("", ended=True)).decision is Decision.INTERRUPT


def test_a_judge_of_strategies_counts_a_revised_hypothesis_once() -> None:
    judge = StrategyJudge([MinWordsInterruptionStrategy(4)])
    for words in ("um", "uh huh", "uh huh yes", "uh huh yeah"):
        assert judge.observe(seen(words)).decision is not Decision.INTERRUPT
    assert judge.observe(seen("uh huh yeah but")).decision is Decision.INTERRUPT


def test_a_judge_of_strategies_lets_the_agent_go_on_where_none_interrupts() -> None:
    judge = StrategyJudge([MinWordsInterruptionStrategy(3)])
    assert judge.observe(seen("yeah", elapsed_ms=450.0)).decision is Decision.CONTINUE
    assert judge.observe(seen("yeah", elapsed_ms=math.nan)).decision is Decision.CONTINUE
    assert judge.observe(seen("yeah", silence_ms=250.0)).decision is Decision.RESUME
    assert judge.observe(seen("yeah", ended=True)).decision is Decision.RESUME
    assert judge.observe(seen("yeah but no", ended=True)).decision is Decision.INTERRUPT


def test_without_a_strategy_every_speech_interrupts_unless_interruptions_are_off() -> None:
    assert StrategyJudge([]).observe(seen()).decision is Decision.INTERRUPT
    off = StrategyJudge([], allow_interruptions=False)
    assert off.observe(seen("stop stop stop")).decision is Decision.RESUME


def test_a_judge_of_strategies_hears_the_persons_sound_once() -> None:
    sound = tone(1_000, -20)
    come = 0

    def audio(sample: int) -> bytes:
        return sound[sample * 2 : come * 2]

    judge = StrategyJudge([VolumeInterruptionStrategy(-30, min_duration_ms=300)], audio=audio)
    decisions = []
    while come < 4 * HZ // 10:
        decisions.append(judge.observe(seen()).decision)
        come += HZ // 10
    assert decisions == [Decision.HOLD] * 3 + [Decision.INTERRUPT]


def test_strategies_of_the_speech_before_are_reset() -> None:
    words = MinWordsInterruptionStrategy(2)
    words.append_text("left over")
    assert StrategyJudge([words]).observe(seen()).decision is Decision.HOLD

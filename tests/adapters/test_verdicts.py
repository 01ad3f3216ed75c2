from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.verdicts import Case, Limits, Stage, weigh
from streams.vocabulary import Decision, Observation, Verdict

LIMITS = Limits(decide_s=0.5, wordless_s=1.0, revise_s=1.2)
HOLD, CONTINUE, RESUME, INTERRUPT = Decision.HOLD, Decision.CONTINUE, Decision.RESUME, Decision.INTERRUPT


CASE = Case(10.5, 11.0)


def seen(
    *, silence_ms: float = 0, words: str = "", ended: bool = False, final: bool = False, failed: bool = False
) -> Observation:
    return Observation(
        500, 400, silence_ms, -30, words=words, ended=ended, final=final, recogniser_failed=failed
    )


def say(
    case: Case, decision: Decision, observation: Observation, now_s: float
) -> tuple[Case, Decision | None]:
    case, verdict = weigh(case, Verdict(decision, "said"), observation, now_s, LIMITS)
    return case, verdict.decision if verdict else None


def test_undecided_before_the_limit_says_nothing() -> None:
    assert say(CASE, HOLD, seen(), 10.49)[1] is None


@pytest.mark.parametrize("known", [seen(silence_ms=99, words="well"), seen(failed=True), seen(final=True)])
def test_undecided_at_the_limit_interrupts_if_the_speech_goes_on(known: Observation) -> None:
    assert say(CASE, HOLD, known, 10.5)[1] is INTERRUPT


def test_speech_that_goes_on_without_a_word_has_more_time() -> None:
    case, said = say(CASE, HOLD, seen(), 10.5)
    assert said is None
    assert say(case, HOLD, seen(silence_ms=199), 10.9)[1] is None
    assert say(case, HOLD, seen(silence_ms=99), 11.0)[1] is INTERRUPT
    assert say(case, HOLD, seen(silence_ms=100), 11.0)[1] is RESUME
    assert say(case, HOLD, seen(words="well"), 10.6)[1] is INTERRUPT


def test_a_judge_with_longer_limits_is_not_overruled_before_them() -> None:
    patient = Case(10.5, 11.0, patient_until_s=13.0)
    assert say(patient, HOLD, seen(), 12.99)[1] is None
    assert say(patient, HOLD, seen(words="well"), 12.99)[1] is None
    assert say(patient, INTERRUPT, seen(), 10.2)[1] is INTERRUPT
    assert say(patient, HOLD, seen(silence_ms=200), 10.6)[1] is RESUME
    assert say(patient, HOLD, seen(), 13.0)[1] is INTERRUPT


def test_a_word_that_comes_after_a_short_speech_finds_it_released() -> None:
    case, said = say(CASE, HOLD, seen(silence_ms=60), 10.5)
    assert said is None
    case, said = say(case, HOLD, seen(silence_ms=200), 10.64)
    assert said is RESUME
    assert say(case, CONTINUE, seen(silence_ms=210, words="okay"), 10.65)[1] is None
    assert say(case, INTERRUPT, seen(silence_ms=210, words="stop"), 10.65)[1] is INTERRUPT


@pytest.mark.parametrize(
    "stopped", [seen(silence_ms=200), seen(silence_ms=100, words="well"), seen(ended=True)]
)
def test_undecided_at_the_limit_resumes_if_the_speech_has_stopped(stopped: Observation) -> None:
    assert say(CASE, HOLD, stopped, 10.5)[1] is RESUME


def test_a_speech_that_ended_with_its_last_words_known_need_not_wait_for_the_limit() -> None:
    assert say(CASE, HOLD, seen(ended=True, final=True), 10.1)[1] is RESUME


def test_a_resume_is_revisable_for_its_time_after_the_speech_has_ended() -> None:
    case, said = say(CASE, RESUME, seen(), 10.4)
    assert said is RESUME
    assert say(case, INTERRUPT, seen(ended=True), 11.6)[1] is INTERRUPT
    case, said = say(case, INTERRUPT, seen(ended=True), 11.61)
    assert (case.stage, said) == (Stage.CLOSED, None)


def test_a_speech_that_goes_on_may_interrupt_later_than_that() -> None:
    case, _ = say(CASE, RESUME, seen(), 10.4)
    assert say(case, INTERRUPT, seen(), 12.0)[1] is INTERRUPT


def test_a_continue_releases_and_is_a_resume_when_the_speech_ends() -> None:
    case, said = say(CASE, CONTINUE, seen(), 10.2)
    assert said is CONTINUE
    assert say(case, HOLD, seen(), 13.0)[1] is None
    case, said = say(case, HOLD, seen(ended=True), 13.1)
    assert said is RESUME
    assert say(case, RESUME, seen(ended=True), 13.2)[1] is None


@given(
    st.lists(
        st.tuples(st.sampled_from(Decision), st.integers(0, 400), st.integers(0, 600), st.booleans()),
        max_size=40,
    )
)
def test_every_speech_is_decided_in_time_and_an_interrupt_is_the_last_word(
    script: list[tuple[Decision, int, int, bool]],
) -> None:
    case, now_s, ended = Case(decide_by_s=0.5, wordless_by_s=1.0), 0.0, False
    verdicts: list[Decision] = []
    for decision, step_ms, silence_ms, ends in script:
        now_s += step_ms / 1000
        ended = ended or ends
        case, said = say(case, decision, seen(silence_ms=silence_ms, ended=ended), now_s)
        if said is not None:
            assert INTERRUPT not in verdicts
            assert said is not HOLD
            verdicts.append(said)
        stopped = ended or silence_ms >= 200
        assert verdicts or now_s < (0.5 if stopped else 1.0)
    assert verdicts.count(RESUME) <= 1

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from host_agent.interruption import InterruptionHandlerConfig, JudgeSettings, WordListJudge, judge_factory
from host_agent.interruption.lexicon import DEFAULT_COMMAND_WORDS, DEFAULT_IGNORE_WORDS
from streams.vocabulary import Decision, Observation, Verdict

CONTINUE, HOLD, INTERRUPT, RESUME = (
    Decision.CONTINUE,
    Decision.HOLD,
    Decision.INTERRUPT,
    Decision.RESUME,
)


def seen(elapsed_ms: float, **more: object) -> Observation:
    """Speech without a pause since the onset, unless told otherwise."""
    silence_ms = float(more.pop("silence_ms", 0.0))  # type: ignore[arg-type]
    voiced_ms = float(more.pop("voiced_ms", elapsed_ms - silence_ms))  # type: ignore[arg-type]
    return replace(
        Observation(elapsed_ms=elapsed_ms, voiced_ms=voiced_ms, silence_ms=silence_ms, level_dbfs=-25.0),
        **more,  # type: ignore[arg-type]
    )


def judged(*observations: Observation) -> Verdict:
    judge = WordListJudge()
    return [judge.observe(each) for each in observations][-1]


def test_a_command_interrupts_at_once() -> None:
    verdict = judged(seen(180, words="stop"))
    assert verdict.decision is INTERRUPT
    assert "stop" in verdict.reason


def test_an_acknowledgement_goes_on_and_its_end_resumes() -> None:
    assert judged(seen(300, words="yeah")).decision is CONTINUE
    assert judged(seen(300, words="yeah"), seen(450, words="yeah", silence_ms=140)).decision is RESUME
    assert judged(seen(400, words="uh-huh", ended=True)).decision is RESUME


def test_yeah_but_is_revised_from_continue_and_from_resume() -> None:
    assert judged(seen(300, words="yeah"), seen(600, words="yeah but")).decision is INTERRUPT
    resumed = (seen(300, words="yeah"), seen(480, words="yeah", silence_ms=150))
    assert judged(*resumed).decision is RESUME
    assert (
        judged(*resumed, seen(900, words="yeah but wait", silence_ms=0, voiced_ms=600)).decision is INTERRUPT
    )


def test_a_resume_does_not_fall_back_to_hold() -> None:
    verdict = judged(seen(380, voiced_ms=150, silence_ms=230), seen(450, voiced_ms=200))
    assert verdict.decision is RESUME


def test_a_cough_resumes_after_a_short_silence_or_at_its_end() -> None:
    assert judged(seen(300, voiced_ms=180, silence_ms=120)).decision is HOLD
    verdict = judged(seen(390, voiced_ms=180, silence_ms=210))
    assert verdict.decision is RESUME
    assert "180 ms of sound, no words" in verdict.reason
    assert judged(seen(320, voiced_ms=200, ended=True)).decision is RESUME


def test_speech_that_goes_on_interrupts_at_the_limit_later_where_no_word_is_known_yet() -> None:
    assert judged(seen(490, words="go", confidence=0.3)).decision is HOLD
    assert judged(seen(500, words="go", confidence=0.3)).decision is INTERRUPT
    assert judged(seen(990)).decision is HOLD
    assert judged(seen(1000)).decision is INTERRUPT
    assert judged(seen(450, voiced_ms=300, silence_ms=150)).decision is HOLD


def test_words_that_come_after_the_speech_are_waited_for() -> None:
    """An "okay" of 450 ms that is told 150 ms after its end, as the detector sees it."""
    growing = [seen(float(ms)) for ms in range(50, 500, 32)]
    ended = [seen(520, voiced_ms=470, silence_ms=50), seen(552, voiced_ms=470, silence_ms=82)]
    assert judged(*growing, *ended).decision is HOLD
    told = replace(ended[-1], elapsed_ms=600, silence_ms=130, words="okay", confidence=0.9)
    assert judged(*growing, *ended, told).decision is RESUME
    command = replace(told, words="stop")
    assert judged(*growing, *ended, command).decision is INTERRUPT


def test_a_pause_at_the_limit_resumes_and_going_on_after_it_still_interrupts() -> None:
    pausing = seen(520, voiced_ms=360, silence_ms=150)
    assert judged(pausing).decision is RESUME
    assert judged(replace(pausing, words="yeah", confidence=0.3)).decision is RESUME
    assert judged(pausing, seen(1200, voiced_ms=1020)).decision is INTERRUPT
    longer = seen(650, voiced_ms=512, silence_ms=110, words="go", confidence=0.3)
    assert judged(longer).decision is HOLD
    assert judged(replace(longer, words="", confidence=None)).decision is HOLD


def test_a_failed_recogniser_is_safe() -> None:
    assert judged(seen(300, recogniser_failed=True, final=True)).decision is HOLD
    verdict = judged(seen(510, recogniser_failed=True, final=True))
    assert verdict.decision is INTERRUPT
    assert "no recogniser" in verdict.reason


def test_a_failed_recognisers_words_do_not_count() -> None:
    assert judged(seen(300, words="yeah", recogniser_failed=True, final=True)).decision is HOLD


def test_unsure_words_are_judged_by_duration_and_never_let_held_audio_go() -> None:
    for word in ("stop", "yeah"):
        assert judged(seen(300, words=word, confidence=0.2)).decision is HOLD
        assert judged(seen(490, words=word, confidence=0.2)).decision is HOLD
        assert judged(seen(510, words=word, confidence=0.2)).decision is INTERRUPT
    assert judged(seen(650, words="stop", confidence=0.2, voiced_ms=440, ended=True)).decision is RESUME
    assert judged(seen(300, words="stop", confidence=math.nan)).decision is HOLD


def test_unknown_words_are_judged_by_duration_unless_there_are_many_or_they_are_certain() -> None:
    assert judged(seen(400, words="table")).decision is HOLD
    assert judged(seen(600, words="table", voiced_ms=390, silence_ms=210)).decision is RESUME
    assert judged(seen(720, words="table")).decision is INTERRUPT
    assert judged(seen(500, words="the green table")).decision is INTERRUPT
    assert judged(seen(500, words="table", final=True, confidence=0.9, ended=True)).decision is INTERRUPT


def test_more_speech_than_acknowledging_words_take_interrupts() -> None:
    assert judged(seen(1000, words="yeah")).decision is CONTINUE
    assert judged(seen(1600, words="yeah")).decision is INTERRUPT
    assert judged(seen(1400, words="yeah yeah right")).decision is CONTINUE
    assert judged(seen(1400, words="yeah", final=True, ended=True)).decision is RESUME


def test_faint_speech_has_to_last_longer() -> None:
    assert judged(seen(700, level_dbfs=-60.0)).decision is HOLD
    assert judged(seen(1900, level_dbfs=-60.0)).decision is HOLD
    assert judged(seen(2000, level_dbfs=-60.0)).decision is INTERRUPT


def test_the_agents_own_words_coming_back_do_not_interrupt() -> None:
    said = "whoever wants to speak asks for it and waits, but only one is heard"
    assert judged(seen(900, words="asks for it and waits but", agent_words=said)).decision is CONTINUE
    assert judged(seen(900, words="asks for it and", agent_words=said, ended=True)).decision is RESUME


def test_a_person_over_an_echo_and_a_persons_single_word_still_interrupt() -> None:
    said = "then you wait for the stick and stop"
    assert (
        judged(seen(900, words="wait for the stick no listen to me", agent_words=said)).decision is INTERRUPT
    )
    assert judged(seen(300, words="stop", agent_words=said)).decision is INTERRUPT


def test_nothing_interrupts_where_interruptions_are_off() -> None:
    judge = WordListJudge(allow_interruptions=False)
    assert judge.observe(seen(300, words="stop")).decision is RESUME
    assert judge.observe(seen(5000, words="stop it now please")).decision is RESUME


def test_durations_that_are_no_numbers_are_safe_and_a_level_is_not_needed() -> None:
    assert judged(seen(math.nan, voiced_ms=100)).decision is INTERRUPT
    assert judged(seen(math.inf, voiced_ms=100)).decision is INTERRUPT
    assert judged(seen(300, level_dbfs=math.nan, words="yeah")).decision is CONTINUE


def test_a_factory_makes_a_fresh_judge_with_the_configured_lists_and_thresholds() -> None:
    config = InterruptionHandlerConfig(
        ignore_words=("aye",), command_words=("avast",), judge=JudgeSettings(wordless_ms=300, no_words_ms=200)
    )
    make = judge_factory(config)
    assert make().observe(seen(200, words="avast")).decision is INTERRUPT
    assert make().observe(seen(200, words="aye")).decision is CONTINUE
    assert make().observe(seen(300)).decision is INTERRUPT
    off = judge_factory(replace(config, allow_interruptions=False))
    assert off().observe(seen(200, words="avast")).decision is RESUME


numbers = (
    st.floats()
    | st.floats(0, 1500)
    | st.integers(0, 1500).map(float)
    | st.sampled_from([math.nan, math.inf, -1.0])
)
spoken = st.lists(
    st.sampled_from((*DEFAULT_IGNORE_WORDS, *DEFAULT_COMMAND_WORDS, "table", "the", "swarm")), max_size=6
).map(" ".join)
observations = st.builds(
    Observation,
    elapsed_ms=numbers,
    voiced_ms=numbers,
    silence_ms=numbers,
    level_dbfs=numbers,
    words=spoken | st.text(max_size=40),
    final=st.booleans(),
    confidence=st.none() | numbers,
    ended=st.booleans(),
    recogniser_failed=st.booleans(),
    agent_words=spoken | st.text(max_size=40),
)


@given(st.lists(observations, max_size=8))
def test_any_observations_get_verdicts_interrupt_is_final_and_judging_is_repeatable(
    sequence: list[Observation],
) -> None:
    one, other = WordListJudge(), WordListJudge()
    verdicts = [one.observe(each) for each in sequence]
    assert verdicts == [other.observe(each) for each in sequence]
    assert all(verdict.reason for verdict in verdicts)
    decisions = [verdict.decision for verdict in verdicts]
    if INTERRUPT in decisions:
        first = decisions.index(INTERRUPT)
        assert all(verdict == verdicts[first] for verdict in verdicts[first:])


@given(st.lists(observations, max_size=4), observations, spoken, st.sampled_from(DEFAULT_COMMAND_WORDS))
def test_a_sure_command_is_never_overruled(
    before: list[Observation], last: Observation, words: str, command: str
) -> None:
    judge = WordListJudge()
    for each in before:
        judge.observe(each)
    sure = replace(
        last,
        words=f"{words} {command}",
        confidence=0.9,
        recogniser_failed=False,
        agent_words="quite another matter",
    )
    assert judge.observe(sure).decision is INTERRUPT


@given(st.lists(observations, min_size=1, max_size=8))
def test_switched_off_means_never(sequence: list[Observation]) -> None:
    judge = WordListJudge(allow_interruptions=False)
    assert {judge.observe(each).decision for each in sequence} == {RESUME}


@given(
    st.lists(st.sampled_from(DEFAULT_IGNORE_WORDS), min_size=1, max_size=3),
    st.floats(50, 700),
    st.none() | st.floats(0.5, 1.0),
)
def test_short_acknowledgements_never_interrupt(
    words: list[str], voiced_ms: float, confidence: float | None
) -> None:
    for ended in (False, True):
        verdict = judged(seen(voiced_ms, words=" ".join(words), confidence=confidence, ended=ended))
        assert verdict.decision is (RESUME if ended else CONTINUE)

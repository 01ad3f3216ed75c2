from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import InterruptionHandlerConfig, JudgeSettings, LearnedJudge, judge_factory
from host_agent.interruption.classifier import classifier_from
from host_agent.interruption.lexicon import DEFAULT_COMMAND_WORDS, DEFAULT_IGNORE_WORDS
from host_agent.interruption.reading import acknowledges, features_of, may_become_a_remark, units_of
from host_agent.interruption.shipped_model import MODEL_FILE, shipped_classifier
from streams.vocabulary import Decision, Verdict

from .test_judge import observations, seen

CONTINUE, HOLD, INTERRUPT, RESUME = Decision


def judged(*steps: object, settings: JudgeSettings | None = None) -> Verdict:
    judge = LearnedJudge(shipped_classifier(), settings=settings)
    return [judge.observe(step) for step in steps][-1]  # type: ignore[arg-type]


def grow(text: str, step_ms: float = 220.0, **more: object) -> list[object]:
    words = text.split()
    return [seen(step_ms * (at + 1), words=" ".join(words[: at + 1]), **more) for at in range(len(words))]


@pytest.mark.parametrize(
    "text",
    [
        "mm-hmm", "uh huh", "uh-huh uh-huh", "yeah that's right", "that's very interesting", "good point",
        "oh that's too bad", "i see", "that makes sense", "oh really",
        "sounds like a good idea", "yeah exactly", "oh wow that's amazing", "of course",
    ],
)  # fmt: skip
def test_backchannels_and_remarks_let_the_agent_go_on(text: str) -> None:
    steps = grow(text)
    verdict = judged(*steps, replace(steps[-1], final=True, ended=True))  # type: ignore[type-var]
    assert verdict.decision is RESUME, verdict


@pytest.mark.parametrize("text", ["fair enough", "no kidding", "i know what you mean", "oh what a shame"])
def test_a_command_word_inside_a_phrase_that_acknowledges_commands_nothing(text: str) -> None:
    assert judged(seen(700, words=text, final=True, ended=True)).decision is RESUME
    assert judged(seen(700, words=f"{text} stop", final=True, ended=True)).decision is INTERRUPT


@pytest.mark.parametrize(
    ("text", "at_word"),
    [
        ("yeah but wait", 2), ("yeah but", 2), ("which one", 2), ("how much is it", 2),
        ("can you repeat that", 2),
        ("tuesday morning", 1), ("not really", 2), ("because the invoice is wrong", 1), ("stop", 1),
        ("what", 1),        ("no", 1), ("right so the second option", 4), ("oh you mean the blue one", 2),
    ],
)  # fmt: skip
def test_claims_of_the_floor_interrupt_by_the_telling_word(text: str, at_word: int) -> None:
    verdict = judged(*grow(text)[:at_word])
    assert verdict.decision is INTERRUPT, verdict


def test_what_may_become_a_remark_is_held_for_a_word_and_no_longer_than_the_limit() -> None:
    assert judged(seen(200, words="that's")).decision is HOLD
    assert judged(seen(200, words="that's"), seen(500, words="that's great")).decision is CONTINUE
    assert judged(seen(200, words="that's"), seen(500, words="that's wrong")).decision is INTERRUPT
    assert judged(seen(200, words="that's"), seen(740, words="that's")).decision is INTERRUPT
    assert judged(seen(150, words="i"), seen(300, words="i see")).decision is CONTINUE


def test_an_acknowledgement_after_the_agents_question_is_an_answer_and_a_hum_is_none() -> None:
    asked = "there are two rooms left. shall i book the first one?"
    assert judged(seen(300, words="yes", agent_words=asked)).decision is INTERRUPT
    assert judged(seen(300, words="okay", agent_words="there are two rooms left.")).decision is CONTINUE
    assert judged(seen(300, words="mm-hmm", agent_words=asked)).decision is CONTINUE


def test_the_agents_words_coming_back_are_no_claim_but_a_command_over_them_is() -> None:
    said = "the green line runs to the harbour every ten minutes"
    assert judged(seen(900, words="runs to the harbour", agent_words=said)).decision is CONTINUE
    assert judged(seen(900, words="runs to the harbour stop", agent_words=said)).decision in (
        CONTINUE,
        INTERRUPT,
    )
    assert judged(seen(900, words="runs stop listen to me", agent_words=said)).decision is INTERRUPT


def test_words_of_the_agents_picked_from_here_and_there_are_no_echo() -> None:
    said = "you can have the small room or then later in the evening the large german one on the left"
    assert judged(seen(900, words="the large german one", agent_words=said)).decision is CONTINUE
    assert judged(seen(900, words="the small german left", agent_words=said)).decision is INTERRUPT


def test_unsure_words_are_judged_by_duration_whatever_they_are() -> None:
    assert judged(seen(300, words="tuesday morning", confidence=0.2)).decision is HOLD


def test_a_threshold_moves_the_decision() -> None:
    careful = JudgeSettings(take_probability=0.99, growing_probability=0.99)
    eager = JudgeSettings(take_probability=0.01, growing_probability=0.01)
    text = "oh digits"
    p = shipped_classifier().probability(text)
    assert p is not None
    assert 0.01 < p < 0.99
    final = seen(400, words=text, final=True, ended=True)
    assert judged(final, settings=careful).decision is RESUME
    assert judged(final, settings=eager).decision is INTERRUPT


def test_the_factory_ships_the_learned_judge_for_english_and_lists_elsewhere() -> None:
    assert isinstance(judge_factory(InterruptionHandlerConfig())(), LearnedJudge)
    assert not isinstance(judge_factory(InterruptionHandlerConfig(judging="lists"))(), LearnedJudge)
    assert not isinstance(judge_factory(InterruptionHandlerConfig(language="de"))(), LearnedJudge)


def test_the_model_is_small_and_names_its_licence_and_source() -> None:
    file = resources.files("host_agent.interruption").joinpath(MODEL_FILE)
    assert len(file.read_bytes()) < 1_000_000
    model = classifier_from(json.loads(file.read_text(encoding="utf-8")))
    assert model.licence == "CC-BY-4.0"
    assert "ICSI" in model.source


@pytest.mark.parametrize(
    "document",
    [
        None, [], {}, {"format": 2}, {"format": 1, "whole": {}, "growing": {"1": 1}},
        {"format": 1, "whole": {"1": math.nan}, "growing": {"1": 1}},
        {"format": 1, "whole": {"1": "much"}, "growing": {"1": 1}},
        {"format": 1, "whole": {"1": True}, "growing": {"1": 1}},
    ],
)  # fmt: skip
def test_a_damaged_model_is_refused_by_name(document: object) -> None:
    with pytest.raises(InterruptionSettingError) as refused:
        classifier_from(document)
    assert refused.value.key == "model_file"


def test_words_that_were_cut_off_say_nothing() -> None:
    assert units_of("y- yeah th- that's right").texts == ("yeah", "that's", "right")
    assert features_of("th-") == []
    assert shipped_classifier().probability("") is None


def test_a_phrase_that_opens_a_question_acknowledges_only_as_a_whole() -> None:
    assert acknowledges("oh do you")
    assert not acknowledges("do you have it in green")
    assert may_become_a_remark("oh that's")
    assert not may_become_a_remark("oh that's what i wanted")


@given(
    st.text(max_size=5000) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")),
    st.text(max_size=200),
)
def test_any_text_over_any_context_gets_a_probability_or_none(text: str, context: str) -> None:
    for complete in (True, False):
        p = shipped_classifier().probability(text, context, complete=complete)
        assert p is None or 0.0 <= p <= 1.0


@given(st.lists(observations, max_size=8))
def test_verdicts_have_reasons_repeat_and_interrupt_is_final(sequence: list[object]) -> None:
    one, other = LearnedJudge(shipped_classifier()), LearnedJudge(shipped_classifier())
    verdicts = [one.observe(each) for each in sequence]  # type: ignore[arg-type]
    assert verdicts == [other.observe(each) for each in sequence]  # type: ignore[arg-type]
    assert all(verdict.reason for verdict in verdicts)
    decisions = [verdict.decision for verdict in verdicts]
    if INTERRUPT in decisions:
        first = decisions.index(INTERRUPT)
        assert all(verdict == verdicts[first] for verdict in verdicts[first:])


@given(
    st.lists(observations, max_size=4),
    observations,
    st.lists(st.sampled_from((*DEFAULT_IGNORE_WORDS, "table", "that's", "great")), max_size=5).map(" ".join),
    st.sampled_from(DEFAULT_COMMAND_WORDS),
)
def test_the_classifier_never_overrules_a_command(
    before: list[object], last: object, words: str, command: str
) -> None:
    judge = LearnedJudge(shipped_classifier())
    for each in before:
        judge.observe(each)  # type: ignore[arg-type]
    sure = replace(
        last,  # type: ignore[type-var]
        words=f"{words} {command}",
        confidence=0.9,
        recogniser_failed=False,
        agent_words="quite another matter",
    )
    assert judge.observe(sure).decision is INTERRUPT


@given(st.lists(st.sampled_from(DEFAULT_IGNORE_WORDS), min_size=1, max_size=3), st.floats(50, 700))
def test_plain_acknowledgements_never_interrupt(words: list[str], voiced_ms: float) -> None:
    for ended in (False, True):
        verdict = judged(seen(voiced_ms, words=" ".join(words), ended=ended))
        assert verdict.decision is (RESUME if ended else CONTINUE)


def test_a_backchannel_while_the_agent_thinks_changes_nothing() -> None:
    for text in ("mm-hmm", "yeah", "oh that's great"):
        assert judged(seen(300, words=text, agent_thinking=True)).decision is CONTINUE
        over = seen(600, words=text, agent_thinking=True, final=True, ended=True)
        assert judged(over).decision is RESUME


def test_other_words_while_the_agent_thinks_are_a_new_turn() -> None:
    for text in ("tuesday", "and two tickets", "stop", "which one"):
        assert judged(seen(400, words=text, agent_thinking=True)).decision is INTERRUPT
    by_lists = judge_factory(InterruptionHandlerConfig(judging="lists"))()
    assert by_lists.observe(seen(400, words="tuesday", agent_thinking=True)).decision is INTERRUPT


def test_speech_without_words_may_last_longer_while_the_agent_thinks() -> None:
    assert judged(seen(1200)).decision is INTERRUPT
    assert judged(seen(1200, agent_thinking=True)).decision is HOLD
    assert judged(seen(2000, agent_thinking=True)).decision is INTERRUPT
    soon = JudgeSettings(thinking_factor=1.0)
    assert judged(seen(1200, agent_thinking=True), settings=soon).decision is INTERRUPT


def test_a_thinking_agent_has_no_echo_and_has_asked_nothing_yet() -> None:
    said = "the green line runs to the harbour. shall i book it?"
    assert judged(seen(300, words="yes", agent_words=said, agent_thinking=True)).decision is CONTINUE
    echo = seen(900, words="runs to the harbour now", agent_words=said, agent_thinking=True)
    assert judged(echo).decision is INTERRUPT

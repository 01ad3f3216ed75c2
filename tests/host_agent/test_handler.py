"""The word-list handler of an AgentSession: what words mean while the agent speaks, and when it is silent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    HandlerAction,
    InterruptionHandler,
    InterruptionHandlerConfig,
    JudgeSettings,
    load_config,
)


def speaking(**config: object) -> InterruptionHandler:
    handler = InterruptionHandler(InterruptionHandlerConfig(**config))  # type: ignore[arg-type]
    handler.note_agent_state("speaking")
    return handler


def test_the_lists_come_from_the_environment_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_BACKCHANNELING_WORDS", "aye, go on")
    monkeypatch.setenv("LIVEKIT_INTERRUPTION_WORDS", "avast,belay that")
    handler = InterruptionHandler()
    assert handler.is_backchanneling("Aye, go on!")
    assert not handler.is_backchanneling("go")
    assert handler.contains_interruption("aye, belay that")
    assert not handler.contains_interruption("stop")


def test_words_and_phrases_are_matched_whole() -> None:
    handler = speaking()
    assert handler.is_backchanneling("got it")
    assert handler.contains_interruption("hold on a second")
    for words in ("nobody", "unstoppable", "waiting", "snow", "paused"):
        assert not handler.contains_interruption(words), words
    assert not handler.is_backchanneling("yeahs")


def test_a_paused_agent_counts_as_speaking() -> None:
    handler = speaking()
    handler.note_agent_state("listening", paused=True)
    assert handler.analyze("yeah").action is HandlerAction.IGNORE
    handler.note_agent_state("listening")
    assert handler.analyze("yeah").action is HandlerAction.RESPOND


@pytest.mark.parametrize(
    ("sensitivity", "interim", "final", "three"),
    [
        ("low", HandlerAction.IGNORE, HandlerAction.IGNORE, HandlerAction.IGNORE),
        ("normal", HandlerAction.WAIT, HandlerAction.INTERRUPT, HandlerAction.INTERRUPT),
        ("high", HandlerAction.INTERRUPT, HandlerAction.INTERRUPT, HandlerAction.INTERRUPT),
    ],
)
def test_sensitivity_says_when_other_words_interrupt(
    sensitivity: str, interim: HandlerAction, final: HandlerAction, three: HandlerAction
) -> None:
    handler = speaking(sensitivity=sensitivity)
    assert handler.analyze("potatoes", is_final=False).action is interim
    assert handler.analyze("potatoes").action is final
    assert handler.analyze("boil potatoes slowly", is_final=False).action is three
    assert handler.analyze("stop", is_final=False).action is HandlerAction.INTERRUPT
    assert load_config(environ={"LIVEKIT_INTERRUPTION_SENSITIVITY": sensitivity}).sensitivity == sensitivity


@pytest.mark.parametrize("key", ["sensitivity", "on_stt_failure"])
def test_a_choice_that_is_none_is_refused_by_name(key: str) -> None:
    with pytest.raises(InterruptionSettingError, match=key):
        load_config(environ={f"LIVEKIT_INTERRUPTION_{key.upper()}": "sometimes"})


def test_unsure_acknowledging_words_are_not_ignored() -> None:
    handler = speaking(judge=JudgeSettings(min_confidence=0.6))
    assert handler.analyze("yeah", confidence=0.5).action is HandlerAction.WAIT
    assert handler.analyze("yeah", confidence=0.6).action is HandlerAction.IGNORE
    assert handler.analyze("stop", confidence=0.1).action is HandlerAction.INTERRUPT


@pytest.mark.parametrize("text", ["", "   ", "...", "\0\0", "?" * 10_000])
def test_text_without_words_is_waited_for(text: str) -> None:
    assert speaking().analyze(text).action is HandlerAction.WAIT


def test_a_turn_of_backchanneling_over_the_agent_gets_no_reply() -> None:
    handler = speaking()
    handler.note_user_state("speaking")
    assert handler.should_skip_reply("yeah, okay")
    assert not handler.should_skip_reply("yeah, but why")
    handler.note_agent_said("That was the story.")
    handler.note_agent_state("listening")
    assert handler.should_skip_reply("yeah"), "it began over the agent"
    handler.note_user_state("speaking")
    assert not handler.should_skip_reply("yeah"), "it began when the agent was silent"


def test_a_yes_into_the_end_of_a_question_is_its_answer() -> None:
    handler = speaking()
    handler.note_user_state("speaking")
    handler.note_agent_said('Are you "ready?"')
    handler.note_agent_state("listening")
    assert not handler.should_skip_reply("yeah")


@pytest.mark.parametrize(
    ("words", "language", "action"),
    [
        ("no", "pl", HandlerAction.IGNORE),
        ("no", "en", HandlerAction.INTERRUPT),
        ("no", "en-GB", HandlerAction.INTERRUPT),
        ("ja genau", "de-DE", HandlerAction.IGNORE),
        ("halt", "de", HandlerAction.INTERRUPT),
        ("no", "xx", HandlerAction.INTERRUPT),
    ],
)
def test_words_are_read_in_the_language_of_their_transcript(
    words: str, language: str, action: HandlerAction
) -> None:
    assert speaking().analyze(words, language=language).action is action


def test_lists_of_ones_own_hold_in_every_language() -> None:
    handler = InterruptionHandler(
        InterruptionHandlerConfig(), backchanneling_words=["aye"], interruption_words=["avast"]
    )
    handler.note_agent_state("speaking")
    assert handler.analyze("aye", language="pl").action is HandlerAction.IGNORE
    assert handler.analyze("avast", language="pl").action is HandlerAction.INTERRUPT


def test_the_language_is_a_setting() -> None:
    assert speaking(language="pl").analyze("no").action is HandlerAction.IGNORE


@given(st.text(max_size=300), st.booleans(), st.none() | st.floats(), st.text(max_size=8))
def test_any_text_gets_a_decision_and_a_silent_agent_takes_it_as_input(
    text: str, final: bool, confidence: float | None, language: str
) -> None:
    handler = speaking()
    assert handler.analyze(text, is_final=final, confidence=confidence, language=language).reason
    handler.note_agent_state("listening")
    silent = handler.analyze(text, is_final=final, confidence=confidence, language=language)
    assert silent.action is HandlerAction.RESPOND


@given(st.lists(st.sampled_from(["yeah", "okay", "uh-huh", "potatoes", "so"]), max_size=6), st.integers(0, 6))
def test_a_command_among_any_words_interrupts(words: list[str], at: int) -> None:
    words.insert(min(at, len(words)), "stop")
    assert speaking().analyze(" ".join(words), is_final=False).action is HandlerAction.INTERRUPT

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    DEFAULT_COMMAND_WORDS,
    DEFAULT_IGNORE_WORDS,
    AgentStateManager,
    InterruptionFilter,
    Lexicon,
)

SPEAKING = {"is_speaking": True}
SILENT = {"is_speaking": False}


@pytest.mark.parametrize(
    ("text", "interrupts"),
    [
        ("yeah", False),
        ("hmm", False),
        ("Okay... yeah... uh-huh", False),
        ("Uh huh.", False),
        ("got it", False),
        ("stop", True),
        ("wait", True),
        ("No stop.", True),
        ("yeah wait", True),
        ("Yeah okay but wait.", True),
        ("hold on", True),
        ("don’t", True),
    ],
)
def test_the_matrix_while_the_agent_speaks(text: str, interrupts: bool) -> None:
    assert InterruptionFilter().should_interrupt(text, SPEAKING)[0] is interrupts


@pytest.mark.parametrize("text", ["yeah", "stop", "hello", ""])
def test_nothing_is_filtered_while_the_agent_is_silent(text: str) -> None:
    assert InterruptionFilter().should_interrupt(text, SILENT) == (
        False,
        "the agent is not speaking: ordinary input",
    )


def test_words_are_matched_whole_never_as_parts() -> None:
    lexicon = Lexicon()
    assert lexicon.read("another waitress nonstop button").commands == ()
    assert lexicon.read("brighter yeahs").backchannels == ()


def test_a_phrase_counts_as_a_whole_and_its_parts_alone_do_not() -> None:
    lexicon = Lexicon()
    assert lexicon.read("hold on").commands == ("hold on",)
    assert lexicon.read("hold the line on").commands == ()


def test_the_longest_phrase_wins_over_a_command_inside_it() -> None:
    assert (
        InterruptionFilter(ignore_words=["no problem"], command_words=["no"]).should_interrupt(
            "no problem", SPEAKING
        )[0]
        is False
    )


def test_drawn_out_words_are_known() -> None:
    reading = Lexicon().read("yeahhhh hmmmmm nooooo")
    assert reading.backchannels == ("yeah", "hmm")
    assert reading.commands == ("no",)


def test_other_words_interrupt_and_the_reason_names_them() -> None:
    interrupt, reason = InterruptionFilter().should_interrupt("what about the weather in oslo", SPEAKING)
    assert interrupt
    assert "what" in reason
    assert InterruptionFilter().should_interrupt("yeah tomorrow", SPEAKING) == (
        True,
        "words beyond an acknowledgement: tomorrow",
    )


def test_own_lists_replace_the_shipped_ones() -> None:
    own = InterruptionFilter(ignore_words=["aye"], command_words=["avast"])
    assert own.should_interrupt("aye", SPEAKING)[0] is False
    assert own.should_interrupt("avast", SPEAKING) == (True, "command word 'avast'")


def test_the_shipped_lists_have_the_documented_sizes() -> None:
    assert (len(DEFAULT_IGNORE_WORDS), len(DEFAULT_COMMAND_WORDS)) == (21, 19)


@pytest.mark.parametrize(
    ("ignore", "command", "key"),
    [
        ([], ["stop"], "ignore_words"),
        (["yeah"], [], "command_words"),
        (["yeah", "..."], ["stop"], "ignore_words"),
        (["Stop!"], ["stop"], "ignore_words"),
        ("yeah", ["stop"], "ignore_words"),
        ([7], ["stop"], "ignore_words"),
    ],
)
def test_lists_that_cannot_be_meant_are_refused_by_key(ignore: object, command: object, key: str) -> None:
    with pytest.raises(InterruptionSettingError) as refused:
        InterruptionFilter(ignore_words=ignore, command_words=command)  # type: ignore[arg-type]
    assert refused.value.key == key


@pytest.mark.parametrize("text", [None, 7, b"stop", float("nan")])
def test_what_is_no_text_interrupts_to_be_safe(text: object) -> None:
    assert InterruptionFilter().should_interrupt(text, SPEAKING)[0] is True  # type: ignore[arg-type]


@given(st.text(max_size=300))
def test_any_text_gets_a_decision_with_a_reason(text: str) -> None:
    interrupt, reason = InterruptionFilter().should_interrupt(text, SPEAKING)
    assert isinstance(interrupt, bool)
    assert reason


@given(
    st.lists(st.sampled_from(DEFAULT_IGNORE_WORDS), max_size=8),
    st.sampled_from(DEFAULT_COMMAND_WORDS),
    st.integers(0, 8),
)
def test_a_command_among_any_acknowledgements_interrupts(words: list[str], command: str, at: int) -> None:
    said = [*words[:at], command, *words[at:]]
    assert InterruptionFilter().should_interrupt(", ".join(said), SPEAKING)[0] is True


async def test_the_state_of_an_agent_is_a_value_of_one_moment() -> None:
    manager = AgentStateManager()
    before = manager.get_state()
    await manager.start_speaking("u1")
    during = manager.get_state()
    await manager.stop_speaking()
    assert (before.is_speaking, during.is_speaking, manager.get_state().is_speaking) == (False, True, False)
    assert during.to_dict() == {"is_speaking": True, "utterance_id": "u1"}
    assert InterruptionFilter().should_interrupt("stop", during)[0] is True


@pytest.mark.parametrize(
    "text",
    ["O.K.", "okey", "Mm-hmm.", "mmhmm", "mm hm", "Mhm", "uhhuh", "Uh huh", "Mmm", "mmmm", "Yea", "Ah ha"],
)
def test_a_sound_is_known_by_any_spelling(text: str) -> None:
    decided, reason = InterruptionFilter().should_interrupt(text, {"is_speaking": True})
    assert decided is False, reason


@pytest.mark.parametrize(
    ("ignored", "heard"),
    [("ok", "okay"), ("okay", "OK"), ("mhm", "mm-hmm"), ("hmm", "hm"), ("uh-huh", "uhhuh")],
)
def test_a_list_of_ones_own_needs_one_spelling_of_a_sound(ignored: str, heard: str) -> None:
    own = InterruptionFilter(ignore_words=[ignored], command_words=["stop"])
    assert own.should_interrupt(heard, {"is_speaking": True})[0] is False
    assert own.should_interrupt("yeah", {"is_speaking": True})[0] is True


def test_spellings_that_the_lists_tell_apart_stay_apart() -> None:
    own = InterruptionFilter(ignore_words=["mm"], command_words=["hmm"])
    assert own.should_interrupt("mm", {"is_speaking": True})[0] is False
    assert own.should_interrupt("hmm", {"is_speaking": True})[0] is True


@pytest.mark.parametrize("state", ["speaking", 5, [True]])
def test_a_state_that_cannot_be_read_interrupts_to_be_safe(state: Any) -> None:
    decided, reason = InterruptionFilter().should_interrupt("yeah", state)
    assert decided is True
    assert "safe" in reason
    assert InterruptionFilter().should_interrupt("stop", None)[0] is False

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_agent.offline.grammar import (
    PRONUNCIATIONS,
    SURE_WITHIN,
    believe,
    dictionary,
    difference,
    jsgf,
    pronunciations_of,
    short_word,
    token,
)
from host_agent.offline.wire import Kind, Message, Messages, WireError, read_words, words_payload

messages = st.builds(Message, st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=64))


@given(st.lists(messages, max_size=8), st.lists(st.integers(1, 40), max_size=20))
def test_messages_come_whole_and_in_order_wherever_the_bytes_are_cut(
    sent: list[Message], cuts: list[int]
) -> None:
    wire = b"".join(message.encode() for message in sent)
    reader = Messages()
    got: list[Message] = []
    for cut in cuts:
        piece, wire = wire[:cut], wire[cut:]
        got += reader.feed(piece)
    assert got + reader.feed(wire) == sent


@pytest.mark.parametrize(
    "nonsense", [b"\x00" * 9, b"\xff" * 9, b"\x02" + b"\x00" * 4 + b"\xff" * 4, b"Traceback "]
)
def test_bytes_that_are_no_message_are_refused(nonsense: bytes) -> None:
    with pytest.raises(WireError):
        Messages().feed(nonsense)


@given(st.text(max_size=40).filter(lambda text: text.isascii()), st.booleans(), st.none() | st.floats(0, 1))
def test_words_cross_the_wire_unchanged(text: str, final: bool, confidence: float | None) -> None:
    got_text, got_final, got_confidence = read_words(words_payload(text, final=final, confidence=confidence))
    assert (got_text, got_final) == (text, final)
    assert got_confidence == (None if confidence is None else pytest.approx(confidence, abs=0.001))


def test_a_short_word_is_sure_only_where_both_searches_hear_similar_phones() -> None:
    assert believe("stop", "stop", [("S", "T", "AA", "P")]) == ("stop", 0.95)
    text, confidence = believe("yeah", "yet", [("Y", "EH", "T")])
    assert text == "yeah"
    assert confidence is not None
    assert 0.5 <= confidence < 0.95
    assert believe("stop", "the old are you", [("DH", "AH", "OW", "L", "D", "AA", "R", "Y", "UW")]) == (
        "the old are you",
        0.45,
    )


def test_words_that_one_search_alone_heard_are_never_sure() -> None:
    for short, sentence in ((None, "stop"), ("stop", ""), (None, "go forward ten meters")):
        _, confidence = believe(short, sentence, [("S", "T", "AA", "P")] if sentence and short else [])
        assert confidence is not None
        assert confidence < 0.5
    assert believe(None, "", []) == ("", None)


@given(st.sampled_from(sorted(PRONUNCIATIONS)))
def test_every_form_of_a_short_word_is_itself_and_is_named_back(word: str) -> None:
    assert min(difference(word, form) for form in PRONUNCIATIONS[word]) == 0
    assert short_word(token(word)) == word
    assert short_word(token(word) + "(2)") == word


def test_a_command_is_not_sure_where_the_sentence_sounds_more_like_an_acknowledgement() -> None:
    assert difference("wait", ("R", "AY", "T")) <= SURE_WITHIN
    text, confidence = believe("wait", "right", [("R", "AY", "T")])
    assert text == "right"
    assert confidence is not None
    assert confidence < 0.5


def test_grammar_and_dictionary_hold_the_same_words() -> None:
    common = ["table", "seven"]
    lines = ["table T EY B AH L", "table(2) T EY B L", "seven S EH V AH N", "tables T EY B AH L Z"]
    entries = {line.split()[0].partition("(")[0] for line in dictionary(lines, common).splitlines()}
    rule = jsgf(common).partition("=")[2].rstrip("; ")
    assert {name.strip() for name in rule.split("|")} == entries


def test_a_sentence_has_the_sounds_of_its_words() -> None:
    forms = {"the": [("DH", "AH"), ("DH", "IY")], "oh": [("OW",)]}
    assert pronunciations_of(["the", "oh"], forms) == [("DH", "AH", "OW"), ("DH", "IY", "OW")]
    assert pronunciations_of(["unknown"], forms) == [()]

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_agent.interruption import InterruptionHandlerConfig, judge_factory
from host_agent.interruption.judging import reader_of
from host_agent.interruption.languages import language_of, reader_for
from host_agent.interruption.settings import LANGUAGES
from host_agent.interruption.shipped_model import shipped_languages
from streams.vocabulary import Decision

from .test_judge import seen

OTHERS = sorted(shipped_languages())


def test_fourteen_languages_ship() -> None:
    assert len(LANGUAGES) == 14
    assert {"en", *OTHERS} == set(LANGUAGES)


@pytest.mark.parametrize("language", OTHERS)
def test_every_shipped_word_is_read_as_what_it_is(language: str) -> None:
    words = shipped_languages()[language]
    reader = reader_for(words)
    for entry in words.ignore:
        reading = reader.read(entry)
        assert reading.backchannels, entry
        assert not reading.commands, entry
        assert not reading.others, entry
    for entry in words.command:
        assert reader.read(entry).commands, entry


@pytest.mark.parametrize(
    ("language", "text", "decision"),
    [
        ("pl", "no", Decision.CONTINUE),
        ("pl", "no tak", Decision.CONTINUE),
        ("pl", "no ale czekaj", Decision.INTERRUPT),
        ("pl", "nie", Decision.INTERRUPT),
        ("es", "para", Decision.INTERRUPT),
        ("es", "sí para", Decision.INTERRUPT),
        ("es", "para por favor", Decision.INTERRUPT),
        ("es", "sí", Decision.CONTINUE),
        ("pt", "para", Decision.INTERRUPT),
        ("ja", "はいはい", Decision.CONTINUE),
        ("ja", "はい、ちょっと待ってください。", Decision.INTERRUPT),
        ("ja", "そうですか？", Decision.CONTINUE),
        ("ja", "いや", Decision.INTERRUPT),
        ("ja", "うーん", Decision.INTERRUPT),
        ("zh", "对对对对", Decision.CONTINUE),
        ("zh", "真的吗？", Decision.CONTINUE),
        ("zh", "不错", Decision.CONTINUE),
        ("zh", "嗯，但是", Decision.INTERRUPT),
        ("zh", "不对", Decision.INTERRUPT),
        ("ko", "네 알겠습니다", Decision.CONTINUE),
        ("ko", "정말요?", Decision.CONTINUE),
        ("ko", "네 잠깐만요", Decision.INTERRUPT),
        ("ru", "ну", Decision.CONTINUE),
        ("ru", "ну подождите", Decision.INTERRUPT),
        ("tr", "TAMAM", Decision.CONTINUE),
        ("tr", "HAYIR", Decision.INTERRUPT),
        ("tr", "hayir", Decision.INTERRUPT),
        ("tr", "İYİ", Decision.CONTINUE),
        ("tr", "İYİ".lower(), Decision.CONTINUE),
        ("tr", "ne", Decision.INTERRUPT),
        ("hi", "हाँ जी", Decision.CONTINUE),
        ("hi", "हाँ रुको", Decision.INTERRUPT),
        ("hi", "accha", Decision.CONTINUE),
        ("de", "ja genau", Decision.CONTINUE),
        ("de", "ja aber", Decision.INTERRUPT),
        ("fr", "d’accord", Decision.CONTINUE),
        ("fr", "oui mais", Decision.INTERRUPT),
        ("it", "va bene", Decision.CONTINUE),
        ("nl", "ja maar", Decision.INTERRUPT),
        ("en", "no", Decision.INTERRUPT),
    ],
)  # fmt: skip
def test_traps_of_languages(language: str, text: str, decision: Decision) -> None:
    judge = judge_factory(InterruptionHandlerConfig(language=language))()
    assert judge.observe(seen(350, words=text)).decision is decision


@pytest.mark.parametrize(("language", "text"), [("es", "es bueno para ti"), ("pt", "isso serve para mim")])
def test_a_word_that_is_also_for_commands_only_where_it_begins(language: str, text: str) -> None:
    reading = reader_of(InterruptionHandlerConfig(language=language)).read(text)
    assert reading.commands == ()
    assert "para" in reading.others


def test_signs_of_devanagari_belong_to_their_letters() -> None:
    hindi = reader_of(InterruptionHandlerConfig(language="hi"))
    assert hindi.read("हाँ").backchannels == ("हाँ",)
    assert hindi.read("हे").others == ("हे",)


def test_own_lists_go_before_those_of_the_language() -> None:
    own = InterruptionHandlerConfig(language="de", ignore_words=("aye",), command_words=("avast",))
    assert reader_of(own).read("ja").others == ("ja",)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("はい", "ja"), ("待って 何", "ja"), ("何ですか", "ja"), ("等等", "zh"), ("네", "ko"),
        ("हाँ", "hi"), ("да", "ru"), ("ja", "de"),
    ],
)  # fmt: skip
def test_a_script_gives_its_language_away(text: str, language: str) -> None:
    assert language_of(text, "de") == language


@given(st.sampled_from(OTHERS), st.text(max_size=200))
def test_any_text_is_read_in_any_language(language: str, text: str) -> None:
    reading = reader_for(shipped_languages()[language]).read(text)
    assert all(isinstance(word, str) for word in (*reading.commands, *reading.backchannels, *reading.others))


@given(st.sampled_from(OTHERS), st.data())
def test_a_command_after_acknowledgements_interrupts_in_every_language(
    language: str, data: st.DataObject
) -> None:
    words = shipped_languages()[language]
    said = data.draw(st.lists(st.sampled_from(words.ignore), max_size=3))
    command = data.draw(st.sampled_from([word for word in words.command if len(word) > 2]))
    separator = "、" if words.spaceless else ", "
    reading = reader_for(words).read(separator.join([*said, command]))
    glued = "".join([*said, command])
    assert reading.commands or any(entry in glued for entry in words.ignore if len(entry) > len(command))


@pytest.mark.parametrize(
    ("usual", "tag", "text", "decision"),
    [
        ("en", "pl", "no", Decision.CONTINUE),
        ("en", "pl-PL", "no ale czekaj", Decision.INTERRUPT),
        ("en", "es_MX", "sí", Decision.CONTINUE),
        ("en", "es", "sí para", Decision.INTERRUPT),
        ("en", "", "はい、ちょっと待ってください。", Decision.INTERRUPT),
        ("en", "", "はいはい", Decision.CONTINUE),
        ("en", "", "嗯，但是", Decision.INTERRUPT),
        ("en", "xx", "no", Decision.INTERRUPT),
        ("en", "", "no", Decision.INTERRUPT),
        ("de", "en", "yeah but", Decision.INTERRUPT),
        ("de", "en-GB", "uh-huh", Decision.CONTINUE),
        ("de", "", "ja genau", Decision.CONTINUE),
    ],
)  # fmt: skip
def test_the_tag_of_a_transcript_or_its_script_says_the_language(
    usual: str, tag: str, text: str, decision: Decision
) -> None:
    judge = judge_factory(InterruptionHandlerConfig(language=usual))()
    assert judge.observe(seen(350, words=text, language=tag)).decision is decision


def test_own_lists_are_for_all_languages() -> None:
    own = InterruptionHandlerConfig(ignore_words=("aye",), command_words=("avast",))
    assert judge_factory(own)().observe(seen(300, words="aye", language="pl")).decision is Decision.CONTINUE
    assert (
        judge_factory(own)().observe(seen(300, words="avast", language="pl")).decision is Decision.INTERRUPT
    )


@pytest.mark.parametrize("language", OTHERS)
def test_shipped_lists_are_of_a_size_normal_distinct_and_in_their_script(language: str) -> None:
    words = shipped_languages()[language]
    for entries in (words.ignore, words.command):
        assert 10 <= len(entries) <= 60
        assert len(set(entries)) == len(entries)
        assert all(entry == unicodedata.normalize("NFC", entry).strip() for entry in entries)
        assert all(entry == entry.lower() for entry in entries)
    assert not set(words.ignore) & set(words.command)
    assert words.first_only <= set(words.command)
    if language in ("hi", "ja", "ko", "ru", "zh"):
        own = [
            entry for entry in (*words.ignore, *words.command) if language_of(entry, "?") in _KIN[language]
        ]
        assert len(own) >= 0.6 * (len(words.ignore) + len(words.command))


_KIN = {"hi": ("hi",), "ja": ("ja", "zh"), "ko": ("ko",), "ru": ("ru",), "zh": ("zh",)}

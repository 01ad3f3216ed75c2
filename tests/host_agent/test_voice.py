from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_agent.errors import OfflineEngineMissingError, VoiceError
from host_agent.offline import espeak
from host_agent.offline.sentences import LONGEST_PIECE_CHARS, SentenceBuffer, split_sentences
from host_agent.offline.voice import PAUSE_MS, EspeakVoice, Speech, expert_voice, host_voice
from host_agent.offline.word_spans import Mark, word_spans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def loudness(speech: Speech, start_ms: float, end_ms: float) -> float:
    samples = np.frombuffer(speech.pcm, np.int16).astype(float)
    per_ms = speech.sample_rate_hz / 1000
    piece = samples[int(start_ms * per_ms) : int(end_ms * per_ms)]
    return float(np.sqrt(np.mean(piece**2))) if len(piece) else 0.0


def spans_of(text: str, marks: list[tuple[int, int]], total: int) -> list[tuple[str, float, float]]:
    loud = np.full(total, 5000, np.int16)
    words = word_spans(text, [Mark(*mark) for mark in marks], loud, 1000)
    return [(word.text, word.start_ms, word.end_ms) for word in words]


# Spans of words


def test_several_marks_within_a_token_are_one_word() -> None:
    assert spans_of("in 2026 now", [(0, 0), (3, 100), (4, 300), (4, 500), (8, 900)], 1000) == [
        ("in", 0, 100),
        ("2026", 100, 900),
        ("now", 900, 1000),
    ]


def test_a_token_without_a_mark_shares_its_neighbours_span_by_letters() -> None:
    assert spans_of("of the day", [(0, 0), (7, 500)], 800) == [
        ("of", 0, 200),
        ("the", 200, 500),
        ("day", 500, 800),
    ]


def test_punctuation_takes_no_time() -> None:
    assert spans_of("- yes !", [(2, 0)], 400) == [("-", 0, 0), ("yes", 0, 400), ("!", 400, 400)]


def test_a_pause_belongs_to_no_word() -> None:
    samples = np.concatenate([np.full(300, 5000), np.zeros(300), np.full(400, 5000)]).astype(np.int16)
    first, second = word_spans("so, then", [Mark(0, 0), Mark(4, 600)], samples, 1000)
    assert first.end_ms == pytest.approx(310)
    assert second.start_ms == 600


@given(
    st.text(alphabet="ab .,'é—1", max_size=40),
    st.lists(st.tuples(st.integers(0, 50), st.integers(-5, 3000)), max_size=12),
    st.integers(0, 2000),
)
def test_spans_are_the_tokens_in_order_within_the_audio_whatever_the_marks(
    text: str, marks: list[tuple[int, int]], total: int
) -> None:
    words = spans_of(text, [(position, max(0, sample)) for position, sample in marks], total)
    assert [word for word, _, _ in words] == text.split()
    edges = [edge for _, start, end in words for edge in (start, end)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= total for edge in edges)


# Sentences


def test_sentences_end_at_marks_not_at_abbreviations_or_numbers() -> None:
    text = 'Dr. Smith said 3.14. "Is it so?" I think so! e.g. this… And then'
    assert split_sentences(text) == (
        "Dr. Smith said 3.14.",
        '"Is it so?"',
        "I think so!",
        "e.g. this…",
        "And then",
    )


def test_a_long_sentence_is_cut_at_commas_or_spaces() -> None:
    text = "one two three, " * 60
    pieces = split_sentences(text)
    assert all(len(piece) <= LONGEST_PIECE_CHARS for piece in pieces)
    assert " ".join(pieces).split() == text.split()


@given(st.lists(st.text(alphabet="ab .!?,\n", max_size=12), max_size=30))
def test_streamed_text_loses_no_word_wherever_it_is_cut(deltas: list[str]) -> None:
    buffer = SentenceBuffer()
    pieces = [sentence for delta in deltas for sentence in buffer.push(delta)]
    pieces += buffer.flush()
    assert " ".join(pieces).split() == "".join(deltas).split()
    assert buffer.flush() == ()


def test_a_sentence_is_given_as_soon_as_its_end_is_seen() -> None:
    buffer = SentenceBuffer()
    assert buffer.push("Hello the") == ()
    assert buffer.push("re. How") == ("Hello there.",)
    assert buffer.flush() == ("How",)


# The engine


@pytest.mark.real
async def test_every_word_of_a_text_is_given_once_with_the_sound_in_which_it_is_heard() -> None:
    text = "In 2026 I can't stop, of the swarm."
    speech = await EspeakVoice().synthesise(text)
    assert [word.text for word in speech.words] == text.split()
    edges = [edge for word in speech.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert edges[-1] <= speech.duration_ms
    assert all(loudness(speech, word.start_ms, word.end_ms) > 300 for word in speech.words)
    number = speech.words[1]
    assert number.end_ms - number.start_ms > 800


@pytest.mark.real
async def test_between_two_sentences_there_is_silence_that_belongs_to_no_word() -> None:
    speech = await EspeakVoice().synthesise("Hello there. Good morning.")
    before, after = speech.words[1], speech.words[2]
    assert after.start_ms - before.end_ms >= PAUSE_MS - 20
    assert loudness(speech, before.end_ms + 20, after.start_ms - 5) < 50


async def _deltas(*texts: str) -> AsyncIterator[str]:
    for text in texts:
        yield text


@pytest.mark.real
async def test_streamed_speech_comes_sentence_by_sentence_and_is_the_same_as_the_whole() -> None:
    voice = EspeakVoice()
    pieces = [piece async for piece in voice.stream(_deltas("Hello th", "ere. Good mor", "ning."))]
    whole = await voice.synthesise("Hello there. Good morning.")
    assert [piece.text for piece in pieces] == ["Hello there.", "Good morning."]
    assert sum(piece.duration_ms for piece in pieces) == pytest.approx(whole.duration_ms, abs=40)
    assert [word.text for piece in pieces for word in piece.words] == [word.text for word in whole.words]


@pytest.mark.real
async def test_the_first_sentence_is_heard_before_the_second_is_known() -> None:
    more = asyncio.Event()

    async def slow() -> AsyncIterator[str]:
        yield "Hello there. "
        await more.wait()
        yield "Good morning."

    stream = EspeakVoice().stream(slow())
    assert (await anext(stream)).text == "Hello there."
    more.set()
    assert (await anext(stream)).text == "Good morning."


@pytest.mark.real
async def test_the_voices_of_host_and_expert_differ_and_do_not_mix_when_used_at_once() -> None:
    text = "The talking stick goes round."
    host, expert = host_voice(), expert_voice()
    alone = [await host.synthesise(text), await expert.synthesise(text)]
    together = await asyncio.gather(*(voice.synthesise(text) for voice in (host, expert) * 3))
    # the engine adds breath by chance, so the samples differ from time to time, the timing does not
    assert abs(alone[0].duration_ms - alone[1].duration_ms) > 60
    for nth, speech in enumerate(together):
        assert speech.duration_ms == pytest.approx(alone[nth % 2].duration_ms, abs=25)


@pytest.mark.real
async def test_cancelling_a_long_text_frees_the_voice_at_once() -> None:
    voice = EspeakVoice()
    await voice.start()
    async with asyncio.TaskGroup() as tasks:
        long = tasks.create_task(voice.synthesise("hello world this is a long text. " * 20_000))
        await asyncio.sleep(0.05)
        long.cancel()
    began = time.monotonic()
    assert (await voice.synthesise("hi")).words[0].text == "hi"
    assert time.monotonic() - began < 1.0


@pytest.mark.real
@pytest.mark.parametrize(
    "text", ["", "  \n ", "...", "\x00\x07", "\ud800 hi", "日本 語", "😀", "[[", "<p>", "x" * 3000]
)
async def test_any_text_is_spoken_or_silent_but_never_an_error(text: str) -> None:
    speech = await EspeakVoice().synthesise(text)
    assert [word.text for word in speech.words] == text.split()
    assert all(word.end_ms <= speech.duration_ms + 1 for word in speech.words)


@pytest.mark.real
@pytest.mark.parametrize("voice", ["xx-nowhere", "en-us+nobody", "en-us+../f3", "en-us+", ""])
async def test_an_unknown_voice_is_refused_by_name(voice: str) -> None:
    with pytest.raises(VoiceError, match="espeak-ng has no voice"):
        await EspeakVoice(voice).synthesise("hi")


@pytest.mark.parametrize("setting", [{"rate_wpm": 20}, {"rate_wpm": 1000}, {"pitch": -1}, {"pitch": 100}])
def test_settings_out_of_range_are_refused_by_name(setting: dict[str, int]) -> None:
    with pytest.raises(VoiceError, match=next(iter(setting))):
        EspeakVoice(**setting)  # type: ignore[arg-type]


async def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "_engine", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OfflineEngineMissingError, match=r"espeakng-loader.*\[offline\]"):
        await EspeakVoice().start()

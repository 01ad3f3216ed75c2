from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soxr

from host_agent.errors import OfflineEngineMissingError, RecogniserError
from host_agent.offline import recogniser as under_test
from host_agent.offline.recogniser import OfflineRecogniser, OfflineStream
from host_agent.offline.recogniser_process import MOST_STREAMS
from host_agent.offline.voice import EspeakVoice
from streams.vocabulary import WordsHeard

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
DATA = Path(__file__).parent.parent / "data" / "audio"
HZ = 16_000


def recording(name: str) -> bytes:
    with wave.open(str(DATA / name), "rb") as file:
        return file.readframes(file.getnframes())


def spoken(text: str, voice: str = "en-us", rate_wpm: int = 165) -> bytes:
    """Synthesised speech as a microphone brings it: with pre-roll, a pause behind it, and a little noise."""
    speech = EspeakVoice(voice, rate_wpm=rate_wpm).synthesise_blocking(text)
    samples = soxr.resample(np.frombuffer(speech.pcm, np.int16), speech.sample_rate_hz, HZ) * 0.5
    quiet = np.random.default_rng(7).normal(0, 10, len(samples) + HZ * 7 // 10)
    quiet[HZ * 3 // 10 : HZ * 3 // 10 + len(samples)] += samples
    return quiet.astype(np.int16).tobytes()


class Listener:
    """Gathers what is heard of one speech."""

    def __init__(self) -> None:
        self.heard: list[WordsHeard] = []
        self.final = asyncio.Event()
        self._changed = asyncio.Event()

    def __call__(self, words: WordsHeard) -> None:
        self.heard.append(words)
        self._changed.set()
        if words.final:
            self.final.set()

    async def until(self, text: str) -> None:
        while not self.heard or text not in self.heard[-1].text:
            self._changed.clear()
            await self._changed.wait()

    async def last(self) -> WordsHeard:
        async with asyncio.timeout(60):
            await self.final.wait()
        return self.heard[-1]


def open_speech(recogniser: OfflineRecogniser, name: str = "s1") -> tuple[OfflineStream, Listener]:
    listener = Listener()
    return recogniser.open(name, "ada", listener), listener


async def recognised(recogniser: OfflineRecogniser, pcm: bytes) -> WordsHeard:
    stream, listener = open_speech(recogniser)
    stream.push(pcm)
    await asyncio.sleep(0)
    stream.finish()
    return await listener.last()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need longer for audio that is pushed all at once."""
    monkeypatch.setattr(under_test, "FINAL_LIMIT_S", 60.0)


async def test_a_persons_sentence_is_mostly_understood_and_never_called_sure() -> None:
    async with OfflineRecogniser() as recogniser:
        words = await recognised(recogniser, recording("ps_goforward.wav"))
    assert "go forward ten" in words.text
    assert words.confidence is not None
    assert words.confidence < 0.5
    assert (words.speech_id, words.person, words.final, words.failed) == ("s1", "ada", True, False)


async def test_words_grow_while_the_person_is_still_speaking() -> None:
    async with OfflineRecogniser() as recogniser:
        stream, listener = open_speech(recogniser)
        stream.push(recording("ps_numbers.wav"))
        async with asyncio.timeout(60):
            await listener.until("thirty three")
        assert not listener.final.is_set()
        stream.finish()
        assert "thirty three" in (await listener.last()).text
    assert len(listener.heard) >= 4


async def test_several_speeches_are_recognised_at_once_and_not_mixed() -> None:
    async with OfflineRecogniser() as recogniser:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(recognised(recogniser, recording("ps_goforward.wav")))
            second = tasks.create_task(recognised(recogniser, recording("ps_librivox_0880.wav")))
        assert "go forward" in first.result().text
        assert "young man" in second.result().text


async def test_a_speech_before_leaves_nothing_in_the_next() -> None:
    async with OfflineRecogniser() as recogniser:
        await recognised(recogniser, recording("ps_numbers.wav"))
        stream, _ = open_speech(recogniser)
        stream.push(recording("ps_numbers.wav"))
        stream.cancel()
        words = await recognised(recogniser, recording("ps_goforward.wav"))
    assert words.text.startswith("go forward")


async def test_people_who_say_no_short_word_are_not_heard_to_say_one() -> None:
    """Neither in the first moments, in which a judge decides, nor at the end."""
    async with OfflineRecogniser() as recogniser:
        for path in sorted(DATA.glob("*.wav")):
            for from_ms, to_ms in ((0, 900), (300, 1400), (1500, 2600)):
                words = await recognised(recogniser, recording(path.name)[from_ms * 32 : to_ms * 32])
                assert words.confidence is None or words.confidence < 0.5, (path.name, from_ms, words)


async def test_clear_short_words_are_heard_for_sure() -> None:
    expected = {"got it": "got it", "right": "right", "wait": "wait", "i see": "i see"}
    async with OfflineRecogniser() as recogniser:
        for text, word in expected.items():
            words = await recognised(recogniser, spoken(text))
            assert words.text == word
            assert words.confidence is not None
            assert words.confidence >= 0.5


async def test_silence_and_nothing_have_no_words() -> None:
    async with OfflineRecogniser() as recogniser:
        assert (await recognised(recogniser, b"")).text == ""
        assert (await recognised(recogniser, bytes(HZ))).confidence in (None, 0.3)
        assert (await recognised(recogniser, b"\x01")).text == ""


async def test_nothing_is_told_after_a_cancel() -> None:
    async with OfflineRecogniser() as recogniser:
        stream, listener = open_speech(recogniser)
        stream.push(recording("ps_goforward.wav"))
        stream.cancel()
        stream.push(b"\x00\x00")
        stream.finish()
        await recognised(recogniser, spoken("right"))
    assert listener.heard == []


async def test_one_speech_too_many_is_told_to_have_failed_and_the_others_go_on() -> None:
    async with OfflineRecogniser() as recogniser:
        opened = [open_speech(recogniser, f"s{n}") for n in range(MOST_STREAMS + 1)]
        assert (await opened[-1][1].last()).failed
        stream, listener = opened[0]
        stream.push(recording("ps_goforward.wav"))
        stream.finish()
        assert "go forward" in (await listener.last()).text


async def test_a_process_that_dies_fails_its_speeches_and_is_started_again() -> None:
    lives = iter((0.0, 100.0, 100.0, 200.0))
    async with OfflineRecogniser(clock=lambda: next(lives)) as recogniser:
        await recogniser.ready()
        stream, listener = open_speech(recogniser)
        first = recogniser.process_id
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert await listener.last() == WordsHeard("s1", "ada", "", final=True, failed=True)
        stream.push(b"\x00\x00")
        async with asyncio.timeout(10):
            while recogniser.process_id in (None, first):  # noqa: ASYNC110 -- there is no event for it
                await asyncio.sleep(0.01)
        assert "go forward" in (await recognised(recogniser, recording("ps_goforward.wav"))).text


async def test_a_process_that_dies_at_once_is_given_up_and_every_speech_fails_at_once() -> None:
    async with OfflineRecogniser(clock=lambda: 0.0) as recogniser:
        assert recogniser.process_id is not None
        os.kill(recogniser.process_id, signal.SIGKILL)
        with pytest.raises(RecogniserError):
            await recogniser.ready()
        stream, listener = open_speech(recogniser)
        assert listener.heard == []
        stream.push(b"\x00\x00")
        assert (await listener.last()).failed


async def test_a_process_that_stands_still_neither_blocks_nor_fills_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(under_test, "FINAL_LIMIT_S", 0.05)
    async with OfflineRecogniser() as recogniser:
        assert recogniser.process_id is not None
        os.kill(recogniser.process_id, signal.SIGSTOP)
        stream, listener = open_speech(recogniser)
        began = time.monotonic()
        for _ in range(60):
            stream.push(bytes(HZ * 2))
        assert time.monotonic() - began < 1.0
        assert 30 * HZ * 2 < stream.dropped_bytes < 60 * HZ * 2
        stream.finish()
        assert (await listener.last()).failed


async def test_the_process_ends_with_the_recogniser_and_open_speeches_are_told() -> None:
    async with OfflineRecogniser() as recogniser:
        process_id = recogniser.process_id
        _, listener = open_speech(recogniser)
    assert (await listener.last()).failed
    assert process_id is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


async def test_the_error_of_the_body_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with OfflineRecogniser():
            raise KeyError


OUTLIVED = """
import asyncio
from host_agent.offline.recogniser import OfflineRecogniser
async def main():
    async with OfflineRecogniser() as recogniser:
        await recogniser.ready(60)
        print(recogniser.process_id, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_the_process_does_not_outlive_a_parent_that_is_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OUTLIVED, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(5):
        while _runs(child):  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.02)


def _runs(process_id: int) -> bool:
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


async def test_the_event_loop_is_not_starved_while_speech_is_decoded() -> None:
    late_ms: list[float] = []
    async with OfflineRecogniser() as recogniser:
        await recogniser.ready(60)
        stream, listener = open_speech(recogniser)
        stream.push(recording("ps_librivox_0870.wav"))
        stream.finish()
        while not listener.final.is_set():
            due = time.monotonic() + 0.005
            await asyncio.sleep(0.005)
            late_ms.append((time.monotonic() - due) * 1000)
    assert len(late_ms) > 20
    assert float(np.percentile(late_ms, 95)) < 60


async def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OfflineEngineMissingError, match=r"pocketsphinx.*\[offline\]"):
        async with OfflineRecogniser():
            pass

"""What several processes hear is written once, whoever writes it."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from adapters.ports import SpeechEnded, SpeechStarted, WordsHeard
from streams import events as ev
from streams import keys
from streams.conversation_stream import ConversationStream
from streams.hub import StreamHub
from swarm.archive.transcripts import set_transcripts
from swarm.scribe import Scribe, ScribeSettings, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

QUICK = ScribeSettings(lease_ms=300, words_limit_s=0.1)
ROOM = "parlour"


class Process:
    """One process of the room: its scribe, and what it was told."""

    def __init__(self, redis: Redis, name: str, settings: ScribeSettings = QUICK) -> None:
        self.name = name
        self.stream = ConversationStream(redis, ROOM)
        self.hub = StreamHub(redis)
        self.turns: list[Turn] = []
        self.done: list[str] = []
        self.fails = 0
        self.scribe = Scribe(
            self.stream,
            hub=self.hub,
            process=name,
            on_turn=self.on_turn,
            on_done=self.done.append,
            settings=settings,
        )

    async def on_turn(self, turn: Turn) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("away")
        self.turns.append(turn)

    async def join(self, stack: AsyncExitStack) -> Process:
        await stack.enter_async_context(self.hub)
        await stack.enter_async_context(self.scribe)
        return self

    def hears(self, speech: str, onset_s: float, text: str | None, person: str = "paul") -> None:
        """Hear a whole stretch of speech, 200 ms long; text None where no words come."""
        name = f"{self.name}-{speech}"
        self.scribe.on_speech_started(SpeechStarted(name, person, onset_s, onset_s + 0.05, 0))
        if text is not None:
            self.scribe.on_words(WordsHeard(name, person, text.split()[0], final=False))
        self.scribe.on_speech_ended(SpeechEnded(name, person, onset_s + 0.2, 200.0, 3200))
        if text is not None:
            self.scribe.on_words(WordsHeard(name, person, text, final=True, confidence=0.5))


async def written(redis: Redis) -> list[ev.Event]:
    return [each.event for each in await ConversationStream(redis, ROOM).read()]


async def soon(check: Callable[[], object], limit_s: float = 15.0) -> None:
    async with asyncio.timeout(limit_s):
        while not check():  # noqa: ASYNC110 (what is waited for is anything a test can see)
            await asyncio.sleep(0.01)


async def test_three_processes_hear_five_sentences_and_write_each_once(redis_client: Redis) -> None:
    async with AsyncExitStack() as stack:
        processes = [await Process(redis_client, f"p{n}").join(stack) for n in range(3)]
        await soon(lambda: any(each.scribe.leads for each in processes))
        for sentence in range(5):
            onset_s = time.monotonic() + sentence * 2
            for n, process in enumerate(processes):
                process.hears(f"s{sentence}", onset_s + n * 0.15, f"sentence {sentence}")
        await soon(lambda: sum(len(each.turns) for each in processes) == 5)
        await soon(lambda: all(len(each.done) == 5 for each in processes))
    events = await written(redis_client)
    assert [type(each).__name__ for each in events].count("SpeechStarted") == 5
    assert [type(each).__name__ for each in events].count("SpeechEnded") == 5
    finals = [each for each in events if isinstance(each, ev.Transcript) and each.final]
    assert [each.text for each in finals] == [f"sentence {n}" for n in range(5)]
    assert sum(each.scribe.leads for each in processes) == 0
    ids = {each.speech_id for each in events if isinstance(each, ev.SpeechStarted)}
    assert {turn.speech_id for each in processes for turn in each.turns} == ids
    assert {each.speech_id for each in finals} == ids


async def test_a_speech_that_begins_while_the_end_of_the_last_is_still_awaited_is_another_one(
    redis_client: Redis,
) -> None:
    async with AsyncExitStack() as stack:
        process = await Process(redis_client, "p").join(stack)
        onset_s = time.monotonic()
        for name, begins_s in (("first", onset_s), ("second", onset_s + 1.54)):
            process.scribe.on_speech_started(SpeechStarted(name, "paul", begins_s, begins_s + 0.05, 0))
            process.scribe.on_speech_ended(SpeechEnded(name, "paul", begins_s + 1.55, 1000.0, 16_000))
            process.scribe.on_words(WordsHeard(name, "paul", name, final=True))
            await soon(lambda name=name: name in [turn.text for turn in process.turns])
    events = await written(redis_client)
    assert [each.speech_id for each in events if isinstance(each, ev.SpeechStarted)] == ["first", "second"]


async def test_events_of_one_sentence_come_in_order_and_say_when_it_was(real_redis: Redis) -> None:
    async with AsyncExitStack() as stack:
        process = await Process(real_redis, "p").join(stack)
        onset_s = time.monotonic() - 0.5
        process.hears("s", onset_s, "hello there")
        await soon(lambda: process.turns)
        recorded = await process.stream.read()
    heard = [each for each in recorded if each.type != "ROOM_OPENED"]
    assert heard[0].type == "SPEECH_STARTED"
    assert [each.type for each in heard][-2:] == ["SPEECH_ENDED", "TRANSCRIPT"]
    clock = process.stream.server_clock
    assert abs(heard[0].occurred_ms - clock.at_ms(onset_s)) <= 5
    (turn,) = process.turns
    assert turn.text == "hello there"
    assert turn.ended_ms - turn.onset_ms == pytest.approx(200, abs=3)
    assert turn.request_id == f"turn:{turn.speech_id}"
    assert isinstance(heard[-2].event, ev.SpeechEnded)
    assert heard[-2].event.duration_ms == 200


async def test_a_sentence_without_words_still_gets_its_transcript(redis_client: Redis) -> None:
    async with AsyncExitStack() as stack:
        process = await Process(redis_client, "p").join(stack)
        process.hears("cough", time.monotonic(), None)
        await soon(lambda: process.turns)
    assert process.turns[0].text == ""
    assert process.done == ["paul"]
    finals = [each for each in await written(redis_client) if isinstance(each, ev.Transcript)]
    assert [each.final for each in finals] == [True]


async def test_words_that_come_too_late_change_nothing(redis_client: Redis) -> None:
    async with AsyncExitStack() as stack:
        process = await Process(redis_client, "p").join(stack)
        onset_s = time.monotonic()
        process.scribe.on_speech_started(SpeechStarted("s", "paul", onset_s, onset_s, 0))
        process.scribe.on_words(WordsHeard("s", "paul", "wait a", final=False))
        process.scribe.on_speech_ended(SpeechEnded("s", "paul", onset_s + 0.01, 10.0, 160))
        await soon(lambda: process.turns)
        process.scribe.on_words(WordsHeard("s", "paul", "weight a minute", final=True))
        await asyncio.sleep(0.05)
    finals = [each for each in await written(redis_client) if isinstance(each, ev.Transcript) and each.final]
    assert [each.text for each in finals] == ["wait a"]


async def test_a_turn_whose_answer_failed_is_tried_again(redis_client: Redis) -> None:
    async with AsyncExitStack() as stack:
        process = await Process(redis_client, "p").join(stack)
        process.fails = 1
        process.hears("s", time.monotonic(), "hello")
        await soon(lambda: process.turns)
    assert len(process.turns) == 1


async def test_words_are_not_kept_beside_the_record_once_they_are_answered(redis_client: Redis) -> None:
    await set_transcripts(redis_client, ROOM, "omit", source="chair")
    async with AsyncExitStack() as stack:
        one = await Process(redis_client, "one").join(stack)
        one.hears("a", time.monotonic() - 0.3, "my secret plan")
        await soon(lambda: one.done)
    assert [turn.text for turn in one.turns] == ["my secret plan"]
    read = {"hash": redis_client.hgetall, "string": redis_client.get, "stream": redis_client.xrange}
    for key in await redis_client.keys(f"*{ROOM}*"):
        assert "secret" not in str(await read[await redis_client.type(key)](key)), key
    assert 0 < await redis_client.pttl(keys.speeches(ROOM)) <= 600_000


async def test_successor_answers_a_turn_that_its_predecessor_wrote_but_never_dealt_with(
    redis_client: Redis,
) -> None:
    onset_s = time.monotonic()
    async with AsyncExitStack() as stack:
        first = await Process(redis_client, "first").join(stack)
        await soon(lambda: first.scribe.leads)
        second = await Process(redis_client, "second").join(stack)
        first.fails = 1000
        for process in (first, second):
            process.hears("s", onset_s, "hello")
        await soon(lambda: second.done)  # it saw the transcript
        # The first process loses its lease in the middle, as one that was stopped does.
        await redis_client.set(keys.scribe(ROOM), "second", px=5_000)
        await soon(lambda: second.turns)
        assert not first.turns
        assert second.turns[0].speech_id == "first-s"
        assert second.turns[0].text == "hello"
    names = [type(each).__name__ for each in await written(redis_client)]
    assert names.count("SpeechStarted") == 1
    assert names.count("SpeechEnded") == 1


async def test_one_stretch_that_another_process_heard_as_two_stays_one(redis_client: Redis) -> None:
    async with AsyncExitStack() as stack:
        first = await Process(redis_client, "first").join(stack)
        await soon(lambda: first.scribe.leads)
        onset_s = time.monotonic() - 5
        first.scribe.on_speech_started(SpeechStarted("long", "paul", onset_s, onset_s, 0))
        first.scribe.on_speech_ended(SpeechEnded("long", "paul", onset_s + 3, 3000.0, 48000))
        first.scribe.on_words(WordsHeard("long", "paul", "first and second", final=True))
        await soon(lambda: first.turns)
        second = await Process(redis_client, "second").join(stack)
        second.hears("one", onset_s + 0.1, "first")
        second.hears("two", onset_s + 1.9, "second")
        await redis_client.set(keys.scribe(ROOM), "second", px=5_000)
        await soon(lambda: len(second.done) == 2)
    assert not second.turns
    finals = [each for each in await written(redis_client) if isinstance(each, ev.Transcript) and each.final]
    assert [each.text for each in finals] == ["first and second"]


async def test_two_people_who_speak_at_once_are_two(redis_client: Redis) -> None:
    async with AsyncExitStack() as stack:
        process = await Process(redis_client, "p").join(stack)
        onset_s = time.monotonic()
        process.hears("a", onset_s, "hello", person="paul")
        process.hears("b", onset_s, "hello too", person="quinn")
        await soon(lambda: len(process.turns) == 2)
    assert {turn.person for turn in process.turns} == {"paul", "quinn"}


async def test_an_end_that_is_noticed_late_swallows_no_other_sentence(redis_client: Redis) -> None:
    async with AsyncExitStack() as stack:
        process = await Process(redis_client, "p").join(stack)
        onset_s = time.monotonic() - 5
        process.scribe.on_speech_started(SpeechStarted("a", "paul", onset_s, onset_s, 0))
        process.scribe.on_speech_ended(SpeechEnded("a", "paul", onset_s + 4, 300.0, 4800))
        process.scribe.on_words(WordsHeard("a", "paul", "one", final=True))
        process.hears("b", onset_s + 2, "two")
        await soon(lambda: len(process.turns) == 2)
    assert [turn.text for turn in process.turns] == ["one", "two"]

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from streams import ConversationStream, Outbox, events, keys
from streams.connection import redis_client as client_of
from streams.errors import StreamError, StreamUnavailableError
from streams.vocabulary import ParticipantKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from streams.events import Recorded
    from streams.publish_call import PublishCall
    from tests.restartable_redis import RestartableRedis


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


def texts(entries: list[Recorded]) -> list[str]:
    return [entry.event.text for entry in entries if isinstance(entry.event, events.Transcript)]


async def test_reports_are_written_in_order_with_the_time_they_happened(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    async with Outbox(stream) as outbox:
        happened_s = time.monotonic() - 3.0
        outbox.report(said("0"), source="x", occurred_s=happened_s)
        for number in range(1, 20):
            outbox.report(said(str(number)), source="x", traceparent="00-a-b-01")
        assert outbox.waiting == 20
        assert await outbox.flush(5.0)
        assert outbox.waiting == 0
    _, first, *rest = await stream.read()
    assert texts([first, *rest]) == [str(number) for number in range(20)]
    assert 2900 < first.at_ms - first.occurred_ms < 3500
    assert all(abs(entry.at_ms - entry.occurred_ms) < 1000 for entry in rest)
    assert rest[0].traceparent == "00-a-b-01"


async def test_leaving_the_block_writes_what_waits(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    async with Outbox(stream) as outbox:
        outbox.report(said("last words"), source="x")
    assert texts(await stream.read()) == ["last words"]


async def test_what_waits_together_goes_together_also_to_a_server_that_forgot_the_script(
    redis_client: Redis,
) -> None:
    stream = ConversationStream(redis_client, "lobby")
    async with Outbox(stream) as outbox:
        for turn in range(3):
            await redis_client.script_flush()
            for number in range(100):
                outbox.report(said(str(turn * 100 + number)), source="x")
            assert await outbox.flush(5.0)
    entries = await stream.read()
    assert texts(entries) == [str(number) for number in range(300)]
    assert [entry.seq for entry in entries] == list(range(1, 302))


async def test_reports_wait_for_company_and_an_interruption_does_not(redis_client: Redis) -> None:
    batches: list[list[str]] = []

    class Noting(ConversationStream):
        async def publish_all(self, calls: Sequence[PublishCall]) -> list[Recorded | StreamError]:
            batches.append([call.encoded.type for call in calls])
            return await super().publish_all(calls)

    cut = events.Interruption(
        interrupted="host", interruptor="ann", interruptor_kind=ParticipantKind.PERSON, utterance_id="u",
        heard_text="", unheard_text="", heard_ms=0, generated_ms=0, reason="stop",
    )  # fmt: skip
    async with Outbox(Noting(redis_client, "lobby")) as outbox:
        outbox.report(said("a"), source="x")
        await asyncio.sleep(0)
        outbox.report(said("b"), source="x")
        await asyncio.sleep(0)
        assert batches == []
        outbox.report(cut, source="x")
        outbox.report(said("c"), source="x")
        while outbox.waiting:  # noqa: ASYNC110 (flush would hurry it)
            await asyncio.sleep(0)
        assert batches == [["TRANSCRIPT", "TRANSCRIPT", "INTERRUPTION", "TRANSCRIPT"]]


async def test_a_refused_report_is_counted_and_holds_up_no_other(
    redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await redis_client.hset(keys.tokens("lobby"), "7", "ann")
    stream = ConversationStream(redis_client, "lobby")
    async with Outbox(stream) as outbox:
        outbox.report(said("mine"), source="ann", token=7)
        outbox.report(said("not mine"), source="bob", token=7)
        outbox.report(events.SettingsChanged(by="x", settings={"x": object()}), source="x")
        outbox.report(said("after"), source="ann")
        assert await outbox.flush(5.0)
        assert outbox.refused == 2
    assert texts(await stream.read()) == ["mine", "after"]
    assert caplog.messages.count("streams.report_refused") == 2
    assert "not mine" not in caplog.text


async def test_what_overflows_is_one_gap_in_its_place(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.measure_clock()
    clock = stream.server_clock
    outbox = Outbox(stream, capacity=3)
    began_s = time.monotonic()
    for number in range(10):
        outbox.report(said(str(number)), source="x", occurred_s=began_s - 10 + number)
    async with outbox:
        assert await outbox.flush(5.0)
    _, gap, *kept = await stream.read()
    assert texts(kept) == ["7", "8", "9"]
    assert isinstance(gap.event, events.RecordGap)
    assert gap.event.lost == 7
    assert abs(gap.event.from_ms - clock.at_ms(began_s - 10)) <= 2
    assert abs(gap.event.to_ms - clock.at_ms(began_s - 4)) <= 2


@pytest.mark.real
async def test_reports_wait_while_redis_is_away(server: RestartableRedis) -> None:
    client = client_of(server.url)
    stream = ConversationStream(client, "lobby")
    async with Outbox(stream, capacity=3) as outbox:
        outbox.report(said("before"), source="x")
        assert await outbox.flush(5.0)
        server.kill()
        for number in range(8):
            began_s = time.monotonic()
            outbox.report(said(str(number)), source="x")
            assert time.monotonic() - began_s < 0.02
            await asyncio.sleep(0.005)
        assert not await outbox.flush(0.02)
        server.start()
        assert await outbox.flush(10.0)
    entries = await stream.read()
    # What was on its way stays; of the others the newest three.
    before, *sent, five, six, seven = texts(entries)
    assert [before, five, six, seven] == ["before", "5", "6", "7"]
    assert sent == [str(number) for number in range(len(sent))]
    assert 1 <= len(sent) <= 3
    [gap] = [entry for entry in entries if isinstance(entry.event, events.RecordGap)]
    assert gap.event.lost == 8 - 3 - len(sent)
    assert [entry.type for entry in entries].index("RECORD_GAP") == 2 + len(sent)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    await client.aclose()


class AnswerLost(ConversationStream):
    """Writes the first event that says `text`, and then loses the answer."""

    def lose(self, text: str) -> AnswerLost:
        self.losing = text
        self.attempts = 0
        return self

    async def publish_all(self, calls: Sequence[PublishCall]) -> list[Recorded | StreamError]:
        outcomes = await super().publish_all(calls)
        if any(
            isinstance(call.event, events.Transcript) and call.event.text == self.losing for call in calls
        ):
            self.attempts += 1
            if self.attempts == 1:
                raise StreamUnavailableError("the connection was lost")
        return outcomes


async def test_a_report_whose_answer_was_lost_is_recorded_once(redis_client: Redis) -> None:
    stream = AnswerLost(redis_client, "lobby").lose("b")
    async with Outbox(stream) as outbox:
        for text in "abc":
            outbox.report(said(text), source="x")
        assert await outbox.flush(5.0)
    assert stream.attempts == 2
    assert texts(await stream.read()) == ["a", "b", "c"]


async def test_a_server_whose_clock_was_set_forward_still_gets_the_reports(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    now_s = time.monotonic()
    stream.server_clock.observe(1_000_000.0, now_s, now_s)  # long ago
    async with Outbox(stream) as outbox:
        outbox.report(said("a"), source="x")
        assert await outbox.flush(5.0)
    assert texts(await stream.read()) == ["a"]


async def test_stopping_without_redis_is_quick_and_says_what_is_left(
    server: RestartableRedis, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(server.url)
    server.kill()
    began_s = time.monotonic()
    async with Outbox(ConversationStream(client, "lobby"), flush_limit_s=0.05) as outbox:
        outbox.report(said("a"), source="x")
        outbox.report(said("b"), source="x")
    assert time.monotonic() - began_s < 0.5
    [abandoned] = [record for record in caplog.records if record.message == "streams.outbox_abandoned"]
    assert abandoned.__dict__["reports"] == 2
    await client.aclose()

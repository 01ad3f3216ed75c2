"""One trace from who publishes to who consumes; nothing at all where nobody configured tracing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from streams import ConversationStream, InvalidEventError, Outbox, StreamUnavailableError, events
from streams.connection import redis_client as client_of
from streams.group_consumer import consumer
from streams.tracing import context_of, processing, sending, tracer
from tests.tracing import Traced, traced_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

    from streams.events import Recorded

JOINED = events.SpeechStarted(participant="ann", speech_id="s1")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def traced() -> Iterator[Traced]:
    with traced_process() as process:
        yield process


async def test_publish_and_consume_are_one_trace(redis_client: Redis, traced: Traced) -> None:
    stream = ConversationStream(redis_client, "lobby")
    with traced.provider.get_tracer("app").start_as_current_span("the caller's"):
        entry = await stream.publish(JOINED, source="scribe")
    [read] = [each for each in await stream.read() if each.id == entry.id]
    assert read.traceparent == entry.traceparent
    with processing(read, consumer="dashboard"):
        inner = trace.get_current_span().get_span_context()
    caller, send, process = (
        traced.named(name) for name in ("the caller's", "send SPEECH_STARTED", "process SPEECH_STARTED")
    )
    assert len({span.context.trace_id for span in (caller, send, process)}) == 1
    assert send.parent is not None
    assert send.parent.span_id == caller.context.span_id
    assert process.parent is not None
    assert process.parent.span_id == send.context.span_id
    assert process.context.span_id == inner.span_id
    assert (send.kind, process.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert send.attributes is not None
    assert dict(send.attributes) == {
        "messaging.system": "redis",
        "messaging.operation.type": "send",
        "messaging.operation.name": "send",
        "messaging.destination.name": "conversation_stream:{lobby}",
        "messaging.message.id": entry.id,
        "swarm.event.type": "SPEECH_STARTED",
        "swarm.source": "scribe",
        "swarm.seq": 2,
    }
    assert process.attributes is not None
    assert process.attributes["messaging.consumer.group.name"] == "dashboard"


async def test_a_consumer_group_handles_in_the_trace_of_who_published(
    redis_client: Redis, traced: Traced
) -> None:
    stream = ConversationStream(redis_client, "lobby")
    entry = await stream.publish(JOINED, source="scribe")
    group = consumer(redis_client, "dashboard", rooms=["lobby"])
    around: list[trace.SpanContext] = []

    async def handle(recorded: Recorded) -> None:
        await asyncio.sleep(0)
        around.append(trace.get_current_span().get_span_context())
        if recorded.id == entry.id:
            group.stop()

    async with asyncio.timeout(10):
        await group.run(handle)
    process = traced.named("process SPEECH_STARTED")
    assert process.context.span_id == around[-1].span_id
    assert process.parent is not None
    assert process.parent.span_id == traced.named("send SPEECH_STARTED").context.span_id


async def test_a_report_keeps_the_trace_of_who_made_it(redis_client: Redis, traced: Traced) -> None:
    stream = ConversationStream(redis_client, "lobby")
    async with Outbox(stream) as outbox:
        with traced.provider.get_tracer("app").start_as_current_span("the caller's"):
            outbox.report(JOINED, source="scribe")
        outbox.report(JOINED, source="scribe", traceparent=PARENT)
        assert await outbox.flush(5)
    _, first, second = await stream.read()
    caller = traced.named("the caller's").context
    assert first.traceparent is not None
    assert first.traceparent.split("-")[1] == trace.format_trace_id(caller.trace_id)
    assert second.traceparent is not None
    assert second.traceparent.split("-")[1] == PARENT.split("-")[1]
    ids = [span.attributes["messaging.message.id"] for span in traced.spans if span.name.startswith("send")]  # type: ignore[index]
    assert ids == [first.id, second.id]


async def test_without_a_provider_the_entry_is_as_it_was(redis_client: Redis) -> None:
    assert tracer() is None
    stream = ConversationStream(redis_client, "lobby")
    plain = await stream.publish(JOINED, source="scribe")
    named = await stream.publish(JOINED, source="scribe", traceparent=PARENT)
    assert (plain.traceparent, named.traceparent) == (None, PARENT)
    with processing(named):
        assert not trace.get_current_span().get_span_context().is_valid


async def test_what_was_not_written_is_an_error_in_the_trace(traced: Traced) -> None:
    client = client_of("redis://127.0.0.1:1")
    stream = ConversationStream(client, "lobby", timeout_s=0.2)
    with pytest.raises(StreamUnavailableError):
        await stream.publish(JOINED, source="scribe")
    with pytest.raises(InvalidEventError):
        await stream.publish(JOINED, source="no name")
    await client.aclose()
    assert [(span.status.status_code, span.status.description) for span in traced.spans] == [
        (StatusCode.ERROR, "StreamUnavailableError"),
        (StatusCode.ERROR, "InvalidEventError"),
    ]


async def test_a_report_that_had_to_make_room_or_was_refused_says_so(
    redis_client: Redis, traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="streams")
    stream = ConversationStream(redis_client, "lobby")
    outbox = Outbox(stream, capacity=2)
    for source in ("a", "no name", "c"):
        outbox.report(JOINED, source=source)
    async with outbox:
        assert await outbox.flush(5)
    told = {span.attributes["swarm.source"]: span.status.description for span in traced.spans}  # type: ignore[index]
    assert told == {"a": "made room in a full outbox", "no name": "InvalidEventError", "c": None}


async def test_an_error_of_a_handler_is_in_its_span(redis_client: Redis, traced: Traced) -> None:
    entry = await ConversationStream(redis_client, "lobby").publish(JOINED, source="scribe")
    with pytest.raises(ZeroDivisionError), processing(entry):
        _ = 1 / 0
    assert traced.named("process SPEECH_STARTED").status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("garbage", ["", "00-a-b-01", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
async def test_a_traceparent_that_names_nothing_is_handed_on_untouched(
    redis_client: Redis, traced: Traced, garbage: str
) -> None:
    assert context_of(garbage) is None
    if garbage:
        assert sending(JOINED, room="r", source="s", traceparent=garbage).traceparent == garbage
        assert traced.spans == ()
    entry = (await ConversationStream(redis_client, "lobby").publish(JOINED, source="scribe")).model_copy(
        update={"traceparent": garbage}
    )
    with processing(entry):
        pass
    assert traced.named("process SPEECH_STARTED").parent is None

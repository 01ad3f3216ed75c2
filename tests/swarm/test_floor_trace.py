"""What the floor writes belongs to the trace of whoever had it written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, format_trace_id

from streams import ConversationStream, keys
from streams.tracing import joining
from swarm import floor_commands as fc
from swarm.floor_script import FloorScript, floor_keys, source
from swarm.floor_state import FloorSettings
from tests.tracing import Traced, traced_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

PARENTS = {who: f"00-{number:032x}-b7ad6b7169203331-01" for number, who in enumerate(("ann", "bob", "x"), 17)}


@pytest.fixture
def traced() -> Iterator[Traced]:
    with traced_process() as process:
        yield process


def trace_of(traceparent: str | None) -> str:
    return (traceparent or "--").split("-")[1]


async def events_of(redis: Redis) -> list[tuple[str, str]]:
    """Type and trace of each event but ROOM_OPENED."""
    entries = await ConversationStream(redis, "lobby").read()
    return [(entry.type, trace_of(entry.traceparent)) for entry in entries][1:]


async def test_a_grant_is_in_the_trace_of_its_request_whoever_gave_the_floor_back(
    redis_client: Redis, traced: Traced
) -> None:
    script = FloorScript(redis_client, "lobby", FloorSettings())
    for who in ("ann", "bob"):
        with joining(PARENTS[who]):
            await script.run(fc.Request(participant=who, request_id=f"{who}-asks"), who)
    with joining(PARENTS["x"]):
        holder = (await script.read()).token
        release = fc.Release(participant="ann", token=holder, tail_done=True, to="", reason="")
        await script.run(release, "ann")
    ann, bob, other = (trace_of(PARENTS[who]) for who in ("ann", "bob", "x"))
    assert await events_of(redis_client) == [
        ("FLOOR_REQUESTED", ann),
        ("FLOOR_GRANTED", ann),
        ("FLOOR_REQUESTED", bob),
        ("FLOOR_QUEUED", bob),
        ("FLOOR_RELEASED", other),
        ("FLOOR_GRANTED", bob),
    ]
    [call] = [span for span in traced.spans if span.name == "floor release"]
    assert format_trace_id(call.context.trace_id) == other
    assert call.kind is SpanKind.CLIENT
    assert call.attributes is not None
    assert dict(call.attributes) == {
        "messaging.destination.name": "conversation_stream:{lobby}",
        "swarm.source": "ann",
    }


async def test_a_request_of_nobody_s_trace_begins_one_and_timers_do_not(
    redis_client: Redis, traced: Traced
) -> None:
    script = FloorScript(redis_client, "lobby", FloorSettings())
    await script.run(fc.PersonSpeaking(person="ann", observer="p1", words=True), "ann")
    await script.run(fc.Tick(), "p1")
    assert traced.spans == ()
    await script.run(fc.Request(participant="bob", request_id="bob-asks"), "bob")
    begun = format_trace_id(traced.named("floor request").context.trace_id)
    with joining(PARENTS["x"]):
        await script.run(fc.PersonSpeaking(person="carl", observer="p1", words=True), "carl")
    assert await events_of(redis_client) == [
        ("FLOOR_TAKEN", ""),
        ("FLOOR_REQUESTED", begun),
        ("FLOOR_QUEUED", begun),
        ("FLOOR_TAKEN", trace_of(PARENTS["x"])),
    ]


@pytest.mark.parametrize("given", ["", "00-é", '"', "0" * 129, None])
async def test_a_call_from_elsewhere_needs_no_trace_and_what_is_none_is_left_out(
    real_redis: Redis, given: str | None
) -> None:
    request: dict[str, Any] = {
        "participant": "ann",
        "request_id": "a",
        "priority": 2,
        "on_behalf_of": "",
        "reason": "",
    }
    request |= {"observed_token": "0", "resume_token": "0"}
    arguments = ["request", "lobby", "ann", json.dumps(request), json.dumps(FloorSettings().as_dict())]
    arguments += [] if given is None else [given]
    names = floor_keys("lobby")
    await real_redis.eval(source(), len(names), *names, *arguments)
    fields = await real_redis.xrange(keys.stream("lobby"))
    assert [entry["type"] for _, entry in fields] == ["ROOM_OPENED", "FLOOR_REQUESTED", "FLOOR_GRANTED"]
    assert all("traceparent" not in entry for _, entry in fields)

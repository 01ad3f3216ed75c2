"""Within a version the schema only grows, and a reader of version 1 lives on among entries of version 2."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streams import ConversationStream, Relay, StreamHub, UnknownEvent, events, keys
from streams.codec import MODELS, decode_entry, encode_entry
from streams.event_schema import breaking_changes, event_schema
from streams.sequence import Sequence

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.events import Recorded

FIRST = json.loads((Path(__file__).parent / "schema_v1.json").read_text())
"""The schemas of version 1 as they were first published. Types come; a line of this file is never changed."""


@pytest.mark.parametrize("event_type", sorted(FIRST))
def test_within_the_version_a_type_only_grows(event_type: str) -> None:
    assert event_type in MODELS, "a type of version 1 has gone"
    assert MODELS[event_type].kind == FIRST[event_type]["x-kind"]
    assert breaking_changes(FIRST[event_type], event_schema(event_type)) == []


def test_what_would_break_a_reader_is_found() -> None:
    old = FIRST["TRANSCRIPT"]

    def changed(**properties: Any) -> dict[str, Any]:
        kept = {**old["properties"], **properties}
        return {**old, "properties": {name: part for name, part in kept.items() if part is not None}}

    assert breaking_changes(old, changed(tone={"type": "string", "default": ""})) == []
    assert breaking_changes(old, changed(text=None)) == ["text has gone"]
    assert breaking_changes(old, changed(text={"type": "integer"})) == ["text takes less than it did"]
    assert breaking_changes(old, changed(final={"anyOf": [{"type": "boolean"}, {"type": "null"}]})) == [
        "final may be what it never was"
    ]
    assert breaking_changes(old, {**changed(), "required": [*old["required"], "language"]}) == [
        "language is required now"
    ]
    assert breaking_changes(old, {**changed(), "required": ["text"]}) == [
        f"{name} may be missing now" for name in old["required"] if name != "text"
    ]
    fewer = {**old, "$defs": {"Decision": {**old["$defs"]["Decision"], "enum": ["hold"]}}}
    assert breaking_changes(old, fewer) == ["decision takes less than it did"]


class Future:
    """A producer of version 2: it writes a known type anew, a new type, a new kind and new fields."""

    def __init__(self, redis: Redis, room: str, last: Recorded) -> None:
        self._redis = redis
        self._room = room
        self._session, self._seq, self._prev = last.session, last.seq, last.id

    async def write(self, kind: str, event_type: str, data: dict[str, Any], v: str, **more: str) -> str:
        self._seq += 1
        fields = {
            "kind": kind,
            "type": event_type,
            "room": self._room,
            "session": self._session,
            "seq": str(self._seq),
            "prev": self._prev,
            "source": "newcomer",
            "at_ms": "1795254689197",
            "occurred_ms": "1795254689197",
            "v": v,
            "data": json.dumps(data),
        }
        self._prev = await self._redis.xadd(keys.stream(self._room), fields | more)  # type: ignore[arg-type]
        await self._redis.hset(keys.meta(self._room), mapping={"seq": self._seq, "last_id": self._prev})  # type: ignore[misc]
        if isinstance(self._prev, bytes):
            self._prev = self._prev.decode()
        return self._prev


async def mixed(redis: Redis) -> ConversationStream:
    """A room with a first entry of version 1, five of the future, and a last one of version 1."""
    stream = ConversationStream(redis, "lobby")
    first = await stream.publish(events.SpeechStarted(participant="ann", speech_id="s1"), source="scribe")
    future = Future(redis, "lobby", first)
    await future.write("TRANSCRIPT", "TRANSCRIPT", {"words": [{"w": "hello", "ms": 12}]}, "2")
    await future.write("SYSTEM_SIGNAL", "ROOM_SPLIT", {"into": ["a", "b"]}, "2", signature="abc")
    await future.write("EMOTION", "SMILE", {"who": "ann", "how_much": 0.4}, "2")
    await future.write("SYSTEM_SIGNAL", "BID", {"participant": "x", "score": 300, "reason": 4}, "3")
    grown = {"participant": "ann", "speech_id": "s1", "duration_ms": 3.0, "loudness_db": -20}
    await future.write("SYSTEM_SIGNAL", "SPEECH_ENDED", grown, "1", lamport="17")
    await stream.publish(events.RoomClosed(reason="done"), source="scribe")
    return stream


async def test_a_reader_of_version_1_survives_version_2(redis_client: Redis) -> None:
    refused: list[Exception] = []
    entries = await (await mixed(redis_client)).read(on_invalid=refused.append)
    assert refused == []
    assert [entry.type for entry in entries] == [
        "ROOM_OPENED",
        "SPEECH_STARTED",
        "TRANSCRIPT",
        "ROOM_SPLIT",
        "SMILE",
        "BID",
        "SPEECH_ENDED",
        "ROOM_CLOSED",
    ]
    transcript, split, smile, bid, ended = entries[2:7]
    for entry in (transcript, split, smile, bid):
        assert isinstance(entry.event, UnknownEvent)
        assert (entry.event.original_type, entry.event.original_v) == (entry.type, entry.v)
    assert isinstance(transcript.event, UnknownEvent)
    assert transcript.event.data == {"words": [{"w": "hello", "ms": 12}]}
    assert split.unknown_fields == {"signature": "abc"}
    assert isinstance(ended.event, events.SpeechEnded)
    assert ended.event.model_extra == {"loudness_db": -20}
    assert ended.unknown_fields == {"lamport": "17"}


async def test_what_a_reader_does_not_know_it_hands_on_whole(redis_client: Redis) -> None:
    stream = await mixed(redis_client)
    for entry in await stream.read():
        again = decode_entry(entry.id, encode_entry(entry))
        assert again == entry
    after: bytes | str = "0"
    relayed: list[Recorded] = []
    async with asyncio.timeout(10), Relay(redis_client):
        while len(relayed) < 8:
            reply = await redis_client.xread({keys.ALL_ROOMS_STREAM: after}, block=100)
            for _, entries in reply or ():
                relayed += [decode_entry(entry_id, fields) for entry_id, fields in entries]
                after = entries[-1][0]
    assert relayed == await stream.read()


async def test_order_and_gaps_hold_across_versions(redis_client: Redis) -> None:
    stream = await mixed(redis_client)
    sequence = Sequence()
    entries = await stream.read()
    assert [sequence.observe(entry) for entry in entries] == [None] * 8
    async with asyncio.timeout(5), StreamHub(redis_client) as hub, hub.events("lobby", "0") as followed:
        assert [(await anext(followed)).id for _ in range(8)] == [entry.id for entry in entries]
    by_types: list[str] = []
    async with asyncio.timeout(5), stream.subscribe("0", types={"SMILE", "ROOM_CLOSED"}) as subscription:
        async for entry in subscription:
            by_types.append(entry.type)
            if len(by_types) == 2:
                break
    assert by_types == ["SMILE", "ROOM_CLOSED"]

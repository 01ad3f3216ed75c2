"""Foreign entries: whatever they hold, they are given out or kept as dead letters, and stop nobody."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis as PlainRedis

from streams import ConversationStream, InvalidEventError, keys, read_dead_letters
from streams.codec import encode_entry
from streams.connection import redis_client as client_of
from streams.dead_letters import discard
from tests.streams.consuming import QUICK, Seen, running, say, text_of, until
from tests.streams.strategies import recorded_entries

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams import Recorded

VALID = {
    "kind": "TRANSCRIPT",
    "type": "TRANSCRIPT",
    "room": "lobby",
    "session": "foreign",
    "seq": "1",
    "prev": "",
    "source": "somebody",
    "at_ms": "1",
    "occurred_ms": "1",
    "v": "1",
    "data": '{"participant":"ann","speech_id":"s1","text":"a","final":true}',
}
BROKEN: dict[str, dict[Any, Any]] = {
    "no field of ours": {"hello": "world"},
    "no data": {name: value for name, value in VALID.items() if name != "data"},
    "data is no JSON": VALID | {"data": "{"},
    "data breaks the schema": VALID | {"data": '{"participant":1}'},
    "seq is no number": VALID | {"seq": "one"},
    "another room": VALID | {"room": "elsewhere"},
    "another entry": VALID | {"entry_id": "1-1"},
    "no UTF-8": VALID | {"source": b"\xff\xfe"},
    "a name that is no UTF-8": VALID | {b"\xc3\x28": "x"},
}


@pytest.mark.parametrize("ack_every", [1, 100])
async def test_entries_that_break_the_schema_are_quarantined_with_the_reason(
    redis_client: Redis, ack_every: int
) -> None:
    await say(redis_client, "lobby", "before")
    ids = {await redis_client.xadd(keys.stream("lobby"), fields): name for name, fields in BROKEN.items()}
    await say(redis_client, "lobby", "after")
    seen = Seen()
    member = ConversationStream(redis_client, "lobby").consumer(
        "g", "one", settings=replace(QUICK, ack_every=ack_every)
    )
    async with running((member, seen)):
        assert await seen.wait(2) == ["before", "after"]
    letters = await read_dead_letters(redis_client, "lobby")
    assert {letter.entry_id for letter in letters} == set(ids)
    for letter in letters:
        assert (letter.reason, letter.tries, bool(letter.error)) == ("schema", 0, True)
        [(_, entry)] = await redis_client.xrange(keys.stream("lobby"), letter.entry_id, letter.entry_id)
        assert letter.entry == entry, ids[letter.entry_id]
    assert member.figures.quarantined == len(BROKEN)
    assert (await redis_client.xpending(keys.stream("lobby"), "g"))["pending"] == 0
    assert await discard(redis_client, "lobby", letters[0].id, letters[1].id) == 2
    assert len(await read_dead_letters(redis_client, "lobby")) == len(BROKEN) - 2


async def test_each_group_keeps_its_own_dead_letters(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a")
    await redis_client.xadd(keys.stream("lobby"), {"hello": "world"})
    stream, seen = ConversationStream(redis_client, "lobby"), Seen()
    members = [stream.consumer(group, settings=QUICK) for group in ("one", "two")]
    async with running(*((member, seen) for member in members)):
        await until(lambda: all(member.figures.quarantined == 1 for member in members))
    assert [len(await read_dead_letters(redis_client, "lobby", group=group)) for group in ("one", "two")] == [
        1,
        1,
    ]


async def test_a_client_that_does_not_decode_reads_and_quarantines_the_same(real_redis_url: str) -> None:
    redis = client_of(real_redis_url, decode_responses=False)
    await redis.flushall()
    await say(redis, "lobby", "before")
    for fields in BROKEN.values():
        await redis.xadd(keys.stream("lobby"), fields)
    await say(redis, "lobby", "after")
    seen = Seen()
    async with running((ConversationStream(redis, "lobby").consumer("g", settings=QUICK), seen)):
        assert await seen.wait(2) == ["before", "after"]
    letters = await read_dead_letters(redis, "lobby")
    assert len(letters) == len(BROKEN)
    assert letters[-2].entry["source"].encode(errors="surrogateescape") == b"\xff\xfe"
    await redis.aclose()


async def test_a_client_that_decodes_strictly_is_no_more_stopped(
    real_redis: Redis, real_redis_url: str
) -> None:
    await say(real_redis, "lobby", "before")
    for fields in BROKEN.values():
        await real_redis.xadd(keys.stream("lobby"), fields)
    await say(real_redis, "lobby", "after")
    strict, seen = PlainRedis.from_url(real_redis_url, decode_responses=True), Seen()
    async with running((ConversationStream(strict, "lobby").consumer("g", settings=QUICK), seen)):
        assert await seen.wait(2) == ["before", "after"]
    assert len(await read_dead_letters(real_redis, "lobby")) == len(BROKEN)
    await strict.aclose()


SCRAP = st.one_of(
    st.binary(max_size=20), st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.just("1")
)


@st.composite
def foreign_entries(draw: st.DrawFn) -> dict[Any, Any]:
    """Scraps, or an entry of ours with fields changed, added or left out."""
    if draw(st.booleans()):
        return draw(st.dictionaries(SCRAP, SCRAP, min_size=1, max_size=5))
    fields: dict[Any, Any] = {**encode_entry(draw(recorded_entries()))}
    if draw(st.booleans()):
        fields["room"] = "lobby"
    for name in draw(st.lists(st.sampled_from(sorted(fields)), max_size=3)):
        fields.pop(name, None)
    fields |= draw(st.dictionaries(st.sampled_from(sorted(VALID)), SCRAP, max_size=2))
    return fields or {"empty": ""}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(foreign_entries(), min_size=1, max_size=12), st.sampled_from([1, 7]))
def test_no_foreign_entry_is_fatal_and_none_is_dropped(foreign: list[dict[Any, Any]], ack_every: int) -> None:
    asyncio.run(_none_is_dropped(foreign, ack_every))


async def _none_is_dropped(foreign: list[dict[Any, Any]], ack_every: int) -> None:
    redis = FakeAsyncRedis(decode_responses=True, encoding_errors="surrogateescape", socket_timeout=None)
    await say(redis, "lobby", "first")
    ids = [await redis.xadd(keys.stream("lobby"), fields) for fields in foreign]
    [last] = await say(redis, "lobby", "last")
    handled: list[str] = []
    faults: list[object] = []
    member = ConversationStream(redis, "lobby").consumer(
        "g", settings=replace(QUICK, ack_every=ack_every), on_missed=faults.append
    )

    def take(recorded: Recorded) -> None:
        handled.append(recorded.id)
        if recorded.id == last:
            member.stop()

    await asyncio.wait_for(member.run(take), 10)
    letters = await read_dead_letters(redis, "lobby")
    kept = [letter.entry_id for letter in letters]
    assert sorted([*handled[2:-1], *kept]) == sorted(ids)
    for letter in letters:
        raw = {_bytes(name): _bytes(value) for name, value in letter.entry.items()}
        assert raw == {_bytes(n): _bytes(v) for n, v in foreign[ids.index(letter.entry_id)].items()}
    subscribed: list[str] = []
    invalid: list[InvalidEventError] = []
    async with ConversationStream(redis, "lobby").subscribe("0", on_invalid=invalid.append) as entries:
        async for entry in entries:
            subscribed.append(entry.id)
            if entry.id == last:
                break
    assert subscribed == handled
    assert [error.entry_id for error in invalid] == kept
    await redis.aclose()


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode(errors="surrogateescape")


async def test_a_quarantined_entry_is_logged_without_its_words(
    redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await say(redis_client, "lobby", "a")
    await redis_client.xadd(keys.stream("lobby"), VALID | {"data": '{"text": "my secret"}'})
    member = ConversationStream(redis_client, "lobby").consumer("g", settings=QUICK)
    with caplog.at_level(logging.WARNING):
        async with running((member, text_of)):
            await until(lambda: member.figures.quarantined == 1)
    assert "streams.quarantined" in caplog.messages
    assert "my secret" not in caplog.text

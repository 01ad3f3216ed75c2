"""Subscriptions: to one room and to many, from an id or a time, selected, and told of what is missing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams import ConversationStream, Fork, Gap, InvalidEventError, keys, subscribe
from streams import events as ev
from streams.connection import redis_client as client_of
from tests.streams.consuming import said, say, text_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from streams import Recorded
    from tests.restartable_redis import RestartableRedis


async def take(entries: AsyncIterator[Recorded], number: int) -> list[tuple[str, str]]:
    """Return room and text of the next entries, those that open a room left out."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(15):
        async for entry in entries:
            if entry.type != "ROOM_OPENED":
                found.append((entry.room, text_of(entry)))
            if len(found) == number:
                return found
    raise AssertionError("it ended")


async def test_all_rooms_are_followed_also_those_that_open_later(redis_client: Redis) -> None:
    for room in ("one", "two"):
        await say(redis_client, room, "before")
    async with subscribe(redis_client) as entries:
        await say(redis_client, "two", "a")
        assert await take(entries, 1) == [("two", "a")]
        await say(redis_client, "three", "b", "c")
        assert await take(entries, 2) == [("three", "b"), ("three", "c")]
        await say(redis_client, "one", "d")
        assert await take(entries, 1) == [("one", "d")]
        assert entries.missed == 0


async def test_chosen_rooms_from_the_beginning_in_order_within_each(redis_client: Redis) -> None:
    texts = [str(n) for n in range(250)]
    for room in ("one", "two", "other"):
        await say(redis_client, room, *texts)
    async with subscribe(redis_client, ["one", "two"], "0") as entries:
        found = await take(entries, 500)
    for room in ("one", "two"):
        assert [text for of, text in found if of == room] == texts


async def test_it_begins_with_what_was_written_at_a_time_or_later(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "old")
    await asyncio.sleep(0.005)
    stream = ConversationStream(redis_client, "lobby")
    second = await stream.publish(said("second"), source="x")
    await stream.publish(said("third"), source="x")
    async with subscribe(redis_client, from_ms=second.at_ms) as entries:
        assert await take(entries, 2) == [("lobby", "second"), ("lobby", "third")]
    async with stream.subscribe(from_ms=second.at_ms) as entries:
        assert await take(entries, 2) == [("lobby", "second"), ("lobby", "third")]
        assert entries.missed == 0


async def test_it_selects_by_kind_type_and_source(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("by ann"), source="ann")
    await stream.publish(ev.Usage(participant="bob"), source="bob")
    await stream.publish(said("by bob"), source="bob")

    async def chosen(**selection: set[str]) -> list[str]:
        entries = stream.subscribe("0", **selection)
        several = subscribe(redis_client, ["lobby"], "0", **selection)
        async with entries, several, asyncio.timeout(10):
            first = text_of(await anext(entries))
            assert text_of(await anext(several)) == first
            assert entries.missed == several.missed == 0
            return [first]

    assert await chosen(kinds={"USAGE"}) == ["USAGE"]
    assert await chosen(sources={"bob"}, types={"TRANSCRIPT"}) == ["by bob"]
    assert await chosen(kinds={"TRANSCRIPT"}, sources={"ann"}) == ["by ann"]
    for bare in ({"kinds": "USAGE"}, {"types": "USAGE"}, {"sources": "ann"}):
        with pytest.raises(TypeError):
            stream.subscribe(**bare)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        subscribe(redis_client, "lobby")
    with pytest.raises(InvalidEventError):
        subscribe(redis_client, ["a b"])


async def test_it_goes_on_where_another_left_off_and_misses_nothing(redis_client: Redis) -> None:
    for room in ("one", "two"):
        await say(redis_client, room, "a", "b")
    async with subscribe(redis_client, from_id="0") as entries:
        had = await take(entries, 3)
        last_ids = entries.last_ids
    for room in ("one", "two"):
        await say(redis_client, room, "c")
    missed: list[Gap | Fork] = []
    async with subscribe(redis_client, from_ids=last_ids, on_missed=missed.append) as entries:
        had += await take(entries, 3)
    for room in ("one", "two"):
        assert [text for of, text in had if of == room] == ["a", "b", "c"]
    assert missed == []


@pytest.mark.parametrize("many", [False, True])
async def test_who_is_trimmed_past_is_told_by_how_much(redis_client: Redis, many: bool) -> None:
    ids = await say(redis_client, "lobby", *"abcdef")
    missed: list[Gap | Fork] = []
    stream = ConversationStream(redis_client, "lobby")
    entries = (
        subscribe(redis_client, ["lobby"], ids[0], on_missed=missed.append)
        if many
        else stream.subscribe(ids[0], on_missed=missed.append)
    )
    async with entries:  # settled: the entry that it begins after is still there
        await redis_client.xtrim(keys.stream("lobby"), minid=ids[4], approximate=False)
        assert await take(entries, 1) == [("lobby", "e")]
        assert entries.missed == 1
    [gap] = missed
    assert isinstance(gap, Gap)
    assert (gap.after_seq, gap.before_seq, gap.missing, gap.exact) == (2, 6, 3, True)


async def test_who_comes_back_after_being_trimmed_past_knows_it_at_least(redis_client: Redis) -> None:
    ids = await say(redis_client, "lobby", *"abcdef")
    await redis_client.xtrim(keys.stream("lobby"), minid=ids[3], approximate=False)
    missed: list[Gap | Fork] = []
    stream = ConversationStream(redis_client, "lobby")
    async with stream.subscribe(ids[0], on_missed=missed.append) as entries:
        assert await take(entries, 1) == [("lobby", "d")]
    assert [(gap.before_seq, gap.exact) for gap in missed if isinstance(gap, Gap)] == [(5, False)]
    async with stream.subscribe("0", on_missed=missed.append) as entries:  # all that is kept: no loss
        assert await take(entries, 1) == [("lobby", "d")]
    assert len(missed) == 1


async def test_a_room_that_opens_later_and_is_trimmed_before_it_is_read_has_a_gap(
    redis_client: Redis,
) -> None:
    missed: list[Gap | Fork] = []
    async with subscribe(redis_client, on_missed=missed.append) as entries:
        ids = await say(redis_client, "later", *"abcd")
        await redis_client.xtrim(keys.stream("later"), minid=ids[2], approximate=False)
        assert await take(entries, 2) == [("later", "c"), ("later", "d")]
        assert entries.missed == 1
        await say(redis_client, "another", "e")
        assert await take(entries, 1) == [("another", "e")]
    [gap] = missed
    assert isinstance(gap, Gap)
    assert (gap.room, gap.after_seq, gap.before_seq, gap.exact) == ("later", 0, 4, True)


async def test_a_key_that_is_no_stream_keeps_no_other_room(real_redis: Redis) -> None:
    await say(real_redis, "lobby", "a")
    await real_redis.set(keys.stream("odd"), "somebody else's")
    await real_redis.sadd(keys.ROOMS, "odd")
    async with subscribe(real_redis, from_id="0") as entries:
        assert await take(entries, 1) == [("lobby", "a")]
        await say(real_redis, "lobby", "b")
        await say(real_redis, "later", "c")
        assert sorted(await take(entries, 2)) == [("later", "c"), ("lobby", "b")]


async def test_where_it_cannot_begin_is_said_when_it_is_asked_for(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    for wrong in ("yesterday", "", "-1", "1-2-3", f"{2**64}-0"):
        for ask in (subscribe, lambda _, from_id: stream.subscribe(from_id)):
            with pytest.raises(ValueError, match="no entry id"):
                ask(redis_client, from_id=wrong)
        with pytest.raises(ValueError, match="no entry id"):
            await stream.read(wrong)
    with pytest.raises(ValueError, match="no entry id"):
        subscribe(redis_client, from_ids={"lobby": "$"})
    for time in (2**65, float("nan")):
        with pytest.raises(ValueError, match="no time"):
            subscribe(redis_client, from_ms=time)


async def test_words_that_were_forgotten_are_no_gap_the_rest_is(redis_client: Redis) -> None:
    ids = await say(redis_client, "lobby", *"abcdef")
    await redis_client.xdel(keys.stream("lobby"), *ids[1:5])
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(ev.WordsForgotten(participant="ann", seqs=[3, 4, 6]), source="x")
    missed: list[Gap | Fork] = []
    async with stream.subscribe("0", on_missed=missed.append) as entries:
        assert [text for _, text in await take(entries, 3)] == ["a", "f", "WORDS_FORGOTTEN"]
    assert [(gap.after_seq, gap.before_seq) for gap in missed if isinstance(gap, Gap)] == [(4, 6)]


async def test_a_fork_is_told(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a", "b")
    await redis_client.hset(
        keys.meta("lobby"), mapping={"seq": "2"}
    )  # what a failover that lost a write leaves
    await say(redis_client, "lobby", "c")
    missed: list[Gap | Fork] = []
    async with subscribe(redis_client, ["lobby"], "0", on_missed=missed.append) as entries:
        await take(entries, 3)
    assert [type(each) for each in missed] == [Fork]


async def test_many_rooms_take_one_connection(real_redis: Redis, real_redis_url: str) -> None:
    for n in range(40):
        await say(real_redis, f"room-{n}", "a")
    before = (await real_redis.info("clients"))["connected_clients"]
    async with subscribe(real_redis_url, from_id="0") as entries:
        assert len(await take(entries, 40)) == 40
        assert (await real_redis.info("clients"))["connected_clients"] - before == 1
    async with asyncio.timeout(5):
        while (await real_redis.info("clients"))["connected_clients"] > before:  # noqa: ASYNC110 - the server has no event
            await asyncio.sleep(0.01)


async def test_it_outlives_a_redis_that_restarts(server: RestartableRedis) -> None:
    redis = client_of(server.url)
    await say(redis, "lobby", "a")
    async with subscribe(redis, from_id="0") as entries, asyncio.timeout(20):
        await take(entries, 1)
        waiting = asyncio.gather(take(entries, 1))
        await asyncio.sleep(0.05)
        server.kill()
        server.start()
        await say(redis, "lobby", "b")
        assert await waiting == [[("lobby", "b")]]
        assert entries.missed == 0
    await redis.aclose()

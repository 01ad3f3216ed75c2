"""Who is in a room, as several processes keep it together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streams import events as ev
from streams.conversation_stream import ConversationStream
from streams.vocabulary import ParticipantKind
from swarm.roster import Roster

if TYPE_CHECKING:
    import pytest
    from redis.asyncio import Redis

AGENT, PERSON = ParticipantKind.AGENT, ParticipantKind.PERSON


async def came_and_went(redis: Redis) -> list[str]:
    return [
        f"{entry.event.participant} {entry.event.type.removeprefix('PARTICIPANT_').lower()}"
        for entry in await ConversationStream(redis, "r").read()
        if isinstance(entry.event, ev.ParticipantJoined | ev.ParticipantLeft)
    ]


async def test_a_second_process_of_the_same_name_does_not_take_the_first_off(redis_client: Redis) -> None:
    first, second = Roster(redis_client, "r"), Roster(redis_client, "r")
    await first.join("host", AGENT, "host")
    await second.join("host", AGENT, "host")
    assert not await second.leave("host")
    assert second.agents() == ("host",)
    assert not await second.leave("host"), "it has left before"
    assert await first.leave("host")
    assert first.agents() == ()
    assert await came_and_went(redis_client) == ["host joined", "host left"]


async def test_a_first_process_that_died_does_not_keep_the_second_on(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.roster.SILENT_AFTER_MS", 40)
    await Roster(redis_client, "r").join("host", AGENT)
    second = Roster(redis_client, "r")
    await asyncio.sleep(0.05)
    await second.join("host", AGENT)
    assert await second.leave("host")


async def test_a_person_leaves_whoever_tells_of_it(redis_client: Redis) -> None:
    one, two = Roster(redis_client, "r"), Roster(redis_client, "r")
    await one.join("paul", PERSON)
    await two.join("paul", PERSON)
    assert await two.leave("paul")
    assert not await one.leave("paul")


async def test_a_heartbeat_says_whom_it_took_off(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.roster.SILENT_AFTER_MS", 40)
    roster, other = Roster(redis_client, "r"), Roster(redis_client, "r")
    await other.join("ghost", AGENT)
    await other.join("paul", PERSON)
    assert await roster.beat("host", AGENT) == ()
    await asyncio.sleep(0.05)
    assert await roster.beat("host", AGENT) == ("ghost",)
    assert await roster.beat("host", AGENT) == ()
    assert {member.identity for member in roster.members()} == {"host", "paul"}
    assert await other.beat("ghost", AGENT) == ()
    assert other.agents() == ("host", "ghost")


async def test_the_muted_are_nobody_to_listen_to(redis_client: Redis) -> None:
    roster = Roster(redis_client, "r")
    stream = ConversationStream(redis_client, "r")
    roster.know_muted(["quinn"])
    for muted in (True, False):
        event = ev.ParticipantMuted(participant="paul", by="chair", muted=muted)
        roster.feed(await stream.publish(event, source="chair"))
        assert roster.is_person("paul") is not muted
    assert not roster.is_person("quinn")

"""What the record tells of the settings that a room's floor begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams import ConversationStream
from streams import events as ev
from streams.vocabulary import ParticipantKind
from swarm import floor_commands as fc
from swarm.floor_script import FloorScript
from swarm.floor_state import FloorSettings
from swarm.roster import Roster

if TYPE_CHECKING:
    from redis.asyncio import Redis

OURS, THEIRS = FloorSettings(lease_ms=700, backchannel_ms=300), FloorSettings(lease_ms=900)


async def events_of(redis: Redis) -> list[ev.Event]:
    return [entry.event for entry in await ConversationStream(redis, "lobby").read()]


async def test_the_first_use_in_an_open_session_tells_all_settings_once(redis_client: Redis) -> None:
    await Roster(redis_client, "lobby").join("host", ParticipantKind.AGENT, "host")
    await FloorScript(redis_client, "lobby", OURS).run(
        fc.PersonSpeaking(person="ann", observer="p1", words=True), "p1"
    )
    await FloorScript(redis_client, "lobby", THEIRS).run(fc.Tick(), "p2")
    assert (await events_of(redis_client))[2:] == [
        ev.SettingsChanged(by="p1", settings=OURS.as_dict()),
        ev.FloorTaken(participant="ann", participant_kind=ParticipantKind.PERSON),
    ]


async def test_to_look_at_a_floor_opens_no_session(redis_client: Redis) -> None:
    script = FloorScript(redis_client, "lobby", OURS)
    await script.run(fc.Tick(), "p1")
    assert await events_of(redis_client) == []
    assert (await script.read()).settings == OURS

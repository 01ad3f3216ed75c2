"""Agents under the floor's timers, and people whom the chair has muted: real Redis, a room in memory."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from host_agent.ports import Prompt
from streams import events as ev
from streams.vocabulary import ParticipantKind
from swarm.floor_state import FloorSettings
from swarm.participant import CHAIR, Participant
from swarm.roster import SILENT_AFTER_MS, Roster
from tests.host_agent.stagecraft import ScriptModel
from tests.swarm.test_session import HZ, LONG, ScriptedRecogniser, agent, in_room, speech

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.events import Event
    from tests.swarm.test_session import Room

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]
DIRECTOR = Participant("director", ParticipantKind.PERSON, CHAIR)
SHORT_LEASE = FloorSettings(lease_ms=900, silent_ms=1_500)


async def came(room: Room, kind: type[Event], **fields: Any) -> None:
    """Return when such an event has come."""
    for event in room.events(kind):
        if all(getattr(event, name) == value for name, value in fields.items()):
            return
    await room.until(kind, **fields)


async def test_an_agent_that_speaks_keeps_the_floor_and_one_that_only_thinks_loses_it(
    real_redis: Redis,
) -> None:
    thinker = ScriptModel("Too late.")
    thinker.gate.clear()
    speaker = ScriptModel(LONG[:90])
    async with in_room(real_redis, agent("thinker", thinker), agent("speaker", speaker)) as room:
        await room.session.stick.configure(DIRECTOR, SHORT_LEASE)
        await room.session.agents["thinker"].ask(Prompt("Think."))
        await thinker.asked()
        await room.session.agents["speaker"].ask(Prompt("Speak."))
        revoked = await room.until(ev.FloorRevoked, participant="thinker")
        assert (revoked.reason, revoked.by) == ("silent", "")
        assert 1_500 <= revoked.held_ms < 3_000
        released = await room.until(ev.FloorReleased, participant="speaker")
        assert released.held_ms > 2 * SHORT_LEASE.silent_ms
        thinker.gate.set()


async def test_a_turn_that_lasts_too_long_is_cut_and_recorded_as_heard(real_redis: Redis) -> None:
    async with in_room(real_redis, agent("host", ScriptModel(LONG))) as room:
        await room.session.stick.configure(DIRECTOR, FloorSettings(lease_ms=900, max_turn_ms=1_500))
        await room.session.agents["host"].ask(Prompt("Explain."))
        cut = await room.until(ev.Interruption)
        assert (cut.interrupted, cut.reason) == ("host", "max_turn")
        assert 1_000 < cut.heard_ms < 2_500
        assert LONG.startswith(cut.heard_text)


async def test_an_agent_acknowledges_another_without_the_floor(real_redis: Redis) -> None:
    tone = (8_000 * np.sin(np.arange(4 * HZ) * 0.1)).astype(np.int16).tobytes()
    quarter = tone[: HZ // 2]
    host, expert = agent("host", ScriptModel(LONG[:90])), agent("expert", ScriptModel("Fine."))
    async with in_room(real_redis, host, expert) as room:
        listener = room.session.agents["expert"]
        assert not await listener.acknowledge(quarter, sample_rate_hz=HZ), "off by default"
        settings = FloorSettings(lease_ms=900, backchannel_ms=700)
        await room.session.stick.configure(DIRECTOR, settings)
        assert not await listener.acknowledge(quarter, sample_rate_hz=HZ), "nothing to acknowledge"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.session.agents["host"].ask(Prompt("Explain.")))
            await room.until(ev.FloorTaken, participant="host")
        assert await listener.acknowledge(quarter, sample_rate_hz=HZ)
        begun_s = time.monotonic()
        async with asyncio.timeout(6):
            while not await listener.acknowledge(tone, sample_rate_hz=HZ):  # noqa: ASYNC110 - one at a time
                await asyncio.sleep(0.05)
        assert time.monotonic() - begun_s < 3.5, "cut off where its right ends"
        await came(room, ev.FloorReleased, participant="host")
        assert [event.participant for event in room.events(ev.FloorLent)] == ["expert", "expert"]
        assert [event.participant for event in room.events(ev.FloorGranted)] == ["host"]
        assert room.events(ev.Interruption) == []


async def test_a_muted_person_is_not_listened_to(real_redis: Redis) -> None:
    model = ScriptModel(LONG[:90], "Yes?")
    recogniser = ScriptedRecogniser("stop it")
    async with in_room(real_redis, agent("host", model), recogniser=recogniser) as room:
        assert await room.session.stick.mute(DIRECTOR, "ada")
        await came(room, ev.ParticipantMuted)
        await room.session.agents["host"].ask(Prompt("Explain."))
        await room.until(ev.FloorTaken, participant="host")
        await room.microphone.say(speech())
        await came(room, ev.FloorReleased, participant="host")
        for kind in (ev.SpeechStarted, ev.Transcript, ev.Interruption, ev.FalseInterruption):
            assert room.events(kind) == []
        assert await room.session.stick.mute(DIRECTOR, "ada", muted=False)
        await came(room, ev.ParticipantMuted, muted=False)
        await room.microphone.say(speech())
        await came(room, ev.SpeechStarted, participant="ada")


async def test_who_comes_later_knows_who_is_muted(real_redis: Redis) -> None:
    async with in_room(real_redis, agent("host", ScriptModel("Fine."))) as room:
        await room.session.stick.mute(DIRECTOR, "paul")
        async with in_room(real_redis, agent("expert", ScriptModel("Fine."))) as later:
            assert not later.session.roster.is_person("paul")
            assert later.session.roster.is_person("quinn")


async def test_whoever_s_heartbeat_finds_the_dead_takes_them_off_the_floor(
    real_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm.session.HEARTBEAT_S", 0.1)
    monkeypatch.setattr("swarm.roster.SILENT_AFTER_MS", 400)
    assert SILENT_AFTER_MS > 400
    async with in_room(real_redis, agent("host", ScriptModel(LONG))) as room:
        await Roster(real_redis, "r").join("ghost", ParticipantKind.AGENT)
        await room.session.agents["host"].ask(Prompt("Explain."))
        await room.until(ev.FloorGranted, participant="host")
        await room.session.stick.request(Participant("ghost"), request_id="ghost-asks")
        withdrawn = await room.until(ev.FloorWithdrawn, participant="ghost")
        assert withdrawn.reason == "gone"
        assert [event.participant for event in room.events(ev.ParticipantLeft)] == ["ghost"]

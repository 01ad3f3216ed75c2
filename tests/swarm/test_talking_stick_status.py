"""What a floor shows of itself, and the end of an idle room's session."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from streams import events as ev
from streams.conversation_stream import ConversationStream
from swarm.floor_state import FloorSettings
from swarm.floor_status import FloorState, RequestStatus
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

ROOM = "salon"
QUICK = FloorSettings(lease_ms=900, take_up_ms=600, guard_ms=0, backchannel_ms=400)
ADA, BOB = (Participant(name, role="expert") for name in ("ada", "bob"))
HOST = Participant("hana", role="host")


@pytest.fixture
async def stick(real_redis: Redis) -> AsyncIterator[TalkingStick]:
    async with TalkingStick(real_redis, ROOM, settings=QUICK, margin_ms=50) as made:
        yield made


async def change(stick: TalkingStick, **settings: int) -> None:
    assert await stick.configure(HOST, FloorSettings(**{**QUICK.as_dict(), **settings}))


async def test_status_shows_every_request_that_is_not_over(stick: TalkingStick) -> None:
    async with stick.hold(ADA) as grant:
        await stick.request(BOB, request_id="bob-asks")
        stick._pending["cleo-asks"] = "cleo"
        status = await stick.status()
        assert status.requests == (
            RequestStatus("ada", grant.request_id, "granted"),
            RequestStatus("bob", "bob-asks", "queued", 1),
            RequestStatus("cleo", "cleo-asks", "pending"),
        )
        assert status.state is FloorState.HELD


async def test_a_request_is_pending_until_it_is_answered(
    stick: TalkingStick, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, seen = stick._link.send, list[dict[str, str]]()

    async def slow(*given: Any, **more: Any) -> Any:
        seen.append(dict(stick._pending))
        return await send(*given, **more)

    monkeypatch.setattr(stick._link, "send", slow)
    await stick.request(ADA, request_id="ada-asks", on_behalf_of=BOB)
    assert seen == [{"ada-asks": "bob"}]
    assert stick._pending == {}


async def test_an_idle_room_ends_its_session(stick: TalkingStick, real_redis: Redis) -> None:
    await change(stick, room_idle_ms=100)
    async with stick.hold(ADA):
        await asyncio.sleep(0.12)
        await stick.tick()
    await asyncio.sleep(0.11)
    await stick.tick()
    await stick.tick()
    async with stick.hold(ADA):
        pass
    stream = ConversationStream(real_redis, ROOM)
    entries = await stream.read()
    assert [each.type for each in entries[-6:]] == [
        *("FLOOR_RELEASED", "ROOM_CLOSED", "ROOM_OPENED"),
        *("FLOOR_REQUESTED", "FLOOR_GRANTED", "FLOOR_RELEASED"),
    ]
    closed = entries[-5]
    assert isinstance(closed.event, ev.RoomClosed)
    assert closed.event.reason == "idle"
    assert closed.session != entries[-1].session
    assert [each.seq for each in entries[-4:]] == [1, 2, 3, 4]

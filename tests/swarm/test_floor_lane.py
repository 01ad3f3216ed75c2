"""Acknowledgements without the floor, on the specification and on what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams import events as ev
from swarm import floor_commands as fc
from swarm.floor_state import FloorSettings
from tests.swarm.floor_commands_made import SMALL

if TYPE_CHECKING:
    from tests.swarm.floor_room import Room


@pytest.fixture
def room(floor_room: Room) -> Room:
    return floor_room


def mute(who: str, *, muted: bool = True) -> fc.Mute:
    return fc.Mute(by="chair", participant=who, muted=muted)


async def configured(room: Room, **changed: int) -> None:
    settings = FloorSettings(**{**SMALL.as_dict(), **changed})
    assert isinstance(await room.do(fc.Configure(by="chair", settings=settings.as_dict())), fc.Changed)


async def test_an_acknowledgement_needs_no_floor_and_is_one_at_a_time(room: Room) -> None:
    ask = fc.Backchannel(participant="bob")
    await room.hold("ada")
    assert await room.refused(ask) == fc.Denied("bob", "", "off")
    await configured(room, backchannel_ms=500)
    assert await room.do(ask) == fc.Lent("bob", 500)
    assert room.events == [ev.FloorLent(participant="bob", limit_ms=500)]
    assert room.holder == "ada"
    assert await room.refused(ask) == fc.Denied("bob", "", "busy")
    room.pass_ms(499)
    assert await room.refused(fc.Backchannel(participant="cleo")) == fc.Denied("cleo", "", "busy")
    room.pass_ms(1)
    assert await room.do(fc.Backchannel(participant="cleo")) == fc.Lent("cleo", 500)
    assert await room.refused(fc.Backchannel(participant="ada")) == fc.Denied("ada", "", "holds")


@pytest.mark.parametrize("end", ["mute", "gone", "setting", "clock"])
async def test_an_acknowledgement_ends_with_its_owner_s_rights(room: Room, end: str) -> None:
    await configured(room, backchannel_ms=1_000)
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    await room.do(fc.Backchannel(participant="bob"))
    if end == "mute":
        await room.do(mute("bob"))
    elif end == "gone":
        assert await room.do(fc.Gone(participant="bob")) == fc.Changed("gone", "bob")
    elif end == "setting":
        await configured(room, backchannel_ms=0)
        await room.do(fc.Tick())
    else:
        room.now_us -= 60_000_000
        await room.do(fc.Tick())
        room.pass_ms(1_000)
        await room.do(fc.Tick())
    assert room.floor.backchannel_by == ""


@pytest.mark.parametrize("why", ["muted", "closed", "idle"])
async def test_who_gets_no_acknowledgement(room: Room, why: str) -> None:
    await configured(room, backchannel_ms=1_000)
    if why != "idle":
        await room.hold("ada")
        await room.do(mute("bob") if why == "muted" else fc.Close(by="chair"))
    assert await room.refused(fc.Backchannel(participant="bob")) == fc.Denied("bob", "", why)

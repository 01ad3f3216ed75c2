"""Turns, silences and idle rooms that last too long, on the specification and on what runs."""

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


async def set_up(room: Room, **changed: int) -> None:
    settings = FloorSettings(**{**SMALL.as_dict(), **changed})
    assert isinstance(await room.do(fc.Configure(by="chair", settings=settings.as_dict())), fc.Changed)
    assert room.events == [ev.SettingsChanged(by="chair", settings=changed)]


async def talk(room: Room, who: str, token: int, ms: int, *, sounding: bool = True) -> fc.Outcome:
    """Renew in time for `ms`."""
    outcome: fc.Outcome = fc.Unchanged("not asked")
    for _ in range(ms // 500):
        room.pass_ms(500)
        outcome = await room.do(fc.Renew(participant=who, token=token, sounding=sounding))
    return outcome


def test_the_defaults_are_those_that_are_promised() -> None:
    settings = FloorSettings()
    assert (settings.max_turn_ms, settings.silent_ms) == (60_000, 15_000)
    assert (settings.room_idle_ms, settings.backchannel_ms) == (0, 0)
    for name in ("max_turn_ms", "silent_ms", "room_idle_ms", "backchannel_ms"):
        with pytest.raises(ValueError, match=name):
            FloorSettings(**{name: -1})


async def test_a_turn_that_lasts_too_long_is_ended_from_its_first_audio_on(room: Room) -> None:
    await set_up(room, max_turn_ms=3_000)
    token = await room.hold("ada")
    await talk(room, "ada", token, 2_000)
    await room.do(fc.Take(participant="ada", token=token))
    await room.ask("bob")
    assert isinstance(await talk(room, "ada", token, 2_500), fc.Granted)
    assert await talk(room, "ada", token, 500) == fc.Stale(room.floor.token)
    revoked, granted = room.events
    assert revoked == ev.FloorRevoked(participant="ada", by="", held_ms=5_000, reason="max_turn")
    assert isinstance(granted, ev.FloorGranted)
    assert (granted.participant, granted.guard_ms) == ("bob", 200)


async def test_the_end_of_a_turn_is_a_known_deadline(room: Room) -> None:
    await set_up(room, max_turn_ms=1_000)
    token = await room.hold("ada")
    await room.do(fc.Take(participant="ada", token=token))
    taken_ms = room.floor.hold.taken_ms if room.floor.hold else 0
    room.now_us = (taken_ms + 1_000) * 1_000 - 11
    await room.do(fc.Tick())
    assert room.holder == "ada"
    await room.do(fc.Tick())
    assert room.types == ["FLOOR_REVOKED"]


async def test_with_a_grace_a_long_turn_is_told_to_finish_first(room: Room) -> None:
    await set_up(room, max_turn_ms=1_000, grace_ms=400)
    token = await room.hold("ada")
    await room.do(fc.Take(participant="ada", token=token))
    room.pass_ms(1_000)
    await room.do(fc.Tick())
    assert room.events == [ev.FloorRevoking(participant="ada", by="", grace_ms=400, reason="max_turn")]
    assert room.floor.hold is not None
    assert room.floor.hold.revoking
    assert isinstance(await room.ask("bob", priority=4, observed_token=token), fc.Queued)
    room.pass_ms(300)
    renewed = await room.do(fc.Renew(participant="ada", token=token, sounding=True))
    assert isinstance(renewed, fc.Granted)
    assert renewed.remaining_ms == 100
    room.pass_ms(100)
    await room.do(fc.Tick())
    assert room.types == ["FLOOR_REVOKED", "FLOOR_GRANTED"]
    back = await room.ask("ada", "again", resume_token=token)
    assert back == fc.Queued("ada", "again", 1)
    assert room.floor.queue["ada"].front == 0, "it was not pre-empted: it has had its turn"


async def test_a_grace_longer_than_the_lease_lasts_as_long_as_it_is_renewed(room: Room) -> None:
    await set_up(room, grace_ms=5_000)
    token = await room.hold("ada")
    await room.ask("bob", priority=4, observed_token=token)
    assert isinstance(await talk(room, "ada", token, 4_500), fc.Granted)
    room.pass_ms(500)
    await room.do(fc.Tick())
    assert room.types == ["FLOOR_REVOKED", "FLOOR_GRANTED"]
    token = room.floor.token
    await room.do(fc.Renew(participant="bob", token=token))
    await room.ask("cleo", priority=4)
    await room.do(fc.Release(participant="bob", token=token))
    token = room.floor.token
    await room.do(fc.Renew(participant="cleo", token=token))
    assert room.holder == "cleo"


async def test_who_dies_within_a_grace_longer_than_its_lease_has_expired(room: Room) -> None:
    await set_up(room, grace_ms=5_000)
    token = await room.hold("ada")
    await room.ask("bob", priority=4, observed_token=token)
    room.pass_ms(2_000)
    await room.do(fc.Tick())
    assert room.types == ["FLOOR_EXPIRED", "FLOOR_GRANTED"]


async def test_a_silent_holder_loses_the_floor_and_one_that_sounds_does_not(room: Room) -> None:
    await set_up(room, silent_ms=3_000)
    token = await room.hold("ada")
    await talk(room, "ada", token, 6_000)
    assert room.holder == "ada"
    await talk(room, "ada", token, 2_500, sounding=False)
    assert room.holder == "ada"
    await talk(room, "ada", token, 500, sounding=False)
    assert room.events == [ev.FloorRevoked(participant="ada", by="", held_ms=9_000, reason="silent")]


async def test_first_audio_counts_as_sound(room: Room) -> None:
    await set_up(room, silent_ms=3_000)
    token = await room.hold("ada")
    await talk(room, "ada", token, 2_500, sounding=False)
    await room.do(fc.Take(participant="ada", token=token))
    await talk(room, "ada", token, 2_500, sounding=False)
    assert room.holder == "ada"


async def test_silence_counts_from_the_taking_up_and_never_less_than_a_lease(room: Room) -> None:
    await set_up(room, silent_ms=1)
    await room.ask("scribe", "turn:1", on_behalf_of="ada")
    room.pass_ms(900)
    await room.do(fc.Renew(participant="ada", token=room.floor.token))
    room.pass_ms(1_990)
    assert isinstance(await room.do(fc.Renew(participant="ada", token=room.floor.token)), fc.Granted)
    room.pass_ms(10)
    await room.do(fc.Tick())
    assert [getattr(event, "reason", "") for event in room.events] == ["silent"]


@pytest.mark.parametrize("timer", ["max_turn_ms", "silent_ms"])
async def test_timers_change_while_a_turn_lasts(room: Room, timer: str) -> None:
    token = await room.hold("ada")
    await room.do(fc.Take(participant="ada", token=token))
    await talk(room, "ada", token, 4_000, sounding=False)
    assert room.holder == "ada"
    await set_up(room, **{timer: 3_000})
    await room.do(fc.Tick())
    assert room.types == ["FLOOR_REVOKED"]


async def test_a_clock_that_is_set_back_does_not_lengthen_a_turn_or_a_silence(room: Room) -> None:
    await set_up(room, max_turn_ms=1_500, silent_ms=2_000)
    token = await room.hold("ada")
    await room.do(fc.Take(participant="ada", token=token))
    room.now_us -= 60_000_000
    await room.do(fc.Renew(participant="ada", token=token))
    room.pass_ms(1_500)
    await room.do(fc.Tick())
    assert room.types == ["FLOOR_REVOKED"]


async def test_an_idle_room_ends_its_session_and_the_next_event_begins_another(room: Room) -> None:
    await set_up(room, room_idle_ms=5_000)
    token = await room.hold("ada")
    await room.do(fc.Release(participant="ada", token=token))
    room.pass_ms(4_999)
    await room.do(fc.Tick())
    assert room.events == []
    room.pass_ms(1)
    await room.do(fc.Tick())
    assert room.events == [ev.RoomClosed(reason="idle")]
    assert not room.floor.session
    room.pass_ms(60_000)
    await room.do(fc.Tick())
    assert room.events == [], "closed once"
    assert await room.hold("bob") > token
    assert room.floor.session


@pytest.mark.parametrize("busy", ["holder", "person", "backchannel"])
async def test_a_room_with_somebody_in_it_is_not_idle(room: Room, busy: str) -> None:
    await set_up(room, room_idle_ms=1_000, backchannel_ms=3_000, person_stale_ms=60_000, lease_ms=9_000)
    if busy == "person":
        await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    else:
        token = await room.hold("ada")
        if busy == "backchannel":
            assert isinstance(await room.do(fc.Backchannel(participant="bob")), fc.Lent)
            await room.do(fc.Release(participant="ada", token=token))
    room.pass_ms(1_500)
    await room.do(fc.Tick())
    assert room.events == []


async def test_a_room_where_somebody_waits_at_a_closed_floor_is_not_idle(room: Room) -> None:
    await set_up(room, room_idle_ms=1_000)
    await room.hold("ada")
    await room.ask("bob")
    await room.do(fc.Close(by="chair"))
    await room.do(fc.Revoke(by="chair"))
    room.pass_ms(1_500)
    await room.do(fc.Tick())
    assert room.events == []
    await room.do(fc.Open(by="chair"))
    assert room.holder == "bob"


async def test_an_idle_room_is_told_off_by_who_comes_late(room: Room) -> None:
    await set_up(room, room_idle_ms=1_000)
    room.pass_ms(1_000)
    await room.do(fc.Request(participant="ada", request_id="late"))
    assert room.types == ["ROOM_CLOSED", "FLOOR_REQUESTED", "FLOOR_GRANTED"]

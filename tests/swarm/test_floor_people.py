"""People, the chair and the clock, on the specification and on what runs."""

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


async def test_the_chair_revokes_whoever_holds_or_only_the_one_it_means(room: Room) -> None:
    assert await room.refused(fc.Revoke(by="chair")) == fc.Unchanged("idle")
    token = await room.hold("ada")
    assert await room.refused(fc.Revoke(by="chair", token=token - 1)) == fc.Unchanged("token")
    assert await room.do(fc.Revoke(by="chair", token=token, reason="enough")) == fc.Changed(
        "revoked", "ada", token
    )
    await room.hold("bob")
    assert isinstance(await room.do(fc.Revoke(by="chair")), fc.Changed)


async def test_a_closed_floor_serves_nobody_and_keeps_the_queue(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob")
    assert await room.refused(fc.Open(by="chair")) == fc.Unchanged("open")
    await room.do(fc.Close(by="chair", reason="break"))
    assert room.events == [ev.FloorClosed(by="chair", reason="break")]
    assert await room.refused(fc.Close(by="chair")) == fc.Unchanged("closed")
    assert await room.ask("cleo") == fc.Denied("cleo", "cleo-asks", "closed")
    assert isinstance(await room.do(fc.Renew(participant="ada", token=token)), fc.Granted)
    await room.do(fc.Release(participant="ada", token=token, to="dora"))
    assert room.events == [ev.FloorReleased(participant="ada", held_ms=0)]
    assert room.holder is None
    await room.do(fc.Open(by="chair"))
    assert room.types == ["FLOOR_OPENED", "FLOOR_GRANTED"]
    assert room.holder == "bob"


async def test_a_person_takes_an_idle_floor_and_agents_wait(room: Room) -> None:
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    assert room.types == ["FLOOR_TAKEN"]
    assert isinstance(await room.ask("ada"), fc.Queued)
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    assert room.events == []
    room.pass_ms(1_000)
    await room.do(fc.PersonSilent(person="paul", observer="p1"))
    assert room.types == ["FLOOR_RELEASED", "FLOOR_GRANTED"]
    assert room.holder == "ada"
    assert await room.refused(fc.PersonSilent(person="paul", observer="p1")) == fc.Unchanged("not_speaking")


async def test_a_person_who_speaks_over_an_agent_takes_nothing_until_told_so(room: Room) -> None:
    token = await room.hold("ada")
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    assert room.events == []
    assert room.holder == "ada"
    assert isinstance(await room.do(fc.Renew(participant="ada", token=token)), fc.Granted)
    await room.do(fc.PersonSilent(person="paul", observer="p1"))
    assert room.events == []


async def test_an_interruption_moves_the_floor_to_the_person_once(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob")
    for observer in ("p1", "p2"):
        await room.do(fc.PersonSpeaking(person="paul", observer=observer))
    command = fc.Preempt(person="paul", observer="p1", observed_token=token, reason="stop")
    assert await room.do(command) == fc.Changed("revoked", "ada", token)
    assert room.types == ["FLOOR_REVOKED", "FLOOR_TAKEN"]
    late = fc.Preempt(person="paul", observer="p2", observed_token=token, reason="stop")
    assert await room.refused(late) == fc.Unchanged("idle")
    for observer in ("p1", "p2"):
        await room.do(fc.PersonSilent(person="paul", observer=observer))
    assert room.holder == "bob"
    assert await room.refused(late) == fc.Unchanged("token")


async def test_an_agent_is_granted_only_when_the_last_person_is_silent(room: Room) -> None:
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    await room.do(fc.PersonSpeaking(person="paul", observer="p2"))
    await room.do(fc.PersonSpeaking(person="quinn", observer="p1"))
    await room.ask("ada")
    for person, observer in (("paul", "p1"), ("quinn", "p1")):
        await room.do(fc.PersonSilent(person=person, observer=observer))
        assert room.holder is None
    await room.do(fc.PersonSilent(person="paul", observer="p2"))
    assert room.holder == "ada"


async def test_when_the_holder_leaves_while_a_person_speaks_the_person_has_it(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob")
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    await room.do(fc.Release(participant="ada", token=token, to="cleo"))
    assert room.types == ["FLOOR_RELEASED", "FLOOR_REQUESTED", "FLOOR_QUEUED", "FLOOR_TAKEN"]
    await room.do(fc.PersonSilent(person="paul", observer="p1"))
    assert room.holder == "cleo"


async def test_an_observer_that_died_does_not_hold_the_floor_for_long(room: Room) -> None:
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    await room.ask("ada")
    room.pass_ms(3_001)
    await room.do(fc.Tick())
    assert room.types == ["FLOOR_RELEASED", "FLOOR_GRANTED"]
    assert isinstance(room.events[0], ev.FloorReleased)
    assert room.events[0].reason == "lapsed"


async def test_noise_without_words_ends_as_stale_and_words_bring_it_back(room: Room) -> None:
    ended: list[str] = []
    for _ in range(5):
        await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
        ended += [event.reason for event in room.events if isinstance(event, ev.FloorReleased)]
        room.pass_ms(1_000)
    assert ended == ["stale"]
    token = await room.hold("ada")
    await room.do(fc.Release(participant="ada", token=token))
    await room.do(fc.PersonSpeaking(person="paul", observer="p1", words=True))
    assert room.types == ["FLOOR_TAKEN"]


async def test_there_is_an_end_to_how_many_people_can_crowd_the_floor(room: Room) -> None:
    for n in range(64):
        await room.do(fc.PersonSpeaking(person=f"person-{n}", observer="p1"))
    command = fc.PersonSpeaking(person="one-more", observer="p1")
    assert await room.refused(command) == fc.Unchanged("too_many")


async def test_tokens_rise_even_if_the_clock_is_set_back(room: Room) -> None:
    tokens = []
    for n in range(4):
        token = await room.hold("ada", name=f"a{n}")
        await room.do(fc.Release(participant="ada", token=token))
        tokens.append(token)
        room.pass_ms(-10_000)
    assert tokens == sorted(set(tokens))


async def test_a_clock_set_back_does_not_keep_a_dead_holder_alive(room: Room) -> None:
    await room.hold("ada")
    await room.ask("bob")
    room.pass_ms(-3_600_000)
    await room.do(fc.Tick())
    room.pass_ms(2_001)
    await room.do(fc.Tick())
    assert room.holder == "bob"


async def test_old_tokens_are_forgotten_in_time_but_not_before(room: Room) -> None:
    tokens = []
    for n in range(40):
        token = await room.hold("ada", name=f"a{n}")
        await room.do(fc.Release(participant="ada", token=token))
        tokens.append(token)
    assert set(tokens[-16:]) <= set(room.floor.tokens)
    assert len(room.floor.tokens) <= 32


async def test_nobody_preempts_while_a_person_speaks(room: Room) -> None:
    token = await room.hold("ada")
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    assert isinstance(await room.ask("bob", priority=4, observed_token=token), fc.Queued)
    assert room.holder == "ada"


async def test_a_place_in_front_is_kept_by_asking_again(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob", priority=4)
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    await room.do(fc.Release(participant="ada", token=token, to="cleo"))
    assert await room.ask("cleo", "again", priority=0) == fc.Queued("cleo", "again", 1)
    await room.do(fc.PersonSilent(person="paul", observer="p1"))
    assert room.holder == "cleo"


async def test_new_settings_put_the_queue_in_a_new_order(room: Room) -> None:
    await room.hold("ada")
    await room.ask("bob", priority=0)
    room.pass_ms(1_600)
    assert await room.ask("cleo", priority=1) == fc.Queued("cleo", "cleo-asks", 2)
    settings = FloorSettings(**{**SMALL.as_dict(), "age_step_ms": 60_000})
    await room.do(fc.Configure(by="chair", settings=settings.as_dict()))
    assert await room.do(fc.Confirm(participant="cleo", request_id="cleo-asks")) == fc.Queued(
        "cleo", "cleo-asks", 1
    )

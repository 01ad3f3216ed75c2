"""Cutting in, withdrawing and asking for others, on the specification and on what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams import events as ev
from swarm import floor_commands as fc

if TYPE_CHECKING:
    from tests.swarm.floor_room import Room


@pytest.fixture
def room(floor_room: Room) -> Room:
    return floor_room


async def test_urgent_preempts_the_holder_it_saw(room: Room) -> None:
    token = await room.hold("ada", priority=3)
    await room.ask("bob", priority=3)
    outcome = await room.ask("cleo", priority=4, observed_token=token, reason="wrong figure")
    assert isinstance(outcome, fc.Granted)
    assert outcome.guard_ms == 200
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_REVOKED", "FLOOR_GRANTED"]
    assert room.events[1] == ev.FloorRevoked(participant="ada", by="cleo", held_ms=0, reason="wrong figure")
    assert list(room.floor.queue) == ["bob"]


@pytest.mark.parametrize("why", ["token", "priority", "same priority", "own", "no token", "person"])
async def test_what_may_not_preempt_waits(room: Room, why: str) -> None:
    token = await room.hold("ada", priority=4 if why == "same priority" else 2)
    if why == "person":
        await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    outcome = await room.ask(
        "ada" if why == "own" else "bob",
        "urgent",
        priority=3 if why == "priority" else 4,
        observed_token={"token": token - 1, "no token": 0}.get(why, token),
    )
    assert isinstance(outcome, fc.Queued)
    assert room.holder == "ada"


async def test_grace_lets_the_holder_finish_and_renewals_do_not_stretch_it(room: Room) -> None:
    settings = {"grace_ms": 300, "max_queue": 5}
    assert await room.do(fc.Configure(by="chair", settings=settings)) == fc.Changed("configured", "chair")
    assert room.events == [ev.SettingsChanged(by="chair", settings={"grace_ms": 300, "max_queue": 5})]
    assert await room.refused(fc.Configure(by="chair", settings=settings)) == fc.Unchanged("settings")
    token = await room.hold("ada")
    await room.ask("bob", priority=4)
    outcome = await room.ask("cleo", priority=4, observed_token=token, reason="now")
    assert outcome == fc.Queued("cleo", "cleo-asks", 1)
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_REVOKING", "FLOOR_QUEUED"]
    assert isinstance(await room.ask("dora", priority=4, observed_token=token), fc.Queued)
    room.pass_ms(100)
    renewed = await room.do(fc.Renew(participant="ada", token=token))
    assert isinstance(renewed, fc.Granted)
    assert renewed.remaining_ms == 200
    room.pass_ms(200)
    await room.do(fc.Tick())
    assert room.types == ["FLOOR_REVOKED", "FLOOR_GRANTED"]
    assert room.holder == "cleo"


async def test_a_holder_that_finishes_within_the_grace_has_released(room: Room) -> None:
    await room.do(fc.Configure(by="c", settings={"grace_ms": 300}))
    token = await room.hold("ada")
    await room.ask("cleo", priority=4, observed_token=token)
    await room.do(fc.Release(participant="ada", token=token))
    assert room.types == ["FLOOR_RELEASED", "FLOOR_GRANTED"]
    assert room.holder == "cleo"


async def test_a_request_is_withdrawn_whatever_has_become_of_it(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob")
    assert await room.refused(fc.Withdraw(participant="cleo", request_id="bob-asks")) == fc.Invalid(
        "request_id"
    )
    await room.do(fc.Withdraw(participant="bob", request_id="bob-asks", reason="never mind"))
    assert room.events == [
        ev.FloorWithdrawn(participant="bob", request_id="bob-asks", reason="never mind", position=1)
    ]
    assert await room.refused(fc.Withdraw(participant="bob", request_id="bob-asks")) == fc.Unchanged(
        "withdrawn"
    )
    outcome = await room.do(fc.Withdraw(participant="ada", request_id="ada-asks"))
    assert outcome == fc.Changed("released", "ada", token)
    assert room.types == ["FLOOR_RELEASED"]
    assert room.holder is None


async def test_a_request_that_arrives_after_its_withdrawal_gets_nothing(room: Room) -> None:
    await room.do(fc.Withdraw(participant="ada", request_id="late"))
    outcome = await room.refused(fc.Request(participant="ada", request_id="late"))
    assert outcome == fc.Ended("ada", "late", "withdrawn", 0, "")
    assert room.holder is None


async def test_whoever_asked_for_another_may_withdraw_it(room: Room) -> None:
    await room.hold("ada")
    await room.ask("scribe", "turn:1", on_behalf_of="bob")
    assert isinstance(await room.do(fc.Withdraw(participant="scribe", request_id="turn:1")), fc.Changed)
    assert not room.floor.queue


async def test_a_grant_on_behalf_of_another_is_its_own_to_take_up(room: Room) -> None:
    outcome = await room.ask("scribe", "turn:1", on_behalf_of="bob", reason="addressed")
    assert isinstance(outcome, fc.Granted)
    assert (outcome.participant, outcome.confirmed, outcome.remaining_ms) == ("bob", False, 1000)
    assert room.events[0] == ev.FloorRequested(
        participant="scribe", priority=2, request_id="turn:1", on_behalf_of="bob", reason="addressed"
    )
    retried = await room.refused(fc.Request(participant="other", request_id="turn:1", on_behalf_of="cleo"))
    assert isinstance(retried, fc.Granted)
    assert retried.participant == "bob"
    assert await room.refused(fc.Confirm(participant="cleo", request_id="turn:1")) == fc.Invalid("request_id")
    taken = await room.do(fc.Renew(participant="bob", token=outcome.token))
    assert isinstance(taken, fc.Granted)
    assert taken.confirmed


async def test_confirming_what_nobody_asked_for_is_told(room: Room) -> None:
    assert await room.refused(fc.Confirm(participant="ada", request_id="never")) == fc.Unchanged("unknown")

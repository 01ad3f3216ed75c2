"""What becomes of requests and grants, on the specification and on what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams import events as ev
from swarm import floor_commands as fc
from tests.swarm.floor_commands_made import SMALL

if TYPE_CHECKING:
    from tests.swarm.floor_room import Room


@pytest.fixture
def room(floor_room: Room) -> Room:
    return floor_room


async def test_an_idle_floor_is_granted_at_once(room: Room) -> None:
    outcome = await room.ask("ada")
    assert outcome == fc.Granted("ada", "ada-asks", room.now_us, 2000, 0, 2000, confirmed=True)
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_GRANTED"]


async def test_a_held_floor_queues_and_says_the_position(room: Room) -> None:
    token = await room.hold("ada")
    assert await room.ask("bob") == fc.Queued("bob", "bob-asks", 1)
    assert await room.ask("cleo") == fc.Queued("cleo", "cleo-asks", 2)
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_QUEUED"]
    await room.do(fc.Release(participant="ada", token=token))
    assert room.types == ["FLOOR_RELEASED", "FLOOR_GRANTED"]
    assert room.holder == "bob"
    assert room.floor.token > token


async def test_a_retried_request_gets_the_current_state_and_no_second_grant(room: Room) -> None:
    first = await room.ask("ada")
    room.pass_ms(500)
    again = await room.refused(fc.Request(participant="ada", request_id="ada-asks"))
    assert isinstance(first, fc.Granted)
    assert isinstance(again, fc.Granted)
    assert again.token == first.token
    assert again.remaining_ms == 1500
    await room.ask("bob")
    assert await room.refused(fc.Request(participant="bob", request_id="bob-asks")) == fc.Queued(
        "bob", "bob-asks", 1
    )
    await room.do(fc.Release(participant="ada", token=first.token))
    ended = await room.refused(fc.Request(participant="ada", request_id="ada-asks"))
    assert ended == fc.Ended("ada", "ada-asks", "released", first.token, "")


@pytest.mark.parametrize(
    ("made_ms_ago", "reason"), [(120_001, "too_old"), (-120_001, "too_new"), (119_000, ""), (-119_000, "")]
)
async def test_a_request_id_from_another_time_is_refused(room: Room, made_ms_ago: int, reason: str) -> None:
    await room.do(fc.Tick())
    name = f"{room.now_us // 1000 - made_ms_ago:013d}-x"
    if reason:
        outcome = await room.refused(fc.Request(participant="ada", request_id=name))
        assert outcome == fc.Denied("ada", name, reason)
    else:
        assert isinstance(await room.ask("ada", name), fc.Granted)


async def test_requests_are_forgotten_after_two_minutes_but_never_while_they_wait(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob", "waits")
    for _ in range(130):
        room.pass_ms(1000)
        await room.do(fc.Renew(participant="ada", token=token))
    await room.ask("cleo", "new")
    assert await room.do(fc.Confirm(participant="bob", request_id="waits")) == fc.Queued("bob", "waits", 1)
    await room.do(fc.Release(participant="ada", token=token))
    room.pass_ms(500)
    await room.do(fc.Confirm(participant="bob", request_id="waits"))
    assert room.floor.requests.keys() == {"ada-asks", "waits", "new"}
    room.pass_ms(130_000)
    await room.ask("dora", "newer")
    assert "ada-asks" not in room.floor.requests


async def test_a_change_of_one_setting_leaves_what_another_changed(room: Room) -> None:
    await room.do(fc.Configure(by="chair", settings={"max_queue": 9}))
    await room.do(fc.Configure(by="host", settings={"grace_ms": 300, "max_queue": 9}))
    assert room.events == [ev.SettingsChanged(by="host", settings={"grace_ms": 300})]
    await room.do(fc.Configure(by="chair", settings={"lease_ms": 900}))
    changed = {"max_queue": 9, "grace_ms": 300, "lease_ms": 900}
    assert room.floor.settings.as_dict() == {**SMALL.as_dict(), **changed}
    for wrong in ({}, {"lease": 900}, {"lease_ms": 1}, {"lease_ms": True}):
        with pytest.raises(ValueError, match=r"setting|whole number"):
            fc.Configure(by="chair", settings=wrong)


async def test_priority_is_worth_waiting_time_and_ties_go_by_arrival(room: Room) -> None:
    await room.do(fc.Configure(by="chair", settings={"max_queue": 9, "age_step_ms": 1_000}))
    token = await room.hold("ada")
    await room.ask("bob", priority=0)
    room.pass_ms(500)
    await room.ask("cleo", priority=1)
    await room.ask("dora", priority=1)
    assert await room.ask("emil", priority=0) == fc.Queued("emil", "emil-asks", 4)
    served = []
    for _ in range(4):
        await room.do(fc.Release(participant=room.holder or "", token=token))
        assert room.floor.hold is not None
        token = room.floor.hold.token
        served.append(room.holder)
        await room.do(fc.Renew(participant=room.holder or "", token=token))
    assert served == ["cleo", "dora", "bob", "emil"]


async def test_the_lowest_is_served_in_bounded_time_whatever_else_comes(room: Room) -> None:
    token = await room.hold("ada", priority=4)
    await room.ask("bob", priority=0)
    turns = 0
    while room.holder != "bob":
        turns += 1
        assert turns < 10
        room.pass_ms(900)
        await room.ask("cleo" if turns % 2 else "dora", f"urgent-{turns}", priority=4)
        await room.do(fc.Release(participant=room.holder or "", token=token))
        assert room.floor.hold is not None
        token = room.floor.hold.token
        await room.do(fc.Renew(participant=room.holder or "", token=token))
    assert turns * 900 <= 4 * SMALL.age_step_ms + 1_800


async def test_a_full_queue_denies_but_takes_the_one_who_is_in_it(room: Room) -> None:
    await room.hold("ada")
    await room.ask("bob")
    await room.ask("cleo")
    assert await room.ask("dora") == fc.Denied("dora", "dora-asks", "queue_full")
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_DENIED"]
    assert await room.refused(fc.Request(participant="dora", request_id="dora-asks")) == fc.Denied(
        "dora", "dora-asks", "queue_full"
    )
    assert await room.ask("bob", "bob-again") == fc.Queued("bob", "bob-again", 1)
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_WITHDRAWN", "FLOOR_QUEUED"]
    assert await room.do(fc.Confirm(participant="bob", request_id="bob-asks")) == fc.Ended(
        "bob", "bob-asks", "withdrawn", 0, "replaced"
    )


async def test_a_lease_lapses_when_due_and_the_event_says_when_that_was(room: Room) -> None:
    await room.hold("ada")
    await room.ask("bob")
    due_ms = room.floor.hold.deadline_ms if room.floor.hold else 0
    room.pass_ms(2_050)
    await room.do(fc.Tick())
    expired, granted = room.events
    assert expired == ev.FloorExpired(participant="ada", held_ms=2000, due_ms=due_ms, reason="lease")
    assert isinstance(granted, ev.FloorGranted)
    assert granted.guard_ms == due_ms + 200 - room.now_us // 1000


async def test_renewing_extends_and_writes_nothing(room: Room) -> None:
    token = await room.hold("ada")
    for _ in range(5):
        room.pass_ms(1_500)
        outcome = await room.do(fc.Renew(participant="ada", token=token))
        assert isinstance(outcome, fc.Granted)
        assert outcome.remaining_ms == 2000
        assert room.events == []


async def test_a_grantee_who_does_not_confirm_in_time_is_skipped(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob")
    await room.ask("cleo")
    await room.do(fc.Release(participant="ada", token=token))
    room.pass_ms(1_001)
    await room.do(fc.Tick())
    expired, granted = room.events
    assert isinstance(expired, ev.FloorExpired)
    assert (expired.participant, expired.reason) == ("bob", "take_up")
    assert isinstance(granted, ev.FloorGranted)
    assert (granted.participant, granted.guard_ms) == ("cleo", 0)
    confirmed = await room.do(fc.Confirm(participant="cleo", request_id="cleo-asks"))
    assert isinstance(confirmed, fc.Granted)
    assert (confirmed.confirmed, confirmed.remaining_ms) == (True, 2000)
    ended = await room.do(fc.Confirm(participant="bob", request_id="bob-asks"))
    assert isinstance(ended, fc.Ended)
    assert (ended.state, ended.reason) == ("expired", "take_up")
    assert token < ended.token < confirmed.token


async def test_who_is_revoked_before_it_confirmed_may_have_spoken_so_the_next_one_waits(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob")
    await room.do(fc.Release(participant="ada", token=token))
    assert await room.do(fc.Preempt(person="eve", observer="p", observed_token=room.floor.token))
    await room.ask("cleo")
    await room.do(fc.PersonSilent(person="eve", observer="p"))
    [*_, granted] = room.events
    assert isinstance(granted, ev.FloorGranted)
    assert granted.guard_ms == room.floor.settings.guard_ms


@pytest.mark.parametrize("command", ["renew", "take", "release"])
async def test_a_stale_or_foreign_token_does_nothing(room: Room, command: str) -> None:
    make = {"renew": fc.Renew, "take": fc.Take, "release": fc.Release}[command]
    assert await room.refused(make(participant="ada", token=1)) == fc.Stale(0)
    token = await room.hold("ada")
    for who, named in (("ada", token - 1), ("ada", token + 1), ("bob", token), ("ada", 0)):
        assert await room.refused(make(participant=who, token=named)) == fc.Stale(token)
    await room.do(fc.Release(participant="ada", token=token))
    assert await room.refused(make(participant="ada", token=token)) == fc.Stale(token)


async def test_first_audio_is_recorded_once(room: Room) -> None:
    token = await room.hold("ada")
    room.pass_ms(300)
    await room.do(fc.Take(participant="ada", token=token))
    assert room.events == [ev.FloorTaken(participant="ada", granted_to_audio_ms=300)]
    await room.do(fc.Take(participant="ada", token=token))
    assert room.events == []


async def test_a_hand_over_leaves_no_gap_and_jumps_the_queue(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob")
    assert await room.refused(fc.Release(participant="ada", token=token, to="ada")) == fc.Invalid("to")
    await room.do(fc.Release(participant="ada", token=token, to="cleo", reason="over to you"))
    assert room.types == ["FLOOR_RELEASED", "FLOOR_REQUESTED", "FLOOR_QUEUED", "FLOOR_GRANTED"]
    assert room.events[0] == ev.FloorReleased(participant="ada", held_ms=0, to="cleo", reason="over to you")
    assert room.holder == "cleo"
    assert room.floor.hold is not None
    await room.do(fc.Renew(participant="cleo", token=room.floor.token))
    await room.ask("dora")
    await room.do(fc.Release(participant="cleo", token=room.floor.token, to="dora"))
    assert room.types == ["FLOOR_RELEASED", "FLOOR_QUEUED", "FLOOR_GRANTED"]
    assert room.events[1] == ev.FloorQueued(
        participant="dora", priority=2, request_id="dora-asks", position=1, was=2
    )
    assert room.holder == "dora"
    assert list(room.floor.queue) == ["bob"]


async def test_nobody_can_take_the_ids_of_hand_overs(room: Room) -> None:
    assert await room.refused(fc.Request(participant="ada", request_id="yield:7")) == fc.Invalid("request_id")


async def test_a_release_with_the_tail_still_out_makes_the_next_one_wait(room: Room) -> None:
    for tail_done, guard_ms in ((True, 0), (False, 200)):
        token = await room.hold("ada", name=f"ada-{tail_done}")
        await room.do(fc.Release(participant="ada", token=token, tail_done=tail_done))
        outcome = await room.ask("bob", f"bob-{tail_done}")
        assert isinstance(outcome, fc.Granted)
        assert outcome.guard_ms == guard_ms
        await room.do(fc.Release(participant="bob", token=outcome.token))
        room.pass_ms(1_000)


async def test_guard_outlasts_a_holder_in_between(room: Room) -> None:
    await room.hold("ada")
    await room.do(fc.Revoke(by="chair"))
    token = await room.hold("bob")
    room.pass_ms(50)
    await room.do(fc.Release(participant="bob", token=token))
    outcome = await room.ask("cleo")
    assert isinstance(outcome, fc.Granted)
    assert outcome.guard_ms == 150

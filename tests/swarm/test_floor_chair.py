"""What a chair orders, what the dead leave and who comes back, on the specification and on what runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from streams import events as ev
from swarm import floor_commands as fc
from swarm.floor_state import MAX_MUTED, RESUMABLE, FloorSettings
from tests.swarm.floor_commands_made import SMALL

if TYPE_CHECKING:
    from tests.swarm.floor_room import Room


@pytest.fixture
def room(floor_room: Room) -> Room:
    return floor_room


def give(who: str, name: str = "given", **more: bool) -> fc.GrantTo:
    return fc.GrantTo(by="chair", participant=who, request_id=name, reason="your turn", **more)


def mute(who: str, *, muted: bool = True) -> fc.Mute:
    return fc.Mute(by="chair", participant=who, muted=muted)


async def configured(room: Room, **changed: int) -> None:
    settings = FloorSettings(**{**SMALL.as_dict(), **changed})
    assert isinstance(await room.do(fc.Configure(by="chair", settings=settings.as_dict())), fc.Changed)


async def test_a_waiting_request_is_denied_by_the_chair(room: Room) -> None:
    await room.hold("ada")
    await room.ask("bob")
    await room.ask("cleo")
    outcome = await room.do(fc.Deny(by="chair", participant="cleo", reason="later"))
    assert outcome == fc.Changed("denied", "cleo")
    assert room.events == [
        ev.FloorDenied(participant="cleo", request_id="cleo-asks", reason="later", by="chair", position=2)
    ]
    asked_again = await room.refused(fc.Request(participant="cleo", request_id="cleo-asks"))
    assert asked_again == fc.Denied("cleo", "cleo-asks", "later")
    assert await room.refused(fc.Deny(by="chair", participant="cleo")) == fc.Unchanged("not_waiting")
    assert await room.refused(fc.Deny(by="chair", participant="ada")) == fc.Unchanged("not_waiting")
    assert list(room.floor.queue) == ["bob"]


async def test_the_chair_s_choice_is_served_before_all_others(room: Room) -> None:
    await configured(room, max_queue=9)
    token = await room.hold("ada")
    await room.ask("bob", priority=4)
    await room.do(fc.Release(participant="ada", token=token, to="cleo"))
    await room.do(fc.Renew(participant="cleo", token=room.floor.token))
    await room.ask("dora", priority=4, observed_token=room.floor.token)
    assert room.holder == "dora"
    await room.ask("cleo", "back", resume_token=sorted(room.floor.preempted)[-1])
    assert await room.do(give("emil")) == fc.Queued("emil", "given", 1)
    assert room.events[0] == ev.FloorRequested(
        participant="chair", priority=3, request_id="given", on_behalf_of="emil", reason="your turn"
    )
    assert await room.refused(give("emil")) == fc.Queued("emil", "given", 1)
    served = []
    for _ in range(3):
        await room.do(fc.Release(participant=room.holder or "", token=room.floor.token))
        served.append(room.holder)
    assert served == ["emil", "cleo", "bob"]


async def test_now_takes_the_holder_s_place_without_a_gap(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob")
    outcome = await room.do(give("bob", now=True))
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_WITHDRAWN", "FLOOR_REVOKED", "FLOOR_GRANTED"]
    assert room.events[2] == ev.FloorRevoked(participant="ada", by="chair", held_ms=0, reason="your turn")
    assert isinstance(outcome, fc.Granted)
    assert (outcome.participant, outcome.confirmed, outcome.remaining_ms) == ("bob", False, 1_000)
    assert outcome.token > token
    assert isinstance(await room.do(fc.Renew(participant="bob", token=outcome.token)), fc.Granted)
    assert await room.refused(give("bob", "again", now=True)) == fc.Unchanged("holds")
    assert not room.floor.preempted, "the chair's word is no pre-emption to come back from"


async def test_now_waits_for_the_people_who_speak(room: Room) -> None:
    await room.hold("ada")
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    assert await room.do(give("bob", now=True)) == fc.Queued("bob", "given", 1)
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_REVOKED", "FLOOR_QUEUED", "FLOOR_TAKEN"]
    await room.do(fc.PersonSilent(person="paul", observer="p1"))
    assert room.holder == "bob"


@pytest.mark.parametrize("why", ["closed", "muted", "queue_full"])
async def test_what_the_chair_may_not_grant_is_denied(room: Room, why: str) -> None:
    await room.hold("ada")
    if why == "closed":
        await room.do(fc.Close(by="chair"))
    elif why == "muted":
        await room.do(mute("dora"))
    else:
        await room.ask("bob")
        await room.ask("cleo")
    assert await room.do(give("dora")) == fc.Denied("dora", "given", why)
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_DENIED"]
    assert room.holder == "ada"


async def test_ids_of_the_chair_s_requests_obey_the_rules_of_all(room: Room) -> None:
    assert await room.refused(give("ada", "yield:7")) == fc.Invalid("request_id")
    old = f"{room.now_us // 1000 - 121_000:013d}-x"
    assert await room.refused(give("ada", old)) == fc.Denied("ada", old, "too_old")


async def test_who_is_muted_has_nothing_of_the_floor(room: Room) -> None:
    await room.hold("ada")
    await room.ask("bob")
    assert await room.do(mute("bob")) == fc.Changed("muted", "bob")
    assert room.events == [
        ev.ParticipantMuted(participant="bob", by="chair", muted=True),
        ev.FloorWithdrawn(participant="bob", request_id="bob-asks", reason="muted", position=1),
    ]
    await room.ask("cleo")
    await room.do(mute("ada"))
    assert room.types == ["PARTICIPANT_MUTED", "FLOOR_REVOKED", "FLOOR_GRANTED"]
    assert room.events[1] == ev.FloorRevoked(participant="ada", by="chair", held_ms=0, reason="muted")
    assert room.holder == "cleo"
    assert await room.ask("ada", "please") == fc.Denied("ada", "please", "muted")
    assert await room.ask("cleo", "for-ada", on_behalf_of="ada") == fc.Denied("ada", "for-ada", "muted")
    await room.do(fc.Renew(participant="cleo", token=room.floor.token))
    await room.do(fc.Release(participant="cleo", token=room.floor.token, to="ada"))
    assert room.events == [ev.FloorReleased(participant="cleo", held_ms=0)]
    assert room.holder is None
    assert await room.refused(mute("ada")) == fc.Unchanged("muted")
    assert await room.do(mute("ada", muted=False)) == fc.Changed("unmuted", "ada")
    assert room.events == [ev.ParticipantMuted(participant="ada", by="chair", muted=False)]
    assert await room.refused(mute("ada", muted=False)) == fc.Unchanged("not_muted")
    assert isinstance(await room.ask("ada", "now"), fc.Granted)
    assert room.floor.muted == {"bob"}


async def test_a_name_within_a_muted_name_is_not_muted(room: Room) -> None:
    await room.do(mute("adam"))
    await room.do(mute("ad"))
    assert isinstance(await room.ask("ada"), fc.Granted)


async def test_a_person_who_is_muted_neither_takes_nor_preempts(room: Room) -> None:
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    await room.do(mute("paul"))
    assert room.types == ["PARTICIPANT_MUTED", "FLOOR_RELEASED"]
    speaks = fc.PersonSpeaking(person="paul", observer="p1", words=True)
    assert await room.refused(speaks) == fc.Unchanged("muted")
    token = await room.hold("ada")
    cut = fc.Preempt(person="paul", observer="p1", observed_token=token)
    assert await room.refused(cut) == fc.Unchanged("muted")
    await room.do(mute("paul", muted=False))
    assert isinstance(await room.do(cut), fc.Changed)


async def test_the_muted_are_bounded(room: Room) -> None:
    for n in range(MAX_MUTED):
        await room.do(mute(f"p{n}"))
    assert await room.refused(mute("one-more")) == fc.Unchanged("too_many")
    await room.do(mute("p7", muted=False))
    assert await room.do(mute("one-more")) == fc.Changed("muted", "one-more")
    assert len(room.floor.muted) == MAX_MUTED


@pytest.mark.parametrize("by", ["agent", "person", "agent after a grace"])
async def test_a_holder_that_was_preempted_comes_back_to_the_front_once(room: Room, by: str) -> None:
    await configured(room, max_queue=9, grace_ms=300 if "grace" in by else 0)
    token = await room.hold("ada")
    await room.ask("bob", priority=3)
    if by == "person":
        await room.do(fc.Preempt(person="paul", observer="p1", observed_token=token))
    else:
        await room.ask("cleo", priority=4, observed_token=token)
        room.pass_ms(300)
        await room.do(fc.Tick())
    assert room.floor.preempted == {token: "ada-asks"}
    assert isinstance(await room.ask("dora", "not-mine", resume_token=token), fc.Queued)
    assert room.floor.preempted
    assert await room.ask("ada", "back", priority=0, resume_token=token) == fc.Queued("ada", "back", 1)
    assert not room.floor.preempted
    await room.do(fc.Withdraw(participant="ada", request_id="back"))
    outcome = await room.ask("ada", "again", priority=0, resume_token=token)
    assert isinstance(outcome, fc.Queued)
    assert outcome.position > 1, "it counts once"


async def test_nobody_comes_back_in_the_place_of_another(room: Room) -> None:
    token = await room.hold("ada")
    await room.do(fc.Preempt(person="paul", observer="p1", observed_token=token))
    await room.ask("bob")
    assert await room.ask("cleo", resume_token=token) == fc.Queued("cleo", "cleo-asks", 2)
    assert room.floor.preempted == {token: "ada-asks"}


@pytest.mark.parametrize("end", ["released", "revoked", "expired", "denied", "forgotten"])
async def test_nobody_else_comes_back_to_the_front(room: Room, end: str) -> None:
    await configured(room, max_queue=2 if end == "denied" else 9, guard_ms=100)
    token = await room.hold("ada")
    if end == "released":
        await room.do(fc.Release(participant="ada", token=token))
    elif end == "revoked":
        await room.do(fc.Revoke(by="chair"))
    elif end == "expired":
        room.pass_ms(2_000)
    else:
        await room.do(fc.Preempt(person="paul", observer="p1", observed_token=token))
        await room.do(fc.PersonSilent(person="paul", observer="p1"))
        room.pass_ms(121_000 if end == "forgotten" else 0)
    await room.hold("bob")
    await room.ask("cleo")
    if end == "denied":
        await room.ask("dora")
        assert isinstance(await room.ask("ada", "back", resume_token=token), fc.Denied)
        assert room.floor.preempted, "a denial does not use it up"
        return
    await room.ask("ada", "back", resume_token=token)
    assert room.floor.queue["ada"].front == 0


async def test_only_the_latest_preempted_are_remembered(room: Room) -> None:
    for n in range(RESUMABLE + 2):
        token = await room.hold(f"a{n}")
        await room.do(fc.Preempt(person="paul", observer="p1", observed_token=token))
        await room.do(fc.PersonSilent(person="paul", observer="p1"))
    assert list(room.floor.preempted.values()) == [f"a{n}-asks" for n in range(2, RESUMABLE + 2)]


async def test_the_dead_leave_their_grant_their_place_and_their_speech(room: Room) -> None:
    await room.hold("ada")
    await room.ask("bob")
    await room.ask("cleo")
    assert await room.do(fc.Gone(participant="bob")) == fc.Changed("gone", "bob")
    assert room.events == [
        ev.FloorWithdrawn(participant="bob", request_id="bob-asks", reason="gone", position=1)
    ]
    room.pass_ms(1_001)
    await room.do(fc.Gone(participant="ada"))
    assert room.events[0] == ev.FloorRevoked(participant="ada", by="", held_ms=1_001, reason="gone")
    assert room.holder == "cleo"
    assert await room.refused(fc.Gone(participant="ada")) == fc.Unchanged("absent")
    await room.do(fc.Revoke(by="chair"))
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    await room.do(fc.Gone(participant="paul"))
    assert room.types == ["FLOOR_RELEASED"]


async def test_who_waits_already_is_granted_what_it_asked_itself_when_it_is_chosen(room: Room) -> None:
    await configured(room, max_queue=9)
    token = await room.hold("ada")
    for who in ("bob", "cleo", "dora"):
        await room.ask(who)
    assert await room.do(give("dora")) == fc.Queued("dora", "dora-asks", 1)
    assert room.events[1:] == [
        ev.FloorWithdrawn(participant="dora", request_id="given", reason="joined"),
        ev.FloorQueued(participant="dora", priority=3, request_id="dora-asks", position=1, was=3),
    ]
    assert await room.refused(give("dora")) == fc.Ended("dora", "given", "withdrawn", 0, "joined")
    assert await room.do(give("dora", "once-more")) == fc.Queued("dora", "dora-asks", 1)
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_WITHDRAWN"]
    await room.do(fc.Release(participant="ada", token=token))
    granted = await room.do(fc.Confirm(participant="dora", request_id="dora-asks"))
    assert isinstance(granted, fc.Granted)
    assert (granted.participant, granted.reason) == ("dora", "your turn")
    at_once = await room.do(give("cleo", "at-once", now=True))
    assert isinstance(at_once, fc.Granted)
    assert (at_once.request_id, at_once.confirmed) == ("cleo-asks", False)
    assert room.types == ["FLOOR_REQUESTED", "FLOOR_WITHDRAWN", "FLOOR_REVOKED", "FLOOR_GRANTED"]
    assert isinstance(room.events[-1], ev.FloorGranted)
    assert room.events[-1].position == 2
    assert await room.do(fc.Confirm(participant="bob", request_id="bob-asks")) == fc.Queued(
        "bob", "bob-asks", 1
    )


@pytest.mark.parametrize("limit", ["max_turn", "silent", "lease", "take_up", "grace"])
@pytest.mark.parametrize("now", [False, True])
async def test_the_chair_s_choice_follows_a_holder_whose_time_runs_out_in_the_same_moment(
    room: Room, limit: str, now: bool
) -> None:
    await configured(room, max_queue=9, max_turn_ms=1_500, silent_ms=2_000, lease_ms=2_500)
    if limit == "take_up":
        await room.ask("host", on_behalf_of="ada")
    else:
        await room.hold("ada")
        if limit in ("max_turn", "grace"):
            await room.do(fc.Take(participant="ada", token=room.floor.token))
    await room.ask("bob")
    await room.ask("cleo")
    if limit == "grace":
        await configured(room, max_queue=9, max_turn_ms=1_500, grace_ms=300, lease_ms=2_500)
        room.pass_ms(1_500)
        await room.do(fc.Tick())
        assert room.types == ["FLOOR_REVOKING"]
        room.pass_ms(300)
    else:
        if limit == "silent":
            room.pass_ms(1_000)
            await room.do(fc.Renew(participant="ada", token=room.floor.token))
        room.pass_ms({"max_turn": 1_500, "silent": 1_500, "lease": 2_500, "take_up": 1_000}[limit])
    given = await room.do(give("dora", now=now))
    assert isinstance(given, fc.Granted)
    assert (given.participant, given.request_id) == ("dora", "given")
    ended = "FLOOR_EXPIRED" if limit in ("lease", "take_up") else "FLOOR_REVOKED"
    assert room.types == [ended, "FLOOR_REQUESTED", "FLOOR_GRANTED"]
    assert await room.do(fc.Confirm(participant="bob", request_id="bob-asks")) == fc.Queued(
        "bob", "bob-asks", 1
    )


async def test_a_turn_that_is_to_end_in_the_same_moment_as_the_chair_chooses_gets_its_grace(
    room: Room,
) -> None:
    await configured(room, max_queue=9, max_turn_ms=1_500, grace_ms=300)
    token = await room.hold("ada")
    await room.do(fc.Take(participant="ada", token=token))
    await room.ask("bob")
    room.pass_ms(1_500)
    assert await room.do(give("dora")) == fc.Queued("dora", "given", 1)
    assert room.types == ["FLOOR_REVOKING", "FLOOR_REQUESTED", "FLOOR_QUEUED"]
    room.pass_ms(300)
    await room.do(fc.Tick())
    assert room.holder == "dora"


@pytest.mark.parametrize("why", ["known", "closed", "muted", "impossible"])
async def test_where_the_chair_s_choice_is_refused_the_next_follows_all_the_same(
    room: Room, why: str
) -> None:
    await configured(room, max_queue=9, max_turn_ms=1_500)
    token = await room.hold("ada")
    await room.do(fc.Take(participant="ada", token=token))
    await room.ask("bob")
    if why == "muted":
        await room.do(mute("dora"))
    elif why == "closed":
        await room.do(fc.Close(by="chair"))
    elif why == "known":
        await room.ask("dora", "given")
    room.pass_ms(1_500)
    outcome = await room.do(give("dora", "yield:7" if why == "impossible" else "given"))
    assert type(outcome) is {"known": fc.Queued, "impossible": fc.Invalid}.get(why, fc.Denied)
    assert room.holder == (None if why == "closed" else "bob")


async def test_who_is_asked_for_by_another_is_granted_what_it_asked_itself(room: Room) -> None:
    await configured(room, max_queue=9)
    token = await room.hold("ada")
    await room.ask("bob", priority=1, reason="an idea")
    await room.ask("cleo", priority=2)
    turn = await room.ask("host", "turn:1", on_behalf_of="bob", priority=3)
    assert turn == fc.Queued("bob", "bob-asks", 1)
    assert room.floor.queue["bob"].reason == "an idea"
    await room.ask("host", "turn:2", on_behalf_of="dora")
    second = await room.ask("host", "turn:3", on_behalf_of="dora")  # nobody asked for this by itself
    assert second == fc.Queued("dora", "turn:3", 3)
    urgent = await room.ask("host", "now", on_behalf_of="cleo", priority=4, observed_token=token)
    assert isinstance(urgent, fc.Granted)
    assert urgent.request_id == "cleo-asks"
    await room.do(fc.Withdraw(participant="cleo", request_id="cleo-asks"))
    assert room.holder == "bob"


async def test_a_report_that_is_wrong_costs_a_live_participant_nothing(room: Room) -> None:
    token = await room.hold("ada")
    await room.ask("bob")
    await room.heartbeat("bob")
    for _ in range(4):  # whoever the roster does not know, and renews
        room.pass_ms(900)
        assert await room.refused(fc.Gone(participant="ada")) == fc.Unchanged("alive")
        assert isinstance(await room.do(fc.Renew(participant="ada", token=token)), fc.Granted)
    assert await room.refused(fc.Gone(participant="bob")) == fc.Unchanged("alive")
    await room.do(fc.Release(participant="ada", token=token))
    room.pass_ms(900)
    assert await room.refused(fc.Gone(participant="bob")) == fc.Unchanged("alive")


async def test_who_was_not_heard_of_for_too_long_is_gone(room: Room) -> None:
    await configured(room, lease_ms=60_000)
    await room.heartbeat("ada")
    await room.heartbeat("bob")
    await room.hold("ada")
    await room.ask("bob")
    room.pass_ms(6_900)
    assert await room.refused(fc.Gone(participant="ada")) == fc.Unchanged("alive")
    room.pass_ms(200)
    assert await room.do(fc.Gone(participant="bob")) == fc.Changed("gone", "bob")
    assert await room.do(fc.Gone(participant="ada")) == fc.Changed("gone", "ada")
    room.now_us -= 60_000_000  # heard of in what is the future now: no sign of life
    await room.hold("cleo")
    await room.ask("bob", "again")
    assert await room.do(fc.Gone(participant="bob")) == fc.Changed("gone", "bob")


async def test_a_grant_that_was_not_taken_up_is_no_sign_of_life(room: Room) -> None:
    await room.ask("host", "q", on_behalf_of="ada")
    assert await room.do(fc.Gone(participant="ada")) == fc.Changed("gone", "ada")


async def test_a_waiting_request_that_is_yielded_to_moves_and_the_record_says_from_where(room: Room) -> None:
    await configured(room, max_queue=9)
    token = await room.hold("ada")
    await room.ask("bob")
    await room.ask("cleo")
    await room.do(fc.PersonSpeaking(person="paul", observer="p1"))
    await room.do(fc.Release(participant="ada", token=token, to="cleo"))
    assert room.events[1] == ev.FloorQueued(
        participant="cleo", priority=2, request_id="cleo-asks", position=1, was=2
    )
    await room.do(fc.PersonSilent(person="paul", observer="p1"))
    assert isinstance(room.events[-1], ev.FloorGranted)
    assert (room.events[-1].participant, room.events[-1].position) == ("cleo", 1)

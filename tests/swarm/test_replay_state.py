"""What the fold says of a room is what its live keys hold, after whatever happened to the floor."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from streams import ConversationStream, keys
from streams import events as ev
from streams.codec import decode_entry
from streams.connection import redis_client as client_of
from streams.room_state import RoomState, after, fold
from streams.vocabulary import ParticipantKind
from swarm import floor_commands as fc
from swarm.errors import StaleTokenError
from swarm.floor_state import FloorSettings
from swarm.floor_status import FloorState, FloorStatus, status_of
from swarm.participant import Participant, Priority
from swarm.talking_stick import TalkingStick
from tests.swarm.floor_commands_made import ClockedFloor, Names, steps
from tests.swarm.floor_values import AGENTS, PEOPLE, ROOM, START_US

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from swarm.floor_state import Floor

FIRST = FloorSettings().as_dict()


def same(state: RoomState, status: FloorStatus) -> None:
    """Compare all that both know; who speaks without holding the floor is not in the floor's events."""
    assert state.token == status.token
    assert (state.holder.participant if state.holder else None) == status.holder
    assert state.closed == status.closed
    assert tuple(sorted(state.muted)) == status.muted
    live = [(each.participant, each.request_id, each.priority, each.reason) for each in status.queue]
    told = [(each.participant, each.request_id, each.priority, each.reason) for each in state.waiting]
    if state.waiting_order_known:
        assert told == live
    else:
        assert sorted(told) == sorted(live)
    revoking = state.holder is not None and state.holder.revoking_by is not None
    assert revoking == (status.state is FloorState.REVOKING)
    assert set(state.people) <= set(status.people)
    if status.holder is None:
        assert set(state.people) == set(status.people)
    for name, value in state.settings.items():
        assert status.settings.as_dict()[name] == value


def same_floor(state: RoomState, floor: Floor, now_ms: int) -> None:
    same(state, status_of(floor, now_ms, {}))
    taken = {who: person.taken_ms for who, person in floor.people.items() if person.taken_ms is not None}
    assert dict(state.people) == taken
    hold, holder = floor.hold, state.holder
    if hold is None or holder is None:
        assert hold is None
        assert holder is None
        return
    assert (holder.request_id, holder.priority, holder.reason) == (
        hold.request_id,
        hold.priority,
        hold.reason,
    )
    # Where the clock was set back the keys' times were taken along; the record says what it was then.
    assert bool(holder.taken_ms) == bool(hold.taken_ms)
    assert (holder.taken_ms or 0) >= hold.taken_ms
    assert holder.granted_ms >= hold.granted_ms


async def follow(redis: Redis, taken: list[tuple[tuple[Any, ...], int]]) -> None:
    script, names, now_us = ClockedFloor(redis), Names(), START_US
    state, floor, last_id = RoomState(), await script.read(), "-"
    for move, gap_us in taken:
        now_us += gap_us
        await script.at(now_us, names.command(move, floor, now_us))
        for entry_id, fields in await redis.xrange(keys.stream(ROOM), min=last_id):
            entry = decode_entry(entry_id, fields)
            state, last_id = after(state, entry), "(" + entry.id
        floor = await script.read()
        same_floor(state, floor, now_us // 1_000)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(taken=steps)
async def test_the_fold_agrees_with_the_live_keys_after_every_command(
    real_redis_url: str, taken: list[tuple[tuple[Any, ...], int]]
) -> None:
    redis = client_of(real_redis_url, db=5)
    try:
        await redis.flushdb()
        await follow(redis, taken)
    finally:
        await redis.aclose()


def somebody(who: str) -> Participant:
    kind = ParticipantKind.PERSON if who in PEOPLE else ParticipantKind.AGENT
    return Participant(who, kind, "chair" if who == AGENTS[0] else "expert")


async def one_command(stick: TalkingStick, chance: random.Random, granted: list[fc.Granted]) -> None:
    """Do something that a room's processes do; a refusal is an answer like any other."""
    who, other = somebody(chance.choice(AGENTS)), chance.choice(AGENTS)
    person, chair = chance.choice(PEOPLE), somebody(AGENTS[0])
    last = granted[-1] if granted else fc.Granted(who.identity, "never", 1, 0, 0, 0, confirmed=True)
    holder = somebody(last.participant)
    try:
        match chance.randrange(16):
            case 0 | 1 | 2 | 3:
                priority = chance.choice(list(Priority))
                observed = stick.token if chance.random() < 0.5 else None
                outcome = await stick.request(who, priority=priority, observed_token=observed, reason="so")
                if isinstance(outcome, fc.Granted):
                    granted.append(outcome)
            case 4:
                await stick.take(holder, last.token)
            case 5 | 6:
                await stick.release(holder, last.token, to=other if other != holder.identity else None)
            case 7:
                await stick.person_speaking(person, words=True)
            case 8 | 9:
                await stick.person_silent(person)
            case 10:
                await stick.preempt(person, stick.token)
            case 11:
                await stick.mute(chair, other, muted=chance.random() < 0.4)
            case 12:
                await (stick.close_floor(chair) if chance.random() < 0.4 else stick.open_floor(chair))
            case 13:
                grace_ms = chance.choice([0, 500])
                await stick.configure(chair, FloorSettings(grace_ms=grace_ms, take_up_ms=80, lease_ms=150))
            case 14:
                outcome = await stick.grant_to(chair, other, now=chance.random() < 0.5)
                if isinstance(outcome, fc.Granted):
                    granted.append(outcome)
            case _:
                await stick.gone(other)
    except StaleTokenError:
        pass


@pytest.mark.parametrize("seed", range(4))
async def test_the_fold_agrees_with_the_sticks_own_status(real_redis: Redis, seed: int) -> None:
    chance, granted = random.Random(seed), list[fc.Granted]()
    room = f"room-{seed}"
    async with TalkingStick(real_redis, room) as stick:
        stream, state = ConversationStream(real_redis, room), RoomState()
        for _ in range(80):
            await one_command(stick, chance, granted)
            status = await stick.status()
            state = fold(await stream.read(state.last_id or "0"), state)
            same(state, status)
            assert {
                name: state.settings.get(name, FIRST[name]) for name in FIRST
            } == status.settings.as_dict()
        assert state.seq > 60


async def test_a_lapsed_lease_shows_once_somebody_has_noticed(real_redis: Redis) -> None:
    quick = FloorSettings(lease_ms=100, take_up_ms=50)
    async with TalkingStick(real_redis, "lobby", settings=quick) as stick:
        stream = ConversationStream(real_redis, "lobby")
        await stick.request(somebody("ada"))
        await asyncio.sleep(0.12)
        before = fold(await stream.read())
        assert before.holder is not None
        assert before.holder.lease_ms == 100
        await stick.status()
        entries = await stream.read()
        assert fold(entries).holder is None
        assert isinstance(entries[-1].event, ev.FloorExpired)

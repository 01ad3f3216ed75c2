"""Faults put into the floor script on purpose: each is found by one of the promises' tests."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest
from fakeredis import FakeAsyncRedis

from swarm.floor_script import source
from tests.swarm import (
    test_floor_chair,
    test_floor_lane,
    test_floor_people,
    test_floor_preemption,
    test_floor_rules,
    test_floor_timers,
)
from tests.swarm.floor_commands_made import ClockedFloor
from tests.swarm.floor_room import Room

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MUTANTS = {
    "token reuse": ("math.max(num('token') + 1, now_us())", "now_us()"),
    "double grant": (
        "local function serve()\n  if holding() then",
        "local function serve()\n  if false then",
    ),
    "lost event": ("emit('FLOOR_REVOKED', {", "type({"),
    "any token preempts": ("tonumber(a.observed_token) ~= num('token')", "tonumber(a.observed_token) == -1"),
    "pre-emption over a person": ("and not anybody_speaks() and (f.closed", "and (f.closed"),
    "grace without end": (
        "revoking() and math.min(deadline_ms, num('grace_until_ms')) or deadline_ms",
        "deadline_ms",
    ),
    "place lost": (
        "entry.arrived_us, entry.front = before.arrived_us",
        "entry.arrived_us, entry.front = entry.arrived_us",
    ),
    "own request lost": ("if known and known.by == who then", "if false then"),
    "joined unseen": ("if tonumber(position) ~= was then", "if false then"),
    "the living are gone": ("math.abs(now - heard_ms) <= SILENT_AFTER_MS", "false"),
    "heard of for ever": ("math.abs(now - heard_ms) <= SILENT_AFTER_MS", "true"),
    "renewals unseen": ("now - (num('deadline_ms') - lease_ms) <= math", "now <= math"),
    "front lost": ("math.max(entry.front, before.front)", "entry.front"),
    "guard for the silent": ("(f.confirmed == '1' or state ~= 'expired') then", "true then"),
    "no guard for the early": ("(f.confirmed == '1' or state ~= 'expired') then", "f.confirmed == '1' then"),
    "clock set back": (
        "if num('deadline_ms') > now + num('hold_lease_ms') then",
        "if false then",
    ),
    "order after new settings": ("if changed.age_step_ms then", "if false then"),
    "stale for ever": ("person.words_ms, person.stale = now, false", "person.words_ms = now"),
    "turn from the grant": ("num('taken_ms') + num('max_turn_ms')", "num('granted_ms') + num('max_turn_ms')"),
    "silence below a renewal": ("math.max(num('silent_ms'), num('lease_ms'))", "num('silent_ms')"),
    "sound unheard": ("if sounding or f.confirmed ~= '1' then", "if f.confirmed ~= '1' then"),
    "long turns come back": (
        "f.revoking_by ~= '' and end_by_preempting or end_by_revoking",
        "end_by_preempting",
    ),
    "grace preempted": ("f.holder ~= who and not revoking()", "f.holder ~= who"),
    "comes back for ever": ("set('preempted', table.concat(kept, ' '))", "kept = nil"),
    "comes back as another": ("not found or found.participant ~= who", "not found"),
    "idle for ever": (
        "local function close_if_idle()\n",
        "local function close_if_idle()\n  do return end\n",
    ),
    "closed while they wait": ("\n    and redis.call('HLEN', KEYS[4]) == 0", ""),
    "chair behind others": ("front = FIRST_OF_ALL", "front = IN_FRONT"),
    "gap before the chair's choice": (
        "end_by_revoking(a.by, a.reason, now)\n  end\n  local outcome",
        "end_by_revoking(a.by, a.reason, now)\n    serve()\n  end\n  local outcome",
    ),
    "muted may ask": (
        "elseif is_muted(who) then\n    return 'muted'\n  elseif must_wait",
        "elseif must_wait",
    ),
    "muted by part of a name": ("' ' .. who .. ' ', 1, true", "who, 1, true"),
    "muted keep the floor": ("strip(who, a.by, 'muted')", "serve()"),
    "the dead keep their place": (
        "local found = withdraw_waiting(who, reason) ~= nil",
        "local found = false",
    ),
    "two acknowledgements": (
        "elseif (f.backchannel_by or '') ~= '' then\n    return 'busy'",
        "elseif false then\n",
    ),
    "acknowledged for ever": ("and num('backchannel_until_ms') <= now then", "and false then"),
    "moved unseen": ("if tonumber(position_of(to)) ~= was then", "if false then"),
    "waiting request forgotten": ("if old and (old.state == 'queued' or", "if old and ("),
}

PROMISES: list[Callable[[Room], Awaitable[None]]] = [
    promise
    for module in (
        test_floor_rules,
        test_floor_preemption,
        test_floor_people,
        test_floor_timers,
        test_floor_chair,
        test_floor_lane,
    )
    for name, promise in vars(module).items()
    if name.startswith("test_") and list(inspect.signature(promise).parameters) == ["room"]
]


async def kept(promise: Callable[[Room], Awaitable[None]], text: str) -> bool:
    redis = FakeAsyncRedis(decode_responses=True)
    try:
        await promise(Room(ClockedFloor(redis, text)))
    except AssertionError:
        return False
    finally:
        await redis.aclose()
    return True


async def test_without_a_fault_every_promise_is_kept() -> None:
    assert len(PROMISES) > 60
    assert all([await kept(promise, source()) for promise in PROMISES])


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_seeded_fault_is_found(name: str) -> None:
    old, new = MUTANTS[name]
    right = source()
    assert right.count(old) == 1
    wrong = right.replace(old, new)
    for promise in PROMISES:
        if not await kept(promise, wrong):
            return
    pytest.fail(f"nothing noticed: {name}")

"""A turn that waits for the chair: decided once, by the chair or, when its time is over, for it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from streams import events as ev
from swarm.allocation import Policy
from swarm.allocation_settings import AllocationSettings
from swarm.errors import InvalidCommandError
from swarm.speech_notes import Turn

if TYPE_CHECKING:
    from redis.asyncio import Redis

from tests.swarm.allocation_room import CHAIR, TURN, processes, turns


async def test_an_undecided_turn_is_answered_once_by_whichever_process_is_left(redis_client: Redis) -> None:
    settings = AllocationSettings(Policy.CHAIR, chair_limit_ms=30)
    async with processes(redis_client, settings, 3) as (first, second, third):
        await first.ends()
        await first.allocator.answer(TURN)
        await first.until(lambda: turns(first))
        await second.until(lambda: second.allocator.undecided is None and third.allocator.undecided is None)
        assert [(event.on_behalf_of, event.reason) for event in turns(first)] == [
            ("nora", "answer to ada (chair_undecided)")
        ]
        later = Turn("s2", "ada", "and now", 5_000, 6_000)
        await first.ends(later)  # its scribe dies before it answers
        await second.until(lambda: any(event.request_id == "turn:s2" for event in turns(second)))
        await asyncio.sleep(0.1)
        assert [event.request_id for event in turns(third)].count("turn:s2") == 1


async def test_of_several_turns_that_wait_for_the_chair_the_newest_is_decided(redis_client: Redis) -> None:
    settings = AllocationSettings(Policy.CHAIR, chair_limit_ms=60_000)
    async with processes(redis_client, settings) as (first, second):
        newer = Turn("s2", "ada", "I mean", 3_000, 4_000)
        for turn in (TURN, newer):
            await first.ends(turn)
        await second.until(lambda: second.allocator.undecided is not None)
        await first.allocator.answer(newer)
        await first.allocator.answer(TURN)
        with pytest.raises(InvalidCommandError):
            await first.allocator.give_turn(CHAIR, "nobody")
        for who in ("pia", "nora"):
            choice = await first.allocator.give_turn(CHAIR, who)
            assert choice is None or choice.identity == "pia"
        await second.until(lambda: second.allocator.undecided is None)
        assert [(event.on_behalf_of, event.request_id) for event in turns(second)] == [("pia", "turn:s2")]
        assert await second.allocator.give_turn(CHAIR, "nora") is None


async def test_a_chair_may_decide_while_the_person_still_speaks(redis_client: Redis) -> None:
    settings = AllocationSettings(Policy.CHAIR, chair_limit_ms=50)
    async with processes(redis_client, settings) as (first, _):
        now_ms = first.stream.server_clock.at_ms(time.monotonic())
        turn = Turn("s1", "ada", "hello", int(now_ms) - 50, int(now_ms))
        await first.stick.person_speaking("ada")
        await first.stick.grant_to(CHAIR, "pia")
        await first.until(lambda: first.events(ev.FloorRequested))
        await first.ends(turn)
        await first.allocator.answer(turn)
        await first.stick.person_silent("ada")
        await asyncio.sleep(0.15)
        assert not turns(first)
        assert next(event.participant for event in first.events(ev.FloorGranted)) == "pia"

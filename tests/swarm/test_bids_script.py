"""Bids: what runs does what the specification says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import scripts
from streams.connection import redis_client as client_of
from swarm.allocation import Choice
from swarm.allocation_bids import Bidding, Offer
from swarm.bids import Bids, StillOpen

if TYPE_CHECKING:
    from redis.asyncio import Redis
from tests.swarm.bids_room import AGENTS, CLOCK, ROOM, START_US, WINDOW_MS, joined, written

people = st.sampled_from(AGENTS)
turns = st.sampled_from(["s1", "s2"])
commands = st.one_of(
    st.tuples(st.just("bid"), turns, people, st.sampled_from([0, 5, 5.125, 7, 10])),
    st.tuples(st.just("decide"), turns, st.lists(people, unique=True, max_size=3), people),
    st.tuples(st.just("settle"), turns, people),
)
gaps_us = st.sampled_from([0, 1, 999, 50_000, 299_999, 300_000])
CHECKS = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def agree(redis: Redis, taken: list[tuple[tuple[Any, ...], int]]) -> None:
    shown, text = "redis.call('TIME')", scripts.load("swarm", "bids.lua")
    assert text.count(shown) == 1
    await joined(redis)
    bids = Bids(redis, ROOM, text=text.replace(shown, f"redis.call('HMGET', '{CLOCK}', 's', 'us')"))
    model: dict[str, Bidding] = {}
    recorded: list[tuple[str, str, float, bool]] = []
    now_us = START_US
    for command, gap_us in taken:
        now_us += gap_us
        seconds, us = divmod(now_us, 1_000_000)
        await redis.hset(CLOCK, mapping={"s": seconds, "us": us})
        what, turn, *rest = command
        before = model.get(turn) or Bidding.opened(now_us, WINDOW_MS)
        match what:
            case "bid":
                who, score = rest
                after, counts = before.bid(Offer(who, score, "knows", now_us))
                assert await bids.bid(who, turn, score, "knows", window_ms=WINDOW_MS) is (counts is True)
                if counts is not None:
                    recorded.append((turn, who, score, not counts))
            case "decide":
                candidates, fallback = rest
                after = before.decide(candidates, fallback, now_us)
                said = await bids.decide(
                    turn, candidates, fallback=Choice(fallback, "host"), window_ms=WINDOW_MS, by="scribe"
                )
                if after.winner is None:
                    assert said == StillOpen(after.due_us // 1000 - now_us // 1000)
                else:
                    assert isinstance(said, Choice)
                    assert said.identity == after.winner
            case _:
                after = before.settle(rest[0])
                said = await bids.settle(turn, Choice(rest[0], "chair"), by="chair")
                # A turn that settle opens has no window: nobody bids for what is decided.
                assert said.identity == after.winner
        model[turn] = after
    assert [
        (event.turn_id, event.participant, event.score, late) for event, late in await written(redis)
    ] == recorded


@CHECKS
@given(taken=st.lists(st.tuples(commands, gaps_us), max_size=20))
async def test_script_follows_the_specification_on_the_fake(taken: list[Any]) -> None:
    redis = FakeAsyncRedis(decode_responses=True)
    await agree(redis, taken)
    await redis.aclose()


@pytest.mark.real
@CHECKS
@given(taken=st.lists(st.tuples(commands, gaps_us), max_size=20))
async def test_script_follows_the_specification_on_a_real_server(
    real_redis_url: str, taken: list[Any]
) -> None:
    redis = client_of(real_redis_url, db=5)
    await redis.flushdb()
    await agree(redis, taken)
    await redis.aclose()

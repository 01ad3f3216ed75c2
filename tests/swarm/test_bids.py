"""Bids for a turn, as promised: counted in time, recorded in any case, decided once, or refused."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import keys, scripts
from swarm.allocation import Choice, bid_reason
from swarm.bids import Bids, StillOpen
from swarm.errors import InvalidBidError, InvalidCommandError

if TYPE_CHECKING:
    from redis.asyncio import Redis
from tests.swarm.bids_room import AGENTS, HOST, ROOM, joined, written


def decide(bids: Bids, turn: str = "s1", by: str = "scribe", window_ms: int = 60_000) -> Any:
    return bids.decide(turn, AGENTS, fallback=HOST, window_ms=min(window_ms, 3_000), by=by)


async def bid(bids: Bids, who: str, score: Any, reason: Any = "knows", window_ms: int = 3_000) -> bool:
    return await bids.bid(who, "s1", score, reason, window_ms=window_ms)


async def test_decision_waits_for_bids_and_comes_early_when_all_have_bid(redis_client: Redis) -> None:
    bids = await joined(redis_client)
    opened = await decide(bids)
    assert isinstance(opened, StillOpen)
    assert 0 < opened.left_ms <= 3_000
    for who, score in (("ada", 2), ("grace", 9.5)):
        assert await bid(bids, who, score)
        assert isinstance(await decide(bids), StillOpen)
    assert await bid(bids, "linus", 6)
    assert await decide(bids) == Choice("grace", "bid 9.5: knows")


async def test_of_equal_bids_the_first_wins(redis_client: Redis) -> None:
    bids = await joined(redis_client)
    for who in ("linus", "ada", "grace"):
        await bid(bids, who, 7)
    assert (await decide(bids)).identity == "linus"


async def test_late_bids_are_recorded_as_late_and_change_nothing(redis_client: Redis) -> None:
    bids = await joined(redis_client)
    assert await bid(bids, "ada", 1, window_ms=30)
    await asyncio.sleep(0.04)
    assert not await bid(bids, "grace", 10)
    assert await decide(bids) == Choice("ada", "bid 1: knows")
    assert not await bid(bids, "linus", 10)
    assert await decide(bids) == Choice("ada", "bid 1: knows")
    assert [(event.participant, late) for event, late in await written(redis_client)] == [
        ("ada", False),
        ("grace", True),
        ("linus", True),
    ]


async def test_without_any_bid_the_fallback_answers_after_the_window(redis_client: Redis) -> None:
    bids = await joined(redis_client)
    opened = await decide(bids, window_ms=20)
    assert isinstance(opened, StillOpen)
    await asyncio.sleep((opened.left_ms + 2) / 1000)
    assert await decide(bids) == HOST


async def test_an_agents_first_bid_stands_and_is_recorded_once(redis_client: Redis) -> None:
    bids = await joined(redis_client)
    assert await bid(bids, "ada", 3)
    assert not await bid(bids, "ada", 9)
    assert [(event.score, late) for event, late in await written(redis_client)] == [(3.0, False)]


async def test_bids_of_agents_that_left_meanwhile_do_not_win(redis_client: Redis) -> None:
    bids = await joined(redis_client)
    for who, score in (("ada", 1), ("linus", 10)):
        await bid(bids, who, score)
    won = await bids.decide("s1", ["ada"], fallback=HOST, window_ms=0, by="scribe")
    assert won == Choice("ada", "bid 1: knows")


async def test_many_bidders_and_scribes_at_once_decide_one_turn_once(redis_client: Redis) -> None:
    bids = await joined(redis_client)
    for turn in (f"s{n}" for n in range(20)):
        calls: list[Any] = [
            bids.bid(who, turn, score, "", window_ms=3_000)
            for who, score in zip(AGENTS, (7, 7, 3), strict=True)
        ]
        calls += [decide(bids, turn, by=f"scribe{n}") for n in range(4)]
        calls += [bids.settle(turn, Choice(who, "chair"), by="chair") for who in AGENTS]
        calls += [decide(bids, turn, by=f"late{n}") for n in range(4)]
        replies = await asyncio.gather(*calls)
        choices = {reply for reply in replies if isinstance(reply, Choice)}
        assert len(choices) == 1
        assert {await decide(bids, turn)} == choices


@pytest.mark.parametrize("score", [math.nan, math.inf, -0.001, 10.001, "7", None, True, [7]])
async def test_a_bid_that_is_no_score_is_refused_and_leaves_no_trace(
    real_redis: Redis, score: object
) -> None:
    bids = await joined(real_redis)
    with pytest.raises(InvalidBidError) as caught:
        await bid(bids, "ada", score)
    assert caught.value.participant == "ada"
    assert not await written(real_redis)
    assert not await real_redis.exists(keys.turns(ROOM))


async def test_a_bid_with_an_endless_reason_is_refused(real_redis: Redis) -> None:
    bids = await joined(real_redis)
    for reason in ("x" * 301, 7):
        with pytest.raises(InvalidBidError):
            await bid(bids, "ada", 5, reason)
    assert await bid(bids, "ada", 5, "é" * 300)


@pytest.mark.parametrize("who", ["paul", "nobody"])
async def test_only_agents_of_the_room_bid(redis_client: Redis, who: str) -> None:
    bids = await joined(redis_client)
    with pytest.raises(InvalidBidError, match="no agent"):
        await bid(bids, who, 5)
    assert not await written(redis_client)


async def test_an_impossible_turn_or_window_is_refused_by_name(redis_client: Redis) -> None:
    bids = await joined(redis_client)
    for turn, window_ms, what in (
        ("", 5, "turn"),
        ("x" * 513, 5, "turn"),
        ("s", -1, "window_ms"),
        ("s", 3_001, "window_ms"),
    ):
        with pytest.raises(InvalidCommandError) as caught:
            await bids.decide(turn, AGENTS, fallback=HOST, window_ms=window_ms, by="scribe")
        assert caught.value.what == what


GARBAGE = [
    {"turn": 7},
    {"turn": "s1"},
    {"turn": "s1", "window_ms": "nan"},
    {"turn": "s1", "window_ms": 300, "participant": ["ada"], "score": 5, "reason": ""},
    {"turn": "s1", "window_ms": 300, "participant": "ada", "score": "nan", "reason": ""},
    {"turn": "s1", "window_ms": 300, "participant": "ada", "score": "0x7fffffff", "reason": ""},
    {"turn": "s1", "window_ms": 300, "participant": "ada", "score": {}, "reason": ""},
    {"turn": "s1", "window_ms": 300, "participant": "ada", "score": 5, "reason": None},
    {"turn": "s1", "window_ms": 300, "agents": "ada", "fallback": "ada", "why": ""},
    {"turn": "s1", "window_ms": 300, "agents": [], "fallback": None, "why": ""},
    {"turn": "s1", "window_ms": 300, "winner": 7, "why": ""},
]


@pytest.mark.parametrize("command", ["bid", "decide", "settle"])
@pytest.mark.parametrize("arguments", GARBAGE)
async def test_foreign_garbage_is_refused_and_leaves_no_trace(
    redis_client: Redis, command: str, arguments: dict[str, Any]
) -> None:
    bids = await joined(redis_client)
    script = redis_client.register_script(scripts.load("swarm", "bids.lua"))
    names = [keys.stream(ROOM), keys.meta(ROOM), keys.roster(ROOM), keys.turns(ROOM)]
    reply = await script(keys=names, args=[command, ROOM, "foreign", json.dumps(arguments)])
    assert reply[0] == "refused"
    assert not await written(redis_client)
    assert not await redis_client.exists(keys.turns(ROOM))
    assert await bid(bids, "ada", 5)


async def test_turns_nobody_decides_are_forgotten_and_crowd_no_memory(redis_client: Redis) -> None:
    bids = await joined(redis_client)
    for turn in range(100):
        await bids.bid("ada", f"forged-{turn}", 5, "", window_ms=3_000)
    assert await redis_client.hlen(keys.turns(ROOM)) == 64
    assert 0 < await redis_client.pttl(keys.turns(ROOM)) <= 600_000
    assert (await bids.decide("forged-99", ["ada"], fallback=HOST, window_ms=0, by="scribe")) == Choice(
        "ada", "bid 5"
    )


@given(st.floats(0, 10), st.text(max_size=20))
def test_a_won_bid_reads_the_same_from_the_record(score: float, reason: str) -> None:
    shown = bid_reason(score, reason)
    assert shown.startswith(f"bid {score:g}")
    assert reason in shown

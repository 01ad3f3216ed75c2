"""How often an entry counts as tried: once for each time that its handler was really begun."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as LostConnectionError

from streams import keys, read_dead_letters
from streams.group_calls import GroupCalls, Taken
from streams.room_work import OwnedRoom, RoomWork, Tally
from tests.streams.consuming import QUICK, say, text_of

if TYPE_CHECKING:
    import pytest
    from redis.asyncio import Redis

    from streams import Recorded


def owned(until_s: float) -> OwnedRoom:
    return OwnedRoom("lobby", until_s, Taken(None, "", 0, 0, ""))


async def given_out(redis: Redis) -> GroupCalls:
    """Have a consumer that died be given two entries."""
    await redis.xgroup_create(keys.stream("lobby"), "g", id="0", mkstream=True)
    await say(redis, "lobby", "a", "b")
    await redis.xreadgroup("g", "dead", {keys.stream("lobby"): ">"})
    return GroupCalls(redis, "g", "one", "one#1")


async def test_a_call_whose_reply_was_lost_counts_once(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = await given_out(redis_client)
    script, sent = calls._try, 0  # pyright: ignore[reportPrivateUsage] (the seam to Redis)

    async def losing(**about: Any) -> Any:
        nonlocal sent
        reply = await script(**about)
        sent += 1
        if sent == 1:
            raise LostConnectionError("the reply is lost")
        return reply

    monkeypatch.setattr(calls, "_try", losing)
    assert await calls.tried("lobby", "1-0", "first") == 1
    assert sent == 2
    assert await calls.tried("lobby", "1-0", "second") == 2
    await calls.tried_not("lobby", "1-0", "first")  # another has tried since
    await calls.tried_not("lobby", "1-0", "second")
    assert await calls.tried("lobby", "1-0", "third") == 2
    assert await calls.tried("lobby", "2-0", "fourth") == 1
    await calls.tried_not("lobby", "1-0", "third")
    assert await calls.tried("lobby", "2-0", "fifth") == 2


async def test_a_lease_that_ran_out_while_redis_was_away_makes_no_entry_unanswered(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = await given_out(redis_client)
    now_s, handled = 0.0, list[str]()

    def handle(recorded: Recorded) -> None:
        handled.append(text_of(recorded))

    work = RoomWork(
        calls,
        replace(QUICK, tries=3),
        handle,
        tally=Tally(),
        stopping=asyncio.Event(),
        on_missed=lambda _: None,
        clock=lambda: now_s,
    )
    tried = calls.tried

    async def slowly(*about: str) -> int:
        nonlocal now_s
        found = await tried(*about)
        now_s += 10  # as long as Redis needs to load its data
        return found

    with monkeypatch.context() as patch:
        patch.setattr(calls, "tried", slowly)
        for _ in range(5):
            assert not await work.recover(owned(now_s + 1))
    assert handled == []
    assert await work.recover(owned(now_s + 1))
    assert handled == ["ROOM_OPENED", "a", "b"]
    assert await read_dead_letters(redis_client, "lobby") == []

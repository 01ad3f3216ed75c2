"""One rule for a room: the first to set it sets it for all, changes are on record."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams import events as ev
from streams import keys
from streams.conversation_stream import ConversationStream
from swarm.allocation import Policy
from swarm.allocation_settings import AllocationSettings
from swarm.bids import AllocationStore
from swarm.errors import SettingError

if TYPE_CHECKING:
    from redis.asyncio import Redis
from tests.swarm.bids_room import ROOM


async def test_the_first_to_set_the_policy_sets_it_for_all(redis_client: Redis) -> None:
    stores = [AllocationStore(redis_client, ROOM) for _ in range(4)]
    assert await stores[0].adopt(None, by="p0") == AllocationSettings()
    wanted = [
        AllocationSettings(policy) for policy in (Policy.BIDS, Policy.FIFO, Policy.CHAIR, Policy.PRIORITY)
    ]
    got = await asyncio.gather(
        *(store.adopt(each, by=f"p{n}") for n, (store, each) in enumerate(zip(stores, wanted, strict=True)))
    )
    assert len(set(got)) == 1
    entries = await ConversationStream(redis_client, ROOM).read()
    (changed,) = [entry.event for entry in entries if isinstance(entry.event, ev.SettingsChanged)]
    assert AllocationSettings().changed(changed.settings) == got[0]
    assert await stores[3].adopt(None, by="p9") == got[0]


async def test_a_change_is_recorded_as_what_changed(redis_client: Redis) -> None:
    store = AllocationStore(redis_client, ROOM)
    await store.adopt(AllocationSettings(), by="p0")
    changed = AllocationSettings(Policy.BIDS, bid_window_ms=150)
    for _ in range(2):
        assert await store.change(changed, by="chair") == changed
    entries = await ConversationStream(redis_client, ROOM).read()
    events = [entry.event for entry in entries if isinstance(entry.event, ev.SettingsChanged)]
    assert [(event.by, event.settings) for event in events[1:]] == [
        ("chair", {"turn_policy": "bids", "bid_window_ms": 150})
    ]


async def test_changes_at_once_do_not_undo_each_other(redis_client: Redis) -> None:
    stores = [AllocationStore(redis_client, ROOM) for _ in range(3)]
    changes = ({"turn_policy": Policy.BIDS}, {"bid_window_ms": 150}, {"chair_limit_ms": 50})
    await asyncio.gather(
        *(store.change(each, by="chair") for store, each in zip(stores, changes, strict=True))
    )
    assert await stores[0].adopt(None, by="p0") == AllocationSettings(Policy.BIDS, 150, 50)
    for wrong in ({"policy": "fifo"}, {"turn_policy": "lottery"}, {"bid_window_ms": -1}):
        with pytest.raises(SettingError):
            await stores[0].change(wrong, by="chair")


async def test_settings_that_somebody_scribbled_over_count_as_unset(redis_client: Redis) -> None:
    await redis_client.hset(
        keys.allocation(ROOM), mapping={"turn_policy": '"lottery"', "bid_window_ms": "{", "x": "1"}
    )
    assert await AllocationStore(redis_client, ROOM).adopt(None, by="p0") == AllocationSettings()

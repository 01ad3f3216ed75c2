"""What the swarm's suites share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakeredis import FakeAsyncRedis

from streams.connection import redis_client as client_of
from tests.swarm.floor_commands_made import ClockedFloor
from tests.swarm.floor_room import Room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(params=["specification", "fake", "real"])
async def floor_room(request: pytest.FixtureRequest) -> AsyncIterator[Room]:
    if request.param == "specification":
        yield Room(None)
        return
    if request.param == "fake":
        redis = FakeAsyncRedis(decode_responses=True)
    else:
        redis = client_of(request.getfixturevalue("real_redis_url"), db=4)
        await redis.flushdb()
    yield Room(ClockedFloor(redis))
    await redis.aclose()

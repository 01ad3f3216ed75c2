"""What runs does what the specification says: same commands, same answers, same state, same events."""

from __future__ import annotations

import os
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import HealthCheck, given, settings

from streams.connection import redis_client
from tests.swarm.floor_agreement import agree
from tests.swarm.floor_commands_made import steps

EXAMPLES = int(os.environ.get("SWARM_FLOOR_EXAMPLES", "60"))
CHECKS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@CHECKS
@given(taken=steps)
async def test_script_follows_the_specification_on_the_fake(taken: list[Any]) -> None:
    redis = FakeAsyncRedis(decode_responses=True)
    await agree(redis, taken)
    await redis.aclose()


@pytest.mark.real
@CHECKS
@given(taken=steps)
async def test_script_follows_the_specification_on_a_real_server(
    real_redis_url: str, taken: list[Any]
) -> None:
    redis = redis_client(real_redis_url, db=3)
    await redis.flushdb()
    await agree(redis, taken)
    await redis.aclose()

"""What runs does what the specification says: same commands, same answers, same state, same events."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import HealthCheck, given, settings

from streams.connection import redis_client
from swarm.floor import decide
from swarm.floor_state import Floor
from tests.swarm.floor_commands_made import SMALL, START_US, ClockedFloor, Names, steps

if TYPE_CHECKING:
    from redis.asyncio import Redis

EXAMPLES = int(os.environ.get("SWARM_FLOOR_EXAMPLES", "60"))
CHECKS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def agree(redis: Redis, taken: list[tuple[tuple[Any, ...], int]]) -> None:
    script, names = ClockedFloor(redis), Names()
    floor, now_us = Floor(settings=SMALL), START_US
    for move, gap_us in taken:
        now_us += gap_us
        command = names.command(move, floor, now_us)
        step = decide(floor, command, now_us)
        outcome, outlook = await script.at(now_us, command)
        assert outcome == step.outcome, command
        assert await script.new_events() == list(step.events), command
        assert await script.read() == step.floor, command
        assert outlook.now_us == now_us
        assert outlook.due_ms == step.due_ms
        assert (outlook.token, outlook.holder) == (
            step.floor.token,
            step.floor.hold.participant if step.floor.hold else "",
        )
        floor = step.floor


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

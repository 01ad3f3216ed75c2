"""The same commands through the specification and through what runs, demanding the same of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarm.floor import decide
from swarm.floor_state import Floor
from tests.swarm.floor_commands_made import SMALL, START_US, ClockedFloor, Names, heartbeat

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def agree(redis: Redis, taken: list[tuple[tuple[Any, ...], int]], text: str = "") -> None:
    script, names = ClockedFloor(redis, text), Names()
    floor, now_us = Floor(settings=SMALL), START_US
    for move, gap_us in taken:
        now_us += gap_us
        floor = heartbeat(move, floor, now_us)
        await script.heard(floor)
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

"""A process whose participants take turns on a floor and write to a resource that checks their tokens."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from typing import TYPE_CHECKING

from streams.connection import redis_client
from streams.errors import StreamUnavailableError
from swarm.errors import FloorDeniedError
from swarm.participant import EXPERT, Participant, Priority
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from swarm.floor_state import FloorSettings
    from swarm.grant import Grant

FENCED = """
local accepted = tonumber(ARGV[1]) >= tonumber(redis.call('GET', KEYS[2]) or '0')
if accepted then
  redis.call('SET', KEYS[2], ARGV[1])
end
redis.call('XADD', KEYS[1], '*', 'token', ARGV[1], 'who', ARGV[2], 'accepted', accepted and '1' or '0',
  'valid', ARGV[3])
return 1
"""


def writes_key(room: str) -> str:
    """Stream of all attempts to write to the fenced resource."""
    return f"proof:{{{room}}}:writes"


def fence_key(room: str) -> str:
    """String: the highest token that the fenced resource has seen."""
    return f"proof:{{{room}}}:fence"


def ready_key(room: str) -> str:
    """Set of the processes that contend."""
    return f"proof:{{{room}}}:ready"


def contend(
    url: str,
    room: str,
    process: str,
    contenders: int,
    settings: FloorSettings,
    hold_s: float,
    think_s: float,
    rounds: int,
    priorities: tuple[int, ...],
    fenced: bool,
    start_s: float = 0.0,
) -> None:
    """Take turns from the monotonic `start_s` until `rounds` are done (0: for ever) or SIGTERM comes.

    With `fenced` each turn writes twice, also where the grant says that it is over: a careless holder, whom
    only the resource can stop.
    """
    asyncio.run(
        _contend(
            url, room, process, contenders, settings, hold_s, think_s, rounds, priorities, fenced, start_s
        )
    )


async def _contend(
    url: str,
    room: str,
    process: str,
    contenders: int,
    settings: FloorSettings,
    hold_s: float,
    think_s: float,
    rounds: int,
    priorities: tuple[int, ...],
    fenced: bool,
    start_s: float,
) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    redis = redis_client(url)
    script = redis.register_script(FENCED)
    chance = random.Random(process)

    async def write(grant: Grant) -> None:
        await script(
            keys=[writes_key(room), fence_key(room)],
            args=[grant.token, grant.participant, "1" if grant.valid() else "0"],
        )

    async def one(stick: TalkingStick, who: Participant, priority: Priority) -> None:
        done = 0
        while not over.is_set() and (not rounds or done < rounds):
            try:
                async with stick.hold(who, priority=priority) as grant:
                    await _turn(grant, write if fenced else None, hold_s)
                done += 1
            except (StreamUnavailableError, FloorDeniedError, OSError):
                continue  # stopped for longer than a call may take, or while it was in the queue
            if think_s:
                await asyncio.sleep(chance.uniform(0.0, 2 * think_s))

    async with TalkingStick(redis, room, settings=settings) as stick:
        await redis.sadd(ready_key(room), process)
        await asyncio.sleep(start_s - time.monotonic())
        async with asyncio.TaskGroup() as tasks:
            for n in range(contenders):
                who = Participant(f"{process}-{n}", role=EXPERT)
                tasks.create_task(one(stick, who, Priority(priorities[n % len(priorities)])))
    await redis.aclose()


async def _turn(grant: Grant, write: Callable[[Grant], Awaitable[None]] | None, hold_s: float) -> None:
    if write is not None:
        await write(grant)
    if hold_s:
        await asyncio.sleep(hold_s)
    if write is not None:
        await write(grant)

"""Readers that know nothing of this project: FastStream, plain redis-py and Node, each a process."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from streams import ConversationStream, Relay, events, keys
from streams.event_examples import EXAMPLES
from tests.real.test_node_client import NODE, node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from streams.events import Recorded

__all__ = ("node",)

pytestmark = [pytest.mark.real, pytest.mark.timeout(90)]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "subscribers"
LIMIT_S = 30.0
WORDS = events.Transcript(participant="ann", speech_id="s9", text="più “forte”\n\x00", final=True)


class Reader:
    """A process that prints a line of JSON for every event it reads."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def lines(self, count: int) -> list[dict[str, Any]]:
        """Return the next so many lines."""
        assert self._process.stdout is not None
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(LIMIT_S):
            while len(found) < count:
                line = await self._process.stdout.readline()
                if not line:
                    assert self._process.stderr is not None
                    pytest.fail(f"it ended: {(await self._process.stderr.read()).decode()[-800:]}")
                found.append(json.loads(line))
        return found


@asynccontextmanager
async def reading(*command: str) -> AsyncIterator[Reader]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, cwd=ROOT)
    try:
        yield Reader(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def command_of(reader: str, node_program: str, url: str, stream: str) -> list[str]:
    match reader:
        case "redis-py":
            return [sys.executable, str(EXAMPLE / "plain_redis.py"), url, stream]
        case "faststream":
            return [sys.executable, str(EXAMPLE / "with_faststream.py"), url, stream, "dashboard"]
        case "node":
            return [node_program, str(NODE / "reader.mjs"), url, stream]
        case _:
            return [node_program, str(NODE / "reader.mjs"), url, stream, "dashboard"]


READERS = ["redis-py", "faststream", "node", "node in a group"]


def as_shown(entry: Recorded) -> dict[str, Any]:
    shown = {"room": entry.room, "seq": entry.seq, "type": entry.type, "source": entry.source, "id": entry.id}
    return shown | {"data": entry.event.model_dump(mode="json", exclude={"type"})}


async def written(redis: Redis, room: str) -> ConversationStream:
    """A room with one of every event, and with words that need care."""
    stream = ConversationStream(redis, room)
    for event in (*EXAMPLES.values(), WORDS):
        await stream.publish(event, source="host")
    return stream


@pytest.mark.parametrize("reader", READERS)
async def test_it_reads_a_room_from_its_beginning_and_on(
    real_redis: Redis, real_redis_url: str, node: str, reader: str
) -> None:
    stream = await written(real_redis, "lobby")
    command = command_of(reader, node, real_redis_url, keys.stream("lobby"))
    async with reading(*command) as process:
        past = await process.lines(len(EXAMPLES) + 2)
        later = await stream.publish(events.SpeechStarted(participant="ann", speech_id="s"), source="scribe")
        [live] = await process.lines(1)
    assert past == [as_shown(entry) for entry in (await stream.read())[:-1]]
    assert live == as_shown(later)
    if reader in ("faststream", "node in a group"):
        assert (await real_redis.xpending(keys.stream("lobby"), "dashboard"))["pending"] <= 1


@pytest.mark.parametrize("reader", READERS)
async def test_it_reads_all_rooms_in_the_order_of_each(
    real_redis: Redis, real_redis_url: str, node: str, reader: str
) -> None:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Relay(real_redis))
        one = await written(real_redis, "one")
        command = command_of(reader, node, real_redis_url, keys.ALL_ROOMS_STREAM)
        process = await stack.enter_async_context(reading(*command))
        two = await written(real_redis, "two")
        found = await process.lines(2 * (len(EXAMPLES) + 2))
    for stream in (one, two):
        shown = [line for line in found if line.get("room") == stream.room]
        assert shown == [as_shown(entry) for entry in await stream.read()]


@pytest.mark.parametrize("reader", ["redis-py", "node"])
async def test_it_can_tell_a_gap(real_redis: Redis, real_redis_url: str, node: str, reader: str) -> None:
    stream = await written(real_redis, "lobby")
    third, fourth = (await stream.read())[2:4]
    await real_redis.xdel(keys.stream("lobby"), third.id, fourth.id)
    async with reading(*command_of(reader, node, real_redis_url, keys.stream("lobby"))) as process:
        assert (await process.lines(3))[2] == {"missed": 2}

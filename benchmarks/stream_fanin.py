"""One reader of many rooms, and a writer in a process of its own: how soon each event is with the reader.

A wake-up lasts from the moment before the writer publishes until the reader's loop has the event, decoded
and checked. Both clocks are the machine's monotonic one. On one server one XREAD waits for all rooms; on a
Cluster, where none can, the writing scripts publish hints: here a Cluster of one node, so that both have one
server.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import random
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import redis as blocking_redis
from stream_contenders import SOURCE, quiet_memory

from streams import ConversationStream, events, subscribe
from streams.redis_clients import redis_client
from swarm.embedded_redis import available_binaries

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

WARM_UP_S = 1.0
START_LIMIT_S = 30.0
LATE_S = 10.0
"""How long after the last event the reader may take."""
SLOTS = 16384


@dataclass(frozen=True, slots=True)
class FanIn:
    """What is measured: so many rooms, so many events a second over all of them."""

    rooms: int
    per_s: float
    lasts_s: float


@dataclass(slots=True)
class Wakes:
    """What came of it."""

    wakes_ms: list[float] = field(default_factory=list[float])
    per_s: float = 0.0
    """Events that the writer got out in a second."""
    reader_us: float = 0.0
    """Processor time of the reading process for each event."""
    lost: int = 0


async def wakes(url: str, asked: FanIn) -> Wakes:
    """Return the wake-ups of `asked` on the Redis at `url`.

    Raises:
        TimeoutError: the writer did not begin, or events did not come.
    """
    found, connections = Wakes(), multiprocessing.get_context("spawn").Pipe()
    ours, theirs = connections
    writer = multiprocessing.get_context("spawn").Process(
        target=_write, args=(url, asked, theirs), daemon=True
    )
    writer.start()
    client = redis_client(url)
    try:
        await _told(ours, START_LIMIT_S)  # every room is open
        names = [_room(n) for n in range(asked.rooms)]
        async with subscribe(client, names, "$") as entries, quiet_memory():
            reading = aiter(entries)
            ours.send("go")
            from_s = time.monotonic() + WARM_UP_S
            end_s = from_s + asked.lasts_s
            begun_cpu_s, taken = time.process_time(), 0
            async with asyncio.timeout(WARM_UP_S + asked.lasts_s + LATE_S):
                async for entry in reading:
                    now_s = time.monotonic()
                    taken += 1
                    event = entry.event
                    if not isinstance(event, events.AgentFailed):
                        continue
                    if event.what == "over":
                        break
                    sent_s = float(event.what)
                    if from_s <= sent_s < end_s:
                        found.wakes_ms.append((now_s - sent_s) * 1000)
            found.reader_us = (time.process_time() - begun_cpu_s) * 1e6 / taken
        sent, took_s = await _told(ours, LATE_S)
        found.per_s = sent / took_s
        found.lost = sent + 1 - taken
        return found
    finally:
        await client.aclose()
        writer.join(LATE_S)
        if writer.is_alive():
            writer.kill()
            writer.join()


async def _told(connection: Connection, limit_s: float) -> tuple[int, float]:
    if not await asyncio.to_thread(connection.poll, limit_s):
        raise TimeoutError("the writer said nothing")
    return connection.recv()


def _room(n: int) -> str:
    return f"fan-{n}"


def _write(url: str, asked: FanIn, connection: Connection) -> None:
    asyncio.run(_written(url, asked, connection))


async def _written(url: str, asked: FanIn, connection: Connection) -> None:
    client = redis_client(url)
    rooms = [ConversationStream(client, _room(n)) for n in range(asked.rooms)]
    chance = random.Random(asked.rooms)

    async def write(stream: ConversationStream, what: str) -> None:
        await stream.publish(events.AgentFailed(participant=SOURCE, what=what), source=SOURCE)

    for stream in rooms:
        await write(stream, "0")
    connection.send((0, 0.0))
    await asyncio.to_thread(connection.recv)
    async with quiet_memory():
        begun_s = time.monotonic()
        sent, until_s = 0, begun_s + WARM_UP_S + asked.lasts_s
        while (now_s := time.monotonic()) < until_s:
            due_s = begun_s + sent / asked.per_s
            if now_s < due_s:
                await asyncio.sleep(due_s - now_s)
            await write(chance.choice(rooms), repr(time.monotonic()))
            sent += 1
    took_s = time.monotonic() - begun_s
    for stream in rooms[:1]:
        await asyncio.sleep(0.5)  # what is still on its way comes before
        await write(stream, "over")
    connection.send((sent, took_s))
    await client.aclose()


class OneNodeCluster:
    """A Redis Cluster of one node that serves every slot; `with OneNodeCluster() as url`."""

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="swarm-cluster-")
        port = _free_port()
        binary = available_binaries()[-1]
        arguments = ["--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", ""]
        self._process = subprocess.Popen(
            [binary, *arguments, "--dir", self._folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.url = f"redis+cluster://127.0.0.1:{port}"
        try:
            self._ready(port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ready(self, port: int) -> None:
        end_s = time.monotonic() + START_LIMIT_S
        with contextlib.closing(blocking_redis.Redis(port=port, decode_responses=True)) as client:
            assigned = False
            while time.monotonic() < end_s and self._process.poll() is None:
                with contextlib.suppress(blocking_redis.ConnectionError):
                    if not assigned:
                        client.execute_command("CLUSTER", "ADDSLOTS", *range(SLOTS))
                        assigned = True
                    if "cluster_state:ok" in str(client.execute_command("CLUSTER", "INFO")):
                        return
                time.sleep(0.05)
        raise TimeoutError(f"the Cluster did not begin within {START_LIMIT_S:.0f} s")


def _free_port() -> int:
    """Return a port that is free, as is the one of the Cluster's bus, 10,000 higher."""
    while True:
        port = random.randrange(20_000, 50_000)
        with socket.socket() as one, socket.socket() as other, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            return port

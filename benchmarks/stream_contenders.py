"""Publishing and consuming one room's events: ours, bare redis-py, and FastStream, on the same Redis."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import statistics
import time
import typing
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis.asyncio
from pydantic import BaseModel, Json

from streams import ConsumerSettings, ConversationStream, events, keys, new_request_id
from streams.connection import redis_client
from streams.publish_call import PublishCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streams import Recorded

ROOM = "bench"
SOURCE = "ann"
TOKEN = 7
COUNT = 100
"""Entries in one read, one batch and one pipeline, for everybody."""
WARM_UP = 50
ENDS_S = 120.0

OURS, RAW, FASTSTREAM, DICTS = "ours", "redis-py", "faststream", "faststream, dicts"


def said(n: int) -> events.Utterance:
    return events.Utterance(
        participant=SOURCE,
        utterance_id=f"u-{n}",
        generated_text="I can move your appointment to Tuesday at ten, if that suits you.",
        heard_text="I can move your appointment to Tuesday",
        heard_ms=2140.0,
        generated_ms=3980.0,
        interrupted=True,
    )


@dataclass(slots=True)
class Meter:
    """Counts entries, and the time from the end of the first batch to the end of the last.

    So everybody is measured over as many reads, as many handled entries and as many acknowledgements.
    """

    wanted: int
    count: int = 0
    counted_before: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    processor_s: float = 0.0

    def take(self, number: int = 1) -> bool:
        """Count; True with the last one."""
        self.count += number
        self.last_s = time.perf_counter()
        if not self.counted_before and self.count >= COUNT:
            self.counted_before, self.first_s, self.processor_s = (
                self.count,
                self.last_s,
                -time.process_time(),
            )
        if self.count < self.wanted:
            return False
        self.processor_s += time.process_time()
        return True

    @property
    def us(self) -> float:
        """Microseconds for each entry."""
        return (self.last_s - self.first_s) * 1e6 / (self.count - self.counted_before)

    @property
    def processor_us(self) -> float:
        """Microseconds of this process's processor time for each entry."""
        return self.processor_s * 1e6 / (self.count - self.counted_before)


async def fill(url: str, number: int) -> int:
    """Empty the Redis and write `number` events into the room; return how many entries there are."""
    client = redis_client(url)
    await client.flushall()
    stream = ConversationStream(client, ROOM)
    for start in range(0, number, 500):
        calls = [
            PublishCall.of(said(n), room=ROOM, source=SOURCE) for n in range(start, min(number, start + 500))
        ]
        await stream.publish_all(calls)
    length = int(await client.xlen(keys.stream(ROOM)))
    await client.aclose()
    return length


@asynccontextmanager
async def quiet_memory() -> AsyncIterator[None]:
    """Keep what was there before out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def consume_ours(url: str, number: int, *, batched: bool) -> Meter:
    """Measure an event: read by a group, decoded, handled, acknowledged."""
    client, meter = redis_client(url), Meter(number)
    settings = ConsumerSettings(batch=COUNT, ack_every=COUNT if batched else 1)
    member = ConversationStream(client, ROOM).consumer(uuid.uuid4().hex, "one", settings=settings)

    async def handle(recorded: Recorded) -> None:
        if meter.take():
            member.stop()

    async with quiet_memory(), asyncio.timeout(ENDS_S):
        await member.run(handle)
    await client.aclose()
    return meter


async def consume_raw(url: str, number: int, *, batched: bool) -> Meter:
    """Measure an entry: XREADGROUP, a handler that gets the fields as they are, XACK."""
    client: Any = redis.asyncio.Redis.from_url(url, decode_responses=True)
    key, group, meter = keys.stream(ROOM), uuid.uuid4().hex, Meter(number)
    await client.xgroup_create(key, group, "0")
    over = False

    async def handle(fields: dict[str, str]) -> None:
        nonlocal over
        over = meter.take()

    async with quiet_memory(), asyncio.timeout(ENDS_S):
        while not over:
            [(_, entries)] = await client.xreadgroup(group, "one", {key: ">"}, count=COUNT)
            for entry_id, fields in entries:
                await handle(fields)
                if not batched:
                    await client.xack(key, group, entry_id)
            if batched:
                await client.xack(key, group, *[entry_id for entry_id, _ in entries])
    await client.aclose()
    return meter


class Entry(BaseModel):
    """An entry as a user of FastStream would declare it: validated, the event in it typed."""

    kind: str
    type: str
    room: str
    session: str
    seq: int
    prev: str
    source: str
    at_ms: int
    occurred_ms: int
    v: int
    token: int | None = None
    late: bool = False
    traceparent: str | None = None
    data: Json[events.Utterance]


async def consume_faststream(url: str, number: int, *, batched: bool, typed: bool) -> Meter:
    """Measure an entry with FastStream: its handler gets an `Entry`, or else the fields as a dict."""
    from faststream.redis import RedisBroker, StreamSub

    logging.getLogger("faststream").setLevel(logging.ERROR)
    client: Any = redis.asyncio.Redis.from_url(url)
    group, over, meter = uuid.uuid4().hex, asyncio.Event(), Meter(number)
    await client.xgroup_create(keys.stream(ROOM), group, "0")
    # What opens the room is no utterance: nobody's model has to take it.
    await client.xreadgroup(group, "one", {keys.stream(ROOM): ">"}, count=1)
    meter.wanted -= 1
    await client.aclose()
    broker = RedisBroker(url, logger=None)
    sub: Any = StreamSub(
        keys.stream(ROOM), group=group, consumer="one", batch=batched, max_records=COUNT, last_id=">"
    )

    def take(number: int = 1) -> None:
        if meter.take(number):
            over.set()

    async def one_typed(event: events.Utterance) -> None:
        take()

    async def one(entry: dict[str, Any]) -> None:
        take()

    async def many_typed(entries: list[Entry]) -> None:
        take(len(entries))

    async def many(entries: list[dict[str, Any]]) -> None:
        take(len(entries))

    handlers: dict[tuple[bool, bool], Any] = {
        (False, False): one,
        (False, True): one_typed,
        (True, False): many,
        (True, True): many_typed,
    }
    for handler in handlers.values():  # annotations as types: this module's are strings
        handler.__annotations__ = typing.get_type_hints(handler, {**globals(), "Entry": Entry})
    broker.subscriber(stream=sub)(handlers[batched, typed])
    async with quiet_memory(), asyncio.timeout(ENDS_S), broker:
        await broker.start()
        await over.wait()
    return meter


async def publish(url: str, number: int) -> dict[str, float]:
    """Return the median us of one publish of ours and of a bare XADD of the same fields, in turns."""
    ours, plain = redis_client(url), redis.asyncio.Redis.from_url(url)
    await ours.flushall()
    stream = ConversationStream(ours, ROOM)
    await ours.hset(keys.tokens(ROOM), str(TOKEN), SOURCE)
    fields = await _fields(stream)
    took: dict[str, list[float]] = {OURS: [], RAW: []}
    calls: dict[str, Callable[[int], Awaitable[Any]]] = {
        OURS: lambda n: stream.publish(
            said(n), source=SOURCE, token=TOKEN, request_id=new_request_id(stream.server_clock.now_ms())
        ),
        RAW: lambda n: plain.xadd("bare", {**fields, "data": said(n).model_dump_json(exclude={"type"})}),
    }
    async with quiet_memory():
        for n in range(WARM_UP + number):
            for name, call in calls.items():
                begun_s = time.perf_counter()
                await call(n)
                if n >= WARM_UP:
                    took[name].append(time.perf_counter() - begun_s)
    await ours.aclose()
    await plain.aclose()
    return {name: statistics.median(times) * 1e6 for name, times in took.items()}


async def publish_pipelined(url: str, number: int) -> dict[str, float]:
    """Return us an event in pipelines of COUNT, ours and bare XADD of the same fields, in turns."""
    ours, plain = redis_client(url), redis.asyncio.Redis.from_url(url)
    await ours.flushall()
    stream = ConversationStream(ours, ROOM)
    fields = await _fields(stream)
    took: dict[str, list[float]] = {OURS: [], RAW: []}

    async def write_ours() -> None:
        now_ms = stream.server_clock.now_ms()
        await stream.publish_all(
            [
                PublishCall.of(said(n), room=ROOM, source=SOURCE, request_id=new_request_id(now_ms))
                for n in range(COUNT)
            ]
        )

    async def write_bare() -> None:
        async with plain.pipeline(transaction=False) as pipe:
            for n in range(COUNT):
                pipe.xadd("bare", {**fields, "data": said(n).model_dump_json(exclude={"type"})})
            await pipe.execute()

    async with quiet_memory():
        for n in range(3 + number // COUNT):
            for name, write in ((OURS, write_ours), (RAW, write_bare)):
                begun_s = time.perf_counter()
                await write()
                if n >= 3:
                    took[name].append(time.perf_counter() - begun_s)
    await ours.aclose()
    await plain.aclose()
    return {name: statistics.median(times) * 1e6 / COUNT for name, times in took.items()}


async def _fields(stream: ConversationStream) -> dict[Any, Any]:
    """Write one event as ours does, and return the fields of its entry."""
    recorded = await stream.publish(said(0), source=SOURCE)
    [(_, fields)] = await stream.redis.xrange(keys.stream(ROOM), min=recorded.id, max=recorded.id)
    json.loads(fields["data"])
    return dict(fields)

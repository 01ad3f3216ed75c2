"""Producers and consumers of the proof of delivery, each a process that may be killed at any moment.

What they did stands in files, written line by line without a buffer, so that a kill loses nothing of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from streams import ConsumerSettings, ConversationStream, consumer, events, new_request_id
from streams.connection import redis_client
from streams.errors import StreamUnavailableError
from streams.publish_call import PublishCall

if TYPE_CHECKING:
    from streams import Fork, Gap, Recorded

GROUP = "proof"
TRIES = 5
"""More than the kills, which come at random, will hit one entry's tries on a busy machine."""
BATCH = 100
POISON = "poison"
DEADLY = "deadly"
"""A consumer that handles this one dies of it."""


def settings(ack_every: int) -> ConsumerSettings:
    """Return how the proof's consumers work: with short leases, so that rooms move often."""
    return ConsumerSettings(
        ack_every=ack_every,
        tries=TRIES,
        first_delay_ms=5,
        longest_delay_ms=20,
        lease_ms=500,
        drain_ms=1000,
    )


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


def produce(url: str, rooms: list[str], directory: str, pause_s: float) -> None:
    """Publish batches to random rooms until killed; a line for each one that Redis confirmed."""
    asyncio.run(_produce(url, rooms, directory, pause_s))


async def _produce(url: str, rooms: list[str], directory: str, pause_s: float) -> None:
    me = f"{os.getpid()}-{secrets.token_hex(3)}"
    notes = _notes(directory, f"confirmed-{me}")
    redis = redis_client(url)
    streams = {room: ConversationStream(redis, room) for room in rooms}
    chance, sent = random.Random(), 0
    while True:
        room = chance.choice(rooms)
        stream, calls = streams[room], list[PublishCall]()
        while not calls:
            try:
                now_ms = (await stream.measure_clock(rounds=1)).now_ms()
            except StreamUnavailableError:
                await asyncio.sleep(0.05)
                continue
            for _ in range(BATCH):
                sent += 1
                request_id = new_request_id(now_ms)
                calls.append(
                    PublishCall.of(said(f"{me} {sent}"), room=room, source="producer", request_id=request_id)
                )
        while True:  # the same request ids: whether the batch was written before Redis went is not known
            try:
                outcomes = await stream.publish_all(calls)
            except StreamUnavailableError:
                await asyncio.sleep(0.05)
                continue
            break
        ids = [outcome.id for outcome in outcomes if not isinstance(outcome, Exception)]
        os.write(notes, f"{room} {' '.join(ids)}\n".encode())
        await asyncio.sleep(pause_s)


def consume(url: str, directory: str, ack_every: int) -> None:
    """Handle every room's events until killed, or until SIGTERM; a line for each."""
    asyncio.run(_consume(url, directory, ack_every))


async def _consume(url: str, directory: str, ack_every: int) -> None:
    me = f"{os.getpid()}-{secrets.token_hex(3)}"
    handled, missed = _notes(directory, f"handled-{me}"), _notes(directory, f"missed-{me}")
    redis = redis_client(url)

    def take(recorded: Recorded) -> None:
        text = getattr(recorded.event, "text", "")
        if text == POISON:
            raise ValueError(text)
        if text == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        line = f"{time.monotonic_ns()} {recorded.room} {recorded.session} {recorded.seq} {recorded.id}\n"
        os.write(handled, line.encode())

    def miss(what: Gap | Fork) -> None:
        os.write(missed, f"{what}\n".encode())

    member = consumer(redis, GROUP, f"c-{me}", settings=settings(ack_every), on_missed=miss)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, member.stop)
    await member.run(take)
    await redis.aclose()


def _notes(directory: str, name: str) -> int:
    return os.open(Path(directory) / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

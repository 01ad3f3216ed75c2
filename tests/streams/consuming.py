"""What the suites of consumers share: events, foreign entries, and a run that ends when enough was seen."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from streams import Consumer, ConsumerSettings, ConversationStream, events
from streams.publish_call import PublishCall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from redis.asyncio import Redis

    from streams import Fork, Gap, Recorded

QUICK = ConsumerSettings(first_delay_ms=1, longest_delay_ms=5, lease_ms=600, tries=3)


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


async def say(redis: Redis, room: str, *texts: str) -> list[str]:
    """Publish one event for each text, and return their ids."""
    calls = [PublishCall.of(said(text), room=room, source="x") for text in texts]
    outcomes = await ConversationStream(redis, room).publish_all(calls)
    return [outcome.id for outcome in outcomes if not isinstance(outcome, Exception)]


def text_of(recorded: Recorded) -> str:
    return recorded.event.text if isinstance(recorded.event, events.Transcript) else recorded.type


class Seen:
    """A handler that collects what it gets; `fails` says for which texts it fails, and how often."""

    def __init__(self, fails: dict[str, int] | None = None) -> None:
        self.entries: list[Recorded] = []
        self.missed: list[Gap | Fork] = []
        self.tried: list[str] = []
        self._fails = dict(fails or {})
        self._came = asyncio.Event()

    async def __call__(self, recorded: Recorded) -> None:
        text = text_of(recorded)
        self.tried.append(text)
        if self._fails.get(text, 0) > 0:
            self._fails[text] -= 1
            raise ValueError(f"cannot take {text}")
        self.entries.append(recorded)
        self._came.set()

    @property
    def texts(self) -> list[str]:
        return [text for text in map(text_of, self.entries) if text != "ROOM_OPENED"]

    def of(self, room: str) -> list[str]:
        return [text_of(e) for e in self.entries if e.room == room and e.type != "ROOM_OPENED"]

    async def wait(self, number: int) -> list[str]:
        await until(lambda: len(self.texts) >= number, self._came)
        return self.texts


async def until(holds: Callable[[], bool], came: asyncio.Event | None = None, limit_s: float = 15.0) -> None:
    """Wait until `holds`, looked at whenever `came` is set, or else every 10 ms."""
    async with asyncio.timeout(limit_s):
        while not holds():
            if came is None:
                await asyncio.sleep(0.01)
            else:
                came.clear()
                await came.wait()


@contextlib.asynccontextmanager
async def running(*members: tuple[Consumer, Any]) -> AsyncIterator[None]:
    """Run consumers with their handlers beside the body; they are stopped at its end."""
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        for consumer, handler in members:
            tasks.create_task(consumer.run(handler))
        yield
        for consumer, _ in members:
            consumer.stop()

"""Contenders for one room's floor while its Redis fails, and what their record shows afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from streams import ConversationStream, events
from streams.connection import redis_client
from streams.errors import StreamUnavailableError
from swarm.errors import FloorDeniedError
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from redis.asyncio import Redis

    from streams.events import Recorded

T = TypeVar("T")
LEASE_MS = 600
SETTINGS = FloorSettings(lease_ms=LEASE_MS, take_up_ms=500, guard_ms=0)
_HOLD_S = 0.03


@dataclass(frozen=True, slots=True)
class Held:
    """One grant, by the holder's own word: from its taking up to the end of its validity."""

    who: str
    token: int
    from_s: float
    until_s: float


@dataclass(slots=True)
class Storm:
    """What was granted, what was acknowledged as written, what was refused."""

    held: list[Held] = field(default_factory=list[Held])
    acknowledged: list[Recorded] = field(default_factory=list["Recorded"])
    refusals: list[str] = field(default_factory=list[str])
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, held: Held) -> None:
        self.held.append(held)
        self.came.set()

    def tokens(self) -> list[int]:
        return [each.token for each in self.held]

    def reused_tokens(self) -> int:
        return len(self.held) - len(set(self.tokens()))

    def doubly_held_ms(self) -> float:
        """Return for how long in all two holders were sure to hold the floor."""
        spans = sorted((each.from_s, each.until_s) for each in self.held)
        total_s, latest_s = 0.0, 0.0
        for start_s, end_s in spans:
            total_s += max(0.0, min(end_s, latest_s) - start_s)
            latest_s = max(latest_s, end_s)
        return total_s * 1000

    def longest_pause_ms(self) -> float:
        """Return the longest time that nobody held the floor."""
        spans = sorted((each.from_s, each.until_s) for each in self.held)
        pauses = [later[0] - earlier[1] for earlier, later in itertools.pairwise(spans)]
        return max(pauses, default=0.0) * 1000

    async def lost_events(self, redis: Redis, room: str) -> int:
        """Return how many acknowledged entries the stream does not hold."""
        kept = {each.id for each in await ConversationStream(redis, room).read()}
        return sum(each.id not in kept for each in self.acknowledged)


async def contend(storm: Storm, url: str, room: str, who: str, *, hold_s: float = _HOLD_S) -> None:
    """Ask, hold, report, let go, again and again, on a client of its own; until cancelled."""
    client = redis_client(url, socket_timeout=2.0, socket_connect_timeout=2.0)
    try:
        async with TalkingStick(client, room, settings=SETTINGS, margin_ms=50, call_limit_s=2.0) as stick:
            stream = ConversationStream(client, room, timeout_s=2.0)
            while True:
                await _turn(storm, stick, stream, Participant(who), hold_s)
    finally:
        await client.aclose()


async def _turn(
    storm: Storm, stick: TalkingStick, stream: ConversationStream, participant: Participant, hold_s: float
) -> None:
    try:
        async with stick.hold(participant) as grant:
            token, from_s, until_s = grant.token, time.monotonic(), time.monotonic()
            while grant.valid() and until_s - from_s < hold_s:
                await asyncio.sleep(0.005)
                until_s = time.monotonic()
            storm.add(Held(participant.identity, token, from_s, until_s))
            with contextlib.suppress(StreamUnavailableError):
                storm.acknowledged.append(await stream.publish(said(str(token)), source=participant.identity))
    except StreamUnavailableError as error:
        storm.refusals.append(error.reason)
        await asyncio.sleep(0.05)
    except FloorDeniedError as error:
        storm.refusals.append(error.reason)
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def storm_over(url: str, room: str, *, contenders: int = 4) -> AsyncGenerator[Storm]:
    """Have `contenders` contend for the length of the body."""
    storm = Storm()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(contend(storm, url, room, f"agent{number}")) for number in range(contenders)
        ]
        yield storm
        for task in tasks:
            task.cancel()


async def grants_after(storm: Storm, number: int, *, limit_s: float = 20.0) -> None:
    """Wait for `number` grants more."""
    wanted = len(storm.held) + number
    async with asyncio.timeout(limit_s):
        while len(storm.held) < wanted:
            storm.came.clear()
            await storm.came.wait()


async def once_back(request: Callable[[], Awaitable[T]], *, limit_s: float = 10.0) -> T:
    """Return what `request` returns, asked again as long as Redis is away."""
    async with asyncio.timeout(limit_s):
        while True:
            try:
                return await request()
            except StreamUnavailableError:
                await asyncio.sleep(0.05)


class Heard:
    """Entries of a room as a hub hands them over."""

    def __init__(self) -> None:
        self.entries: list[Recorded] = []
        self._came = asyncio.Event()

    def __call__(self, recorded: Recorded) -> None:
        self.entries.append(recorded)
        self._came.set()

    async def until(self, text: str, limit_s: float = 20.0) -> None:
        """Wait for the transcript of `text`."""
        async with asyncio.timeout(limit_s):
            while not any(getattr(each.event, "text", None) == text for each in self.entries):
                self._came.clear()
                await self._came.wait()

    @property
    def texts(self) -> list[str]:
        return [each.event.text for each in self.entries if isinstance(each.event, events.Transcript)]


def said(text: str) -> events.Transcript:
    """Return an event with `text`."""
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


__all__ = ("LEASE_MS", "Heard", "Held", "Storm", "contend", "grants_after", "once_back", "said", "storm_over")

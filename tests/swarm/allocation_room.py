"""Processes of one room that decide together who answers; their agents only bid."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from streams import events as ev
from streams.conversation_stream import ConversationStream
from streams.hub import StreamHub
from streams.outbox import Outbox
from streams.vocabulary import ParticipantKind
from swarm.allocator import TurnAllocator
from swarm.bidders import Bidders
from swarm.bids import Bids
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.roster import Roster
from swarm.speech_notes import Turn
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from redis.asyncio import Redis

    from streams.events import Recorded
    from swarm.allocation_scores import Scorer
    from swarm.allocation_settings import AllocationSettings

ROOM = "r"
AGENTS = ("nora", "otto", "pia")
CHAIR = Participant("judy", ParticipantKind.PERSON, "chair")
TURN = Turn("s1", "ada", "Otto, what now", 1_000, 2_000)


class Process:
    """One process: its allocator and all that feeds it."""

    def __init__(
        self,
        redis: Redis,
        name: str,
        settings: AllocationSettings | None,
        scorers: Mapping[str, Scorer | None],
    ) -> None:
        self.stream = ConversationStream(redis, ROOM)
        self.hub = StreamHub(redis)
        self.outbox = Outbox(self.stream)
        self.roster = Roster(redis, ROOM)
        self.stick = TalkingStick(redis, ROOM, hub=self.hub, settings=FloorSettings(take_up_ms=60))
        self.bids = Bids(redis, ROOM)
        self.seen: list[Recorded] = []
        self.allocator = TurnAllocator(
            self.stream,
            stick=self.stick,
            roster=self.roster,
            bids=self.bids,
            bidders=Bidders(self.bids, scorers, self.outbox),
            process=name,
            settings=settings,
        )

    async def join(self, stack: AsyncExitStack) -> Process:
        await self.stream.measure_clock(rounds=1)
        for part in (self.hub, self.outbox, self.stick):
            await stack.enter_async_context(part)
        await self.hub.watch(ROOM, self.take)
        for agent in AGENTS:
            await self.roster.beat(agent, ParticipantKind.AGENT, "host" if agent == "nora" else "")
        await stack.enter_async_context(self.allocator)
        return self

    def take(self, entry: Recorded) -> None:
        self.seen.append(entry)
        self.roster.feed(entry)
        self.allocator.feed(entry)

    def events(self, kind: type[Any]) -> list[Any]:
        return [entry.event for entry in self.seen if isinstance(entry.event, kind)]

    async def until(self, check: Callable[[], object], limit_s: float = 10.0) -> None:
        async with asyncio.timeout(limit_s):
            while not check():  # noqa: ASYNC110 (what is waited for is anything a test can see)
                await asyncio.sleep(0.005)

    async def ends(self, turn: Turn = TURN) -> None:
        """Have the turn written as a scribe writes it."""
        started = ev.SpeechStarted(participant=turn.person, speech_id=turn.speech_id)
        await self.stream.publish(started, source="scribe", occurred_ms=turn.onset_ms)
        said = ev.Transcript(participant=turn.person, speech_id=turn.speech_id, text=turn.text, final=True)
        await self.stream.publish(said, source="scribe", occurred_ms=turn.ended_ms)


@asynccontextmanager
async def processes(
    redis: Redis,
    settings: AllocationSettings | None,
    count: int = 2,
    scorers: Mapping[str, Scorer | None] | None = None,
) -> AsyncIterator[list[Process]]:
    """Processes of one room; the first runs all its agents."""
    async with AsyncExitStack() as stack:
        every = dict.fromkeys(AGENTS) if scorers is None else scorers
        yield [
            await Process(redis, f"p{n}", settings, every if n == 0 else {}).join(stack) for n in range(count)
        ]


def turns(process: Process) -> list[ev.FloorRequested]:
    return [event for event in process.events(ev.FloorRequested) if event.request_id.startswith("turn:")]

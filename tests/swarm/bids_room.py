"""A room with agents that bid, and what it has on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams import events as ev
from streams.conversation_stream import ConversationStream
from streams.vocabulary import ParticipantKind
from swarm.allocation import Choice
from swarm.bids import Bids
from swarm.roster import Roster

if TYPE_CHECKING:
    from redis.asyncio import Redis

ROOM = "r"
AGENTS = ("ada", "grace", "linus")
HOST = Choice("ada", "host")
WINDOW_MS = 300
START_US = 1_700_000_000_000_000
CLOCK = "test:clock"


async def joined(redis: Redis) -> Bids:
    roster = Roster(redis, ROOM)
    for agent in AGENTS:
        await roster.join(agent, ParticipantKind.AGENT)
    await roster.join("paul", ParticipantKind.PERSON)
    return Bids(redis, ROOM)


async def written(redis: Redis) -> list[tuple[ev.Bid, bool]]:
    entries = await ConversationStream(redis, ROOM).read()
    return [(entry.event, entry.late) for entry in entries if isinstance(entry.event, ev.Bid)]

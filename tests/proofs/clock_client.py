"""A process that holds the floor again and again while its wall clock is set; says what it notices, as JSON.

Run as `python -m tests.proofs.clock_client URL ROOM TURNS HOLD_S LEASE_MS`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime

from streams.connection import redis_client
from streams.conversation_stream import ConversationStream
from streams.events import StateChanged
from streams.outbox import Outbox
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick


def _shift_s() -> float:
    """Return how far the wall clock is from the monotonic one."""
    return datetime.now(UTC).timestamp() - time.monotonic()


async def main(url: str, room: str, turns: int, hold_s: float, lease_ms: int) -> None:
    redis = redis_client(url)
    settings = FloorSettings(lease_ms=lease_ms, take_up_ms=lease_ms, guard_ms=0)
    stream = ConversationStream(redis, room)
    lost: list[str] = []
    shifts: list[float] = []
    invalid = 0
    first_s = _shift_s()
    async with Outbox(stream) as outbox, TalkingStick(redis, room, settings=settings) as stick:
        print(json.dumps({"ready": True}), flush=True)
        for turn in range(turns):
            async with stick.hold(Participant("set-clock")) as grant:
                ends_s = time.monotonic() + hold_s
                while time.monotonic() < ends_s:
                    await asyncio.sleep(0.01)
                    invalid += not grant.valid()
                    shifts.append(_shift_s() - first_s)
                if grant.lost.is_set():
                    lost.append(grant.lost.reason)
                event = StateChanged(participant="set-clock", old="a", new="b", cause=f"turn {turn}")
                outbox.report(event, source="set-clock", token=grant.token)
    await redis.aclose()
    told = {"lost": lost, "invalid": invalid, "least_s": min(shifts), "most_s": max(shifts)}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5])))

"""Processes that contend for the floor or write down speech, for the tests that kill and stop them.

Run as `python -m tests.swarm.floor_process PART URL ROOM NAME ...`; what happens is a line of JSON on stdout.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

from adapters.ports import SpeechEnded, SpeechStarted, WordsHeard
from streams.connection import redis_client
from streams.conversation_stream import ConversationStream
from streams.hub import StreamHub
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.scribe import Scribe, ScribeSettings, Turn
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from redis.asyncio import Redis

SETTINGS = FloorSettings(lease_ms=1_000, take_up_ms=300, guard_ms=50)
WRITES = "test:writes"


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def contend(redis: Redis, room: str, name: str, contenders: int, rounds: int, lease_ms: int) -> None:
    """Take turns; while holding, write the token to a list that accepts what is fenced only."""
    fenced = redis.register_script(
        "if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[2]) or '0') then return 0 end "
        "redis.call('SET', KEYS[2], ARGV[1]) redis.call('RPUSH', KEYS[1], ARGV[1] .. ' ' .. ARGV[2]) return 1"
    )

    async def one(stick: TalkingStick, who: str) -> None:
        for _ in range(rounds):
            async with stick.hold(Participant(who)) as grant:
                for step in ("in", "out"):
                    if grant.valid():
                        keys = [f"{WRITES}:{room}", f"{WRITES}:{room}:fence"]
                        await fenced(keys=keys, args=[grant.token, f"{who} {step}"])

    settings = FloorSettings(lease_ms=lease_ms, take_up_ms=lease_ms, guard_ms=0)
    async with TalkingStick(redis, room, settings=settings) as stick:
        say(ready=name)
        async with asyncio.TaskGroup() as tasks:
            for n in range(contenders):
                tasks.create_task(one(stick, f"{name}-{n}"))
    say(done=name)


async def hold(redis: Redis, room: str, name: str) -> None:
    """Hold the floor until told to stop, and say what the grant thinks whenever this process gets to run."""
    async with TalkingStick(redis, room, settings=SETTINGS) as stick, stick.hold(Participant(name)) as grant:
        say(token=grant.token)
        last_s = time.monotonic()
        while not grant.lost.is_set():
            now_s = time.monotonic()
            if now_s - last_s > 0.3:
                # The first thing that runs after a stop, before any event or reply was read.
                say(woke=True, valid=grant.valid(), until_passed=now_s > grant.may_speak_until_s)
            last_s = now_s
            await asyncio.sleep(0)
        say(lost=grant.lost.reason)


async def scribe(
    redis: Redis, room: str, name: str, started_s: float, sentences: int, every_s: float
) -> None:
    """Hear the sentences that the other processes hear, a little skewed; say which turns were answered."""

    async def on_turn(turn: Turn) -> None:
        say(turn=turn.speech_id, text=turn.text)

    stream = ConversationStream(redis, room)
    settings = ScribeSettings(lease_ms=500, words_limit_s=0.5)
    async with (
        StreamHub(redis) as hub,
        Scribe(stream, hub=hub, process=name, on_turn=on_turn, settings=settings) as writing,
    ):
        say(ready=name)
        skew_s = 0.02 * (sum(name.encode()) % 5)
        for n in range(sentences):
            onset_s = started_s + n * every_s + skew_s
            await asyncio.sleep(max(0.0, onset_s - time.monotonic()))
            speech = f"{name}-{n}"
            writing.on_speech_started(SpeechStarted(speech, "paul", onset_s, time.monotonic(), 0))
            say(onset=n, leads=writing.leads)
            await asyncio.sleep(every_s / 4)
            writing.on_words(WordsHeard(speech, "paul", f"sentence {n}", final=False))
            writing.on_speech_ended(SpeechEnded(speech, "paul", time.monotonic(), every_s * 250, 4000))
            writing.on_words(WordsHeard(speech, "paul", f"sentence {n}", final=True))
        await asyncio.sleep(1.5)
    say(done=name)


async def main(part: str, url: str, room: str, name: str, *more: str) -> None:
    redis = redis_client(url)
    try:
        match part:
            case "contend":
                await contend(redis, room, name, *map(int, more))
            case "hold":
                await hold(redis, room, name)
            case "scribe":
                await scribe(redis, room, name, float(more[0]), int(more[1]), float(more[2]))
            case _:
                raise SystemExit(f"no such part: {part}")
    finally:
        await redis.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

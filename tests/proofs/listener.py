"""A process that hears one person, as several others do: tells the floor and the scribe what it hears."""

from __future__ import annotations

import asyncio
import random
import time

from adapters.ports import SpeechEnded, SpeechStarted, WordsHeard
from streams.connection import redis_client
from streams.conversation_stream import ConversationStream
from streams.hub import StreamHub
from swarm.floor_calls import FloorCalls
from swarm.people import PeopleWatch
from swarm.scribe import Scribe, ScribeSettings, Turn
from swarm.talking_stick import TalkingStick

PERSON = "paul"
PERIOD_S = 0.9
JUDGED_S, ENDED_S, LATE_S = 0.03, 0.15, 0.55
"""After an onset: when it is judged an interruption, when the speech ends, when the late one reports."""
FINAL_S = 0.05
"""From the end of speech to the recogniser's last word."""


def reports_key(room: str) -> str:
    """List of `onset observed_token late changed`, one for each pre-emption that was reported."""
    return f"proof:{{{room}}}:reports"


def ready_key(room: str) -> str:
    """List of the listeners that are ready."""
    return f"proof:{{{room}}}:ready"


def start_key(room: str, number: int) -> str:
    """List with one entry: the monotonic time at which the first onset is."""
    return f"proof:{{{room}}}:start:{number}"


def listen(url: str, room: str, number: int, onsets: int) -> None:
    """Hear `onsets` onsets from the start that is given in Redis, each a little skewed; report each twice.

    The second report is late: it comes when the next agent holds the floor, and names the token of before.
    """
    asyncio.run(_listen(url, room, number, onsets))


async def _listen(url: str, room: str, number: int, onsets: int) -> None:
    redis = redis_client(url)
    chance = random.Random(number)
    name = f"listener{number}"

    async def on_turn(turn: Turn) -> None:
        """Nobody answers: who waits is served."""

    async def report(stick: TalkingStick, onset: int, token: int, *, late: bool) -> None:
        changed = await stick.preempt(PERSON, token, reason="said stop")
        await redis.rpush(reports_key(room), f"{onset} {token} {int(late)} {int(changed)}")

    calls = FloorCalls()
    async with (
        StreamHub(redis) as hub,
        TalkingStick(redis, room, hub=hub) as stick,
        Scribe(
            ConversationStream(redis, room),
            hub=hub,
            process=name,
            on_turn=on_turn,
            settings=ScribeSettings(words_limit_s=0.3),
        ) as scribe,
        asyncio.TaskGroup() as tasks,
    ):
        people = PeopleWatch(stick=stick, scribe=scribe, calls=calls)
        scribe.on_done = people.turn_done
        running = tasks.create_task(calls.run())
        await redis.rpush(ready_key(room), name)
        _, start_s = await redis.blpop([start_key(room, number)])
        for onset in range(onsets):
            onset_s = float(start_s) + onset * PERIOD_S + chance.uniform(0.0, 0.02)
            await asyncio.sleep(onset_s - time.monotonic())
            speech_id, observed = f"{name}-{onset}", stick.token
            people.on_speech_started(SpeechStarted(speech_id, PERSON, onset_s, time.monotonic(), 0))
            await asyncio.sleep(onset_s + JUDGED_S - time.monotonic())
            people.on_words(WordsHeard(speech_id, PERSON, "stop", final=False))
            await report(stick, onset, observed, late=False)
            await asyncio.sleep(onset_s + ENDED_S - time.monotonic())
            people.on_speech_ended(SpeechEnded(speech_id, PERSON, time.monotonic(), ENDED_S * 1000, 2_400))
            await asyncio.sleep(FINAL_S)
            people.on_words(WordsHeard(speech_id, PERSON, f"stop {onset}", final=True))
            await asyncio.sleep(onset_s + LATE_S - time.monotonic())
            await report(stick, onset, observed, late=True)
        await asyncio.sleep(0.5)
        people.close()
        running.cancel()
    await redis.aclose()

"""From the model's `interrupted` to INTERRUPTION in Redis, in round trips of a PING on the same link.

On the loopback a PING takes less time than Python needs to encode an event and pack a command, and tells
nothing about how often the two sides wait for each other. So the link is one of 5 ms each way.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent_voice import RATE_HZ
from contenders.contender import AGENT
from contenders.panel import SaysWords, Sound
from far_redis import FarRedis
from google.adk.events.event import Event as AdkEvent
from google.adk.integrations.redis import RedisSessionService
from google.genai import types

from adapters.livekit_adapter import LiveKitAdapter
from adapters.memory_room import InMemoryRoom
from host_agent import HeardCascadeLive, UniversalHostAgent, WordEgress
from host_agent.ports import Prompt
from streams.connection import redis_client
from streams.conversation_stream import ConversationStream
from streams.events import Interruption
from streams.outbox import Outbox
from streams.vocabulary import Decision, ParticipantKind, Verdict
from swarm.embedded_redis import EmbeddedRedis
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from streams.errors import StreamError
    from streams.events import Event, Recorded
    from streams.publish_call import PublishCall

WORDS = 20
SPEAKS_S = 0.05
PINGS = 20
LIMIT_S = 5.0
ONE_WAY_S = 0.005
SESSION = "published"


class _Stream(ConversationStream):
    """Notes when Redis has answered that an INTERRUPTION is written."""

    written_s = 0.0

    async def publish_all(self, calls: Sequence[PublishCall]) -> list[Recorded | StreamError]:
        written = await super().publish_all(calls)
        if any(isinstance(call.event, Interruption) for call in calls):
            self.written_s = time.monotonic()
        return written


class _Stamped:
    """Hands reports to the outbox, and notes when the model had confirmed the interruption."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.interrupted_s = 0.0
        self.interrupted_ms = 0.0
        self.reported = asyncio.Event()

    def report(
        self, event: Event, *, source: str, token: int | None = None, occurred_s: float | None = None
    ) -> None:
        self._outbox.report(event, source=source, token=token, occurred_s=occurred_s)
        if isinstance(event, Interruption):
            since_ms = event.latency.model_to_publish_ms
            self.interrupted_ms = event.latency.decision_to_model_ms or LIMIT_S * 1000
            self.interrupted_s = time.monotonic() - (since_ms or 0.0) / 1000
            self.reported.set()


class _Teller:
    """Tells the host what the adapter tells, and waits for first audio."""

    def __init__(self) -> None:
        self.host: Any = None
        self.audible = asyncio.Event()

    def on_first_audio(self, utterance_id: str, at_s: float) -> None:
        self.audible.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)


@dataclass(slots=True)
class Published:
    """How long each INTERRUPTION took until Redis had answered."""

    took_ms: list[float] = field(default_factory=list[float])
    interrupted_ms: list[float] = field(default_factory=list[float])
    """From the decision to the model's `interrupted`."""
    rtts: list[float] = field(default_factory=list[float])


async def published(*, count: int, far: bool = False, history: int = 0) -> Published:
    """Return what each of `count` interruptions took.

    `far` is the link with a delay, else the loopback; `history` is how many events ADK's Redis session
    service holds already.

    Raises:
        TimeoutError: one was not reported or not written in time.
    """
    hub = InMemoryRoom("published")
    result = Published()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(EmbeddedRedis())
        if far:
            url = stack.enter_context(FarRedis(url.removeprefix("unix://"), one_way_s=ONE_WAY_S))
        room = await stack.enter_async_context(hub.join(AGENT))
        redis = redis_client(url)
        stream = _Stream(redis, hub.name)
        async with Outbox(stream) as outbox, TalkingStick(redis, hub.name) as stick:
            record, teller = _Stamped(outbox), _Teller()
            adapter = LiveKitAdapter(room, listener=teller, sample_rate_hz=RATE_HZ)
            model = HeardCascadeLive(SaysWords(), tts=WordEgress(Sound()))
            sessions = RedisSessionService(redis_client=redis)
            await _fill(sessions, history)
            teller.host = UniversalHostAgent(
                name=AGENT,
                model=model,
                output=adapter,
                record=record,
                session_service=sessions,
                session_id=SESSION,
            )
            adapter.set_model_input(teller.host.queue)
            async with adapter, teller.host:
                for _ in range(count):
                    took_s, ping_s = await _one(stream, stick, outbox, record, adapter, teller, redis)
                    result.took_ms.append(took_s * 1000)
                    result.rtts.append(took_s / ping_s)
                    result.interrupted_ms.append(record.interrupted_ms)
        await redis.aclose()
    return result


async def _fill(sessions: RedisSessionService, events: int) -> None:
    where = {"app_name": AGENT, "user_id": "swarm", "session_id": SESSION}
    session = await sessions.create_session(**where)
    for n in range(events):
        content = types.Content(role="user", parts=[types.Part(text=f"What was said as number {n}.")])
        await sessions.append_event(session, AdkEvent(author="user", content=content))


async def _one(
    stream: _Stream,
    stick: TalkingStick,
    outbox: Outbox,
    record: _Stamped,
    adapter: LiveKitAdapter,
    teller: _Teller,
    redis: Redis,
) -> tuple[float, float]:
    record.reported.clear()
    teller.audible.clear()
    verdict = Verdict(Decision.INTERRUPT, "benchmark")
    async with (
        asyncio.timeout(LIMIT_S),
        stick.hold(Participant(AGENT, ParticipantKind.AGENT)) as grant,
        asyncio.TaskGroup() as tasks,
    ):
        speaking = tasks.create_task(teller.host.speak(grant, Prompt(f"say {WORDS}")))
        await teller.audible.wait()
        await asyncio.sleep(SPEAKS_S)
        await outbox.flush(LIMIT_S)
        ping_s = await _ping_s(redis)
        adapter.cut("person", ParticipantKind.PERSON, verdict)
        await record.reported.wait()
        await outbox.flush(LIMIT_S)
        took_s = stream.written_s - record.interrupted_s
        await speaking
    return took_s, ping_s


async def _ping_s(redis: Redis) -> float:
    took: list[float] = []
    for _ in range(PINGS):
        begun = time.perf_counter()
        await redis.ping()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)

"""One process's part in one room: the composition root. Wiring only; the rules are elsewhere."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from redis.exceptions import RedisError

from adapters.ears import Ears
from host_agent.interruption import (
    PipelineTaskConfig,
    StrategyJudge,
    judge_factory,
    load_config,
)
from streams import events as ev
from streams.background import Background
from streams.conversation_stream import ConversationStream
from streams.errors import StreamError
from streams.hub import StreamHub
from streams.outbox import Outbox
from streams.vocabulary import BargeInMode, ParticipantKind
from swarm.agent_runtime import AgentRuntime
from swarm.allocation_turns import takes_floor
from swarm.allocator import TurnAllocator
from swarm.bidders import Bidders
from swarm.bids import Bids
from swarm.floor_calls import FloorCalls
from swarm.people import PeopleWatch
from swarm.roster import HEARTBEAT_S, Roster
from swarm.scribe import Scribe
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from redis.asyncio import Redis

    from adapters.ports import Judge, Recogniser, Room, SpeechStarted
    from host_agent.interruption import BaseInterruptionStrategy, InterruptionHandlerConfig
    from host_agent.ports import Record, SpeechOutput
    from host_agent.universal_host_agent import UniversalHostAgent
    from streams.events import Recorded
    from swarm.allocation_scores import Scorer
    from swarm.allocation_settings import AllocationSettings

CLOSE_LIMIT_S = 1.5
OPEN_LIMIT_S = 10.0
"""So long entering waits for the agents' models; an agent whose model is later serves no grant until then."""


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent to bring into a room."""

    name: str
    host: Callable[[SpeechOutput, Record], UniversalHostAgent]
    """Makes its host, given where its speech goes and what takes its reports."""
    role: str = ""
    mode: BargeInMode = BargeInMode.CONFIRM
    playout_tail_ms: int = 150
    """From the last sample handed over to the release: what the listeners' jitter buffers still hold."""
    hand_over: bool = True
    """Whether naming another agent in a turn passes the stick to it."""
    scorer: Scorer | None = None
    """How much it wants to answer a turn, where the room decides by bids; None: by its name and its role."""
    allow_interruptions: bool = True
    """Off: nothing that a person says over it stops it (`immediate` apart, which asks nobody)."""
    interruption_strategies: Callable[[], Sequence[BaseInterruptionStrategy]] | None = None
    """Makes the strategies that judge a person's speech over it, anew for each; None: the session's judge."""
    judge: Callable[[SpeechStarted], Judge] | None = None
    """Makes a judge of one's own for a person's speech over it, anew for each; None: the session's judge."""

    def interruptions(self) -> PipelineTaskConfig:
        """Return the settings that its stages are started with."""
        made = self.interruption_strategies() if self.interruption_strategies is not None else ()
        return PipelineTaskConfig(self.allow_interruptions, made)


class SwarmSession:
    """Brings agents into a room and runs them until left: `async with SwarmSession(...) as session`.

    `connect` makes an agent's connection to the room by its name. People are all participants that the roster
    does not know as agents. The agents of one session share their ears and the `recogniser`; without one,
    speech over an agent's is judged by duration and energy. `interruption` says how, by default as
    `load_config()` does. `allocation` says which agent answers a person's
    turn; the first session of a room that says so decides it for all, `session.allocation.change` later.

    Raises:
        InterruptionSettingError: a setting of the judgement is wrong; names the key.

    Raises (on entering):
        RoomUnavailableError: the room cannot be joined.
        StreamUnavailableError: Redis does not answer.
    """

    def __init__(
        self,
        redis: Redis,
        room: str,
        *,
        agents: Sequence[AgentSpec],
        connect: Callable[[str], Room],
        recogniser: Recogniser | None = None,
        interruption: InterruptionHandlerConfig | None = None,
        allocation: AllocationSettings | None = None,
        on_event: Callable[[Recorded], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not agents:
            raise ValueError("a session needs an agent")
        self._redis = redis
        self.room = room
        self._specs = tuple(agents)
        self._connect = connect
        self._on_event = on_event
        self._clock = clock
        self.process = f"{agents[0].name}-{secrets.token_hex(3)}"
        self.stream = ConversationStream(redis, room, clock=clock)
        self.roster = Roster(redis, room)
        self.hub = StreamHub(redis, clock=clock)
        self.outbox = Outbox(self.stream, clock=clock)
        self.stick = TalkingStick(redis, room, hub=self.hub, clock=clock)
        self._calls = FloorCalls()
        self.ears = Ears(is_person=self.roster.is_person, recogniser=recogniser, clock=clock)
        self.agents: dict[str, AgentRuntime] = {}
        self._judge = judge_factory(interruption or load_config())
        bids = Bids(redis, room)
        self.allocation = TurnAllocator(
            self.stream,
            stick=self.stick,
            roster=self.roster,
            bids=bids,
            bidders=Bidders(bids, {spec.name: spec.scorer for spec in agents}, self.outbox),
            process=self.process,
            settings=allocation,
            takes_floor=lambda text, agent_words: takes_floor(self._judge(), text, agent_words),
            clock=clock,
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        rooms = [self._make(spec) for spec in self._specs]
        self.ears.attach(rooms[0])
        async with AsyncExitStack() as stack:
            await self.stream.measure_clock()
            stack.push_async_callback(self._leave)
            for spec in self._specs:
                await self.roster.join(spec.name, ParticipantKind.AGENT, spec.role)
            await stack.enter_async_context(self.hub)
            await stack.enter_async_context(self.outbox)
            await stack.enter_async_context(self.stick)
            await self.hub.watch(self.room, self._take)
            self.roster.know_muted((await self.stick.status()).muted)
            for spec in self._specs:  # again: who joined between the first time and the watch is in neither
                await self.roster.beat(spec.name, ParticipantKind.AGENT, spec.role)
            await stack.enter_async_context(self.allocation)
            for room in rooms:
                await room.connect()
                stack.push_async_callback(room.aclose)
            for runtime in self.agents.values():
                await stack.enter_async_context(runtime.adapter)
            await stack.enter_async_context(Background(self._run, name="session"))
            with suppress(TimeoutError):
                async with asyncio.timeout(OPEN_LIMIT_S):
                    for runtime in self.agents.values():
                        await runtime.host.opened()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def _make(self, spec: AgentSpec) -> Room:
        """Make an agent and its connection; costs the imports of its model, so before its first heartbeat."""
        room = self._connect(spec.name)
        self.agents[spec.name] = AgentRuntime(
            spec,
            room=room,
            ears=self.ears,
            judge=lambda started: self._judge_for(spec, started),
            stick=self.stick,
            outbox=self.outbox,
            roster=self.roster,
            to_ms=self.stream.server_clock.at_ms,
            clock=self._clock,
        )
        return room

    def _judge_for(self, spec: AgentSpec, started: SpeechStarted) -> Judge:
        if spec.allow_interruptions and spec.interruption_strategies is None:
            return self._judge() if spec.judge is None else spec.judge(started)
        return StrategyJudge(
            spec.interruptions().interruption_strategies,
            allow_interruptions=spec.allow_interruptions,
            audio=lambda from_sample: self.ears.audio(started.person, from_sample),
            from_sample=started.onset_sample,
        )

    async def _run(self) -> None:
        scribe = Scribe(
            self.stream, hub=self.hub, process=self.process, on_turn=self.allocation.answer, clock=self._clock
        )
        people = PeopleWatch(stick=self.stick, scribe=scribe, calls=self._calls)
        scribe.on_done = people.turn_done
        async with scribe:
            self.ears.add_listener(people)
            for runtime in self.agents.values():
                self.ears.add_listener(runtime)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._calls.run())
                    tasks.create_task(self._beat())
                    for runtime in self.agents.values():
                        tasks.create_task(runtime.run())
            finally:
                people.close()

    async def _beat(self) -> None:
        """Say that the agents are alive; let what is due happen on the floor, and the dead leave it."""
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    for spec in self._specs:
                        for dead in await self.roster.beat(spec.name, ParticipantKind.AGENT, spec.role):
                            await self.stick.gone(dead)
                    await self.stick.tick()
            except (RedisError, StreamError, OSError):
                continue  # leases and the hub deal with a Redis that is away

    async def _leave(self) -> None:
        for spec in self._specs:
            try:
                async with asyncio.timeout(CLOSE_LIMIT_S / len(self._specs)):
                    if await self.roster.leave(spec.name):
                        await self.stick.gone(spec.name)
            except (RedisError, StreamError, OSError):
                continue  # the others take it off the list when its heartbeat stays away

    def _take(self, entry: Recorded) -> None:
        self.roster.feed(entry)
        self.allocation.feed(entry)
        if isinstance(entry.event, ev.ParticipantMuted) and entry.event.muted:
            self.ears.on_muted(entry.event.participant)
        for runtime in self.agents.values():
            runtime.feed(entry)
        if self._on_event is not None:
            self._on_event(entry)

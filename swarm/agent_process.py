"""`swarm agent`: one agent of a real room, as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.livekit_room import LiveKitRoom
from host_agent.ports import Prompt
from streams.relay import Relay
from swarm import agents, settings
from swarm.errors import SettingError
from swarm.redis_connection import connect_redis
from swarm.room_errors import as_setting_errors
from swarm.session import SwarmSession

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.ports import AudioFrame

HEALTH_S = 1.0
FRESH_S = 5.0
COMPANY_S = 5.0
"""A host that opens a conversation waits so long for other agents to be there."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line was given."""

    name: str
    role: str
    room: str
    model: str = settings.OFFLINE_MODEL
    opening: str = ""
    health_file: Path | None = None


def is_fresh(health_file: Path) -> bool:
    """Return whether an agent has touched its health file within FRESH_S."""
    try:
        age_s = time.clock_gettime(time.CLOCK_REALTIME) - health_file.stat().st_mtime
    except OSError:
        return False
    return age_s < FRESH_S


async def run(options: Options) -> None:
    """Run until cancelled.

    Raises:
        SettingError: a setting is missing or wrong.
    """
    environment = settings.from_environment()
    livekit = environment.livekit
    if livekit is None:
        raise SettingError("LIVEKIT_URL", "missing", "Set it, LIVEKIT_API_KEY and LIVEKIT_API_SECRET")
    if environment.redis_url is None:
        raise SettingError("REDIS_URL", "missing", "Set it to the Redis that all agents of the room share")
    settings.check_model(options.model)

    def connect(identity: str) -> LiveKitRoom:
        room = LiveKitRoom(
            livekit.url,
            api_key=livekit.api_key,
            api_secret=livekit.api_secret,
            identity=identity,
            room=options.room,
        )
        room.add_listener(greeter)
        return room

    greeter = Greeter()
    async with AsyncExitStack() as stack:
        redis = await connect_redis(environment.redis_url)
        stack.push_async_callback(redis.aclose)
        await stack.enter_async_context(Relay(redis))
        session = SwarmSession(
            redis,
            options.room,
            agents=[agents.spec(options.name, role=options.role, model=options.model)],
            connect=connect,
            recogniser=await stack.enter_async_context(agents.offline_recogniser()),
        )
        with as_setting_errors():
            await stack.enter_async_context(session)
        async with asyncio.TaskGroup() as tasks:
            if options.health_file is not None:
                tasks.create_task(stay_fresh(options.health_file, session, greeter))
            if options.opening:
                tasks.create_task(greeter.open(session, options))
            await greeter.closed.wait()
            raise ConnectionError("the LiveKit room ended this connection")


class Greeter:
    """Opens the conversation at the start and for whoever comes. A `RoomListener`."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self._came = asyncio.Event()
        self._present: set[str] = set()

    def on_joined(self, identity: str) -> None:
        self._present.add(identity)
        self._came.set()

    def on_left(self, identity: str) -> None:
        self._present.discard(identity)

    def on_muted(self, identity: str) -> None:
        """Nothing to open for."""

    def on_audio(self, identity: str, frame: AudioFrame) -> None:
        """The ears listen."""

    def on_closed(self, reason: str) -> None:
        self.closed.set()

    async def open(self, session: SwarmSession, options: Options) -> None:
        """Ask for the floor with the opening, at the start and whenever a person has come."""
        runtime = session.agents[options.name]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COMPANY_S):
                while not self._present:
                    await self._next()
        greeted: set[str] = set()
        while True:
            await runtime.ask(Prompt(options.opening))
            while True:
                greeted &= self._present
                people = {who for who in self._present if session.roster.is_person(who)}
                if people - greeted:
                    greeted |= people
                    break
                await self._next()

    async def _next(self) -> None:
        self._came.clear()
        await self._came.wait()


async def stay_fresh(health_file: Path, session: SwarmSession, greeter: Greeter) -> None:
    """Touch `health_file` every HEALTH_S while Redis answers and the room is there."""
    while not greeter.closed.is_set():
        alive_at_s = session.hub.alive_at_s
        if alive_at_s is not None and time.monotonic() - alive_at_s < FRESH_S:
            await asyncio.to_thread(health_file.touch)
        await asyncio.sleep(HEALTH_S)

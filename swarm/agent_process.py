"""`swarm agent`: one agent of a real room, as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adapters.livekit_room import LiveKitRoom
from host_agent.ports import Prompt
from streams.background import Background
from streams.connection import backoff_s
from streams.errors import InvalidEventError, StreamUnavailableError
from streams.keys import checked_name
from streams.relay import Relay
from swarm import agents, settings
from swarm.allocation_settings import AllocationSettings
from swarm.errors import RoomLostError, SettingError, SwarmError
from swarm.metrics import both, serve
from swarm.redis_connection import connect_redis
from swarm.room_errors import as_setting_errors
from swarm.session import AgentSpec, SwarmSession
from swarm.steady import collector_spares_what_is_loaded
from swarm.trace_export import exporting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapters.ports import AudioFrame
    from streams.events import Recorded
    from swarm.settings import LiveKitSettings

_log = logging.getLogger(__name__)

HEALTH_S = 1.0
FRESH_S = 5.0
COMPANY_S = 5.0
"""A host that opens a conversation waits so long for other agents to be there."""
PLAYOUT_TAIL_MS = 300
"""On a busy machine listeners' jitter buffers have put an agent's last words off by 0.2 s more than the next
one's first; 150 ms were then not always enough."""
TOGETHER_S = 1.0
"""Who comes within such a time of somebody else is greeted together with them."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line was given."""

    name: str
    role: str
    room: str
    model: str = settings.OFFLINE_MODEL
    opening: str = ""
    health_file: Path | None = None
    policy: str = ""
    """Who answers a person, in a room where nobody has said so yet; empty leaves it open."""
    metrics_port: int | None = None


async def run(options: Options) -> None:
    """Run until cancelled. A Redis that goes away is waited for; a room that goes away ends it.

    Raises:
        SettingError: a setting is missing or wrong.
        RoomLostError: the connection to the room has ended. Starting again may help.
    """
    environment = settings.from_environment()
    livekit = environment.livekit
    if livekit is None:
        raise SettingError("LIVEKIT_URL", "missing", "Set it, LIVEKIT_API_KEY and LIVEKIT_API_SECRET")
    if environment.redis_url is None:
        raise SettingError("REDIS_URL", "missing", "Set it to the Redis that all agents of the room share")
    settings.check_model(options.model)
    _check_name(options.name)
    allocation = (
        AllocationSettings(AllocationSettings.policy(options.policy, "--policy")) if options.policy else None
    )
    if options.health_file is not None:
        _forget(options.health_file)
    async with AsyncExitStack() as stack:
        redis = await connect_redis(environment.redis_url)
        stack.push_async_callback(redis.aclose)
        presence = Presence()
        await stack.enter_async_context(exporting(f"swarm-{options.name}"))
        metrics = await stack.enter_async_context(serve(options.metrics_port))
        connect = _connection(livekit, options.room, presence)
        session = SwarmSession(
            redis,
            options.room,
            agents=[_spec(options)],
            connect=connect if metrics is None else metrics.counting(connect),
            recogniser=await stack.enter_async_context(agents.offline_recogniser()),
            on_event=presence.feed if metrics is None else both(presence.feed, metrics.feed),
            allocation=allocation,
        )
        if metrics is not None:
            metrics.follow(session)
        with as_setting_errors():
            await stack.enter_async_context(session)
        stack.enter_context(collector_spares_what_is_loaded())
        await stack.enter_async_context(Relay(redis))
        about = {"agent": options.name, "role": options.role, "room": options.room}
        _log.info("agent.joined", extra=about)
        if (health_file := options.health_file) is not None:
            await stack.enter_async_context(
                Background(lambda: stay_fresh(health_file, session), name="health")
            )
        if options.opening:
            await stack.enter_async_context(
                Background(lambda: open_conversation(session, presence, options), name="opening")
            )
        try:
            reason = await presence.lost()
        finally:
            _log.info("agent.leaves", extra=about)
        raise _ended(options, reason)


def _ended(options: Options, reason: str) -> SwarmError:
    if "duplicate identity" in reason:
        return SettingError(
            "--name",
            f"somebody else has joined room {options.room!r} as {options.name!r}",
            "Give every agent a name of its own",
        )
    return RoomLostError(room=options.room, reason=reason)


def _check_name(name: str) -> None:
    try:
        checked_name(name, "agent")
    except InvalidEventError as error:
        raise SettingError("--name", error.reason, "Name it like host or expert-2") from error


def _forget(health_file: Path) -> None:
    """Remove what an agent before this one has left.

    Raises:
        SettingError: it is no place for a health file.
    """
    try:
        health_file.unlink(missing_ok=True)
    except OSError as error:
        raise _no_place(error) from error
    if not os.access(health_file.parent, os.W_OK | os.X_OK):
        raise _no_place(PermissionError(f"{str(health_file.parent)!r} is no folder to write to"))


def _no_place(error: OSError) -> SettingError:
    return SettingError("--health-file", str(error), "Name a file in a folder that the agent may write to")


def _spec(options: Options) -> AgentSpec:
    made = agents.spec(options.name, role=options.role, model=options.model)
    return replace(made, playout_tail_ms=PLAYOUT_TAIL_MS)


def _connection(livekit: LiveKitSettings, room: str, presence: Presence) -> Callable[[str], LiveKitRoom]:
    def connect(identity: str) -> LiveKitRoom:
        connection = LiveKitRoom(
            livekit.url,
            api_key=livekit.api_key,
            api_secret=livekit.api_secret,
            identity=identity,
            room=room,
        )
        connection.add_listener(presence)
        return connection

    return connect


class Presence:
    """Who is in the room, and whether it is there at all. A `RoomListener`."""

    def __init__(self) -> None:
        self._others: dict[str, None] = {}
        self._changed = asyncio.Event()
        self._lost = asyncio.Event()
        self._reason = ""

    @property
    def others(self) -> tuple[str, ...]:
        """Everybody else in the room, by time of joining."""
        return tuple(self._others)

    async def changed(self) -> None:
        """Return when somebody has come or gone, or joined the record, since the last call."""
        await self._changed.wait()
        self._changed.clear()

    async def settled(self, quiet_s: float) -> None:
        """Return when nothing has changed for `quiet_s`."""
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(quiet_s):
                    await self.changed()

    async def lost(self) -> str:
        """Return why the connection to the room has ended, when it has."""
        await self._lost.wait()
        return self._reason

    def feed(self, entry: Recorded) -> None:
        """Take an event of the room's record."""
        if entry.type == "PARTICIPANT_JOINED":
            self._changed.set()

    def on_joined(self, identity: str) -> None:
        self._others[identity] = None
        self._changed.set()

    def on_left(self, identity: str) -> None:
        self._others.pop(identity, None)
        self._changed.set()

    def on_muted(self, identity: str) -> None:
        """Still there."""

    def on_audio(self, identity: str, frame: AudioFrame) -> None:
        """The ears listen."""

    def on_closed(self, reason: str) -> None:
        self._reason = reason
        self._lost.set()


async def open_conversation(session: SwarmSession, presence: Presence, options: Options) -> None:
    """Ask for the floor with the opening, once other agents are there, and whenever people have come."""

    def people() -> set[str]:
        return {who for who in presence.others if session.roster.is_person(who)}

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(COMPANY_S):
            while not set(presence.others).intersection(session.roster.agents()):
                await presence.changed()
    greeted = people()
    await _ask(session, options, options.opening)
    while True:
        await presence.changed()
        await presence.settled(TOGETHER_S)
        present = people()
        if come := sorted(present - greeted):
            _log.info("agent.greets", extra={"people": come})
            await _ask(session, options, f"{options.opening} {' and '.join(come)} just joined.")
        greeted = present


async def _ask(session: SwarmSession, options: Options, text: str) -> None:
    """Ask for the floor, again as long as Redis is away."""
    for delay_s in backoff_s():
        try:
            await session.agents[options.name].ask(Prompt(text))
        except StreamUnavailableError as error:
            _log.warning("agent.opening_waits", extra={"reason": error.reason})
            await asyncio.sleep(delay_s)
        else:
            return


async def stay_fresh(health_file: Path, session: SwarmSession) -> None:
    """Touch `health_file` every HEALTH_S while Redis answers."""
    while True:
        alive_at_s = session.hub.alive_at_s
        if alive_at_s is not None and time.monotonic() - alive_at_s < FRESH_S:
            await asyncio.to_thread(health_file.touch)
        await asyncio.sleep(HEALTH_S)

"""`swarm agent`: how it opens, how it greets, how it ends, and what it says of a room it has lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from fakeredis import FakeAsyncRedis

from streams import events as ev
from streams.connection import redis_client
from streams.conversation_stream import ConversationStream
from streams.errors import StreamUnavailableError
from swarm import agent_process
from swarm.agent_process import COMPANY_S, TOGETHER_S, Options, Presence, open_conversation, stay_fresh
from swarm.allocation import Policy
from swarm.allocation_settings import AllocationSettings
from swarm.embedded_redis import EmbeddedRedis
from swarm.errors import SettingError
from tests.adapters.virtual_time import run_virtual
from tests.engines.livekit import LiveKitServer
from tests.swarm.commands_run import Running

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from host_agent.ports import Prompt
    from streams.events import Recorded
    from swarm.session import SwarmSession

OPENING = "Open the conversation."


@dataclass(slots=True)
class FakeSession:
    """The roster, and the prompts for which the floor was asked; Redis is away `away` times."""

    agents_known: set[str] = field(default_factory=lambda: {"host"})
    asked: list[str] = field(default_factory=list[str])
    away: int = 0

    @property
    def agents(self) -> dict[str, FakeSession]:
        return {"host": self}

    @property
    def roster(self) -> FakeRoster:
        return FakeRoster(self)

    async def ask(self, prompt: Prompt) -> str:
        if self.away:
            self.away -= 1
            raise StreamUnavailableError("connection refused")
        self.asked.append(prompt.text)
        return "request"


@dataclass(frozen=True, slots=True)
class FakeRoster:
    session: FakeSession

    def agents(self) -> tuple[str, ...]:
        return tuple(self.session.agents_known)

    def is_person(self, identity: str) -> bool:
        return identity not in self.session.agents_known


@asynccontextmanager
async def opening(session: FakeSession, presence: Presence) -> AsyncGenerator[None]:
    options = Options("host", "host", "lobby", opening=OPENING)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(open_conversation(cast("SwarmSession", session), presence, options))
        yield
        task.cancel()


def in_virtual_time(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Let the test's timers jump: nothing in it waits for anything else."""

    def run() -> None:
        run_virtual(lambda _loop: test())

    run.__name__ = test.__name__
    return run


@in_virtual_time
async def test_it_opens_when_another_agent_is_in_the_room() -> None:
    session, presence = FakeSession(), Presence()
    async with opening(session, presence):
        await asyncio.sleep(2.0)
        assert session.asked == []
        session.agents_known.add("expert")
        presence.on_joined("expert")
        await asyncio.sleep(0.01)
        assert session.asked == [OPENING]
        await asyncio.sleep(60.0)
        assert session.asked == [OPENING]


@in_virtual_time
async def test_a_person_alone_is_no_company_and_after_a_while_it_opens_all_the_same() -> None:
    session, presence = FakeSession(), Presence()
    presence.on_joined("ada")
    async with opening(session, presence):
        await asyncio.sleep(COMPANY_S - 0.1)
        assert session.asked == []
        await asyncio.sleep(60.0)
        assert session.asked == [OPENING]


@in_virtual_time
async def test_who_is_there_at_the_opening_is_not_greeted_again() -> None:
    session, presence = FakeSession(), Presence()
    presence.on_joined("ada")
    async with opening(session, presence):
        await asyncio.sleep(3.0)
        session.agents_known.add("expert")
        presence.on_joined("expert")
        await asyncio.sleep(60.0)
        assert session.asked == [OPENING]


@in_virtual_time
async def test_people_who_come_together_are_greeted_once_and_again_when_they_come_back() -> None:
    session, presence = FakeSession({"host", "expert"}), Presence()
    presence.on_joined("expert")
    async with opening(session, presence):
        await asyncio.sleep(3.0)
        presence.on_joined("bob")
        await asyncio.sleep(TOGETHER_S / 2)
        presence.on_joined("ada")
        await asyncio.sleep(60.0)
        assert session.asked == [OPENING, f"{OPENING} ada and bob just joined."]
        presence.on_left("ada")
        await asyncio.sleep(60.0)
        presence.on_joined("ada")
        await asyncio.sleep(60.0)
        assert session.asked[2:] == [f"{OPENING} ada just joined."]


@in_virtual_time
async def test_an_agent_whose_joining_is_recorded_late_is_not_greeted() -> None:
    session, presence = FakeSession({"host", "expert"}), Presence()
    presence.on_joined("expert")
    async with opening(session, presence):
        await asyncio.sleep(3.0)
        presence.on_joined("scout")
        await asyncio.sleep(TOGETHER_S / 2)
        session.agents_known.add("scout")
        await asyncio.sleep(60.0)
        assert session.asked == [OPENING]


@in_virtual_time
async def test_the_opening_waits_for_a_redis_that_is_away() -> None:
    session, presence = FakeSession({"host", "expert"}, away=5), Presence()
    presence.on_joined("expert")
    async with opening(session, presence):
        await asyncio.sleep(0.01)
        assert session.asked == []
        await asyncio.sleep(60.0)
        assert session.asked == [OPENING]


async def test_the_health_file_is_kept_fresh_only_while_redis_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_process, "HEALTH_S", 0.01)
    health_file = tmp_path / "health"

    @dataclass
    class Hub:
        alive_at_s: float | None = None

    @dataclass
    class Session:
        hub: Hub

    session = Session(Hub())
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(stay_fresh(health_file, cast("Any", session)))
        await asyncio.sleep(0.05)
        assert not health_file.exists()
        session.hub.alive_at_s = agent_process.time.monotonic()
        await asyncio.sleep(0.05)
        assert health_file.exists()
        session.hub.alive_at_s -= agent_process.FRESH_S
        await asyncio.sleep(0.05)
        os.utime(health_file, (0, 0))
        await asyncio.sleep(0.05)
        assert health_file.stat().st_mtime == 0
        task.cancel()


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        (Options("", "host", "lobby"), "--name"),
        (Options("two words", "host", "lobby"), "--name"),
        (Options("host", "host", "lobby", policy="lottery"), "--policy"),
    ],
)
async def test_an_option_that_nobody_can_have_is_refused(
    options: Options, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "REDIS_URL"):
        monkeypatch.setenv(name, "ws://127.0.0.1:1" if name == "LIVEKIT_URL" else "x")
    with pytest.raises(SettingError) as refused:
        await agent_process.run(options)
    assert refused.value.setting == setting


@pytest.mark.parametrize("policy", ["", "round_robin"])
async def test_the_policy_is_given_to_the_room(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "REDIS_URL"):
        monkeypatch.setenv(name, "ws://127.0.0.1:1" if name == "LIVEKIT_URL" else "x")
    redis, made = FakeAsyncRedis(), list[Any]()

    async def connected(_url: str) -> FakeAsyncRedis:
        return redis

    def session(*_: Any, **told: Any) -> None:
        made.append(told["allocation"])
        raise SettingError("session", "not wanted", "It is looked at only")

    monkeypatch.setattr(agent_process, "connect_redis", connected)
    monkeypatch.setattr(agent_process.agents, "offline_recogniser", contextlib.nullcontext)
    monkeypatch.setattr(agent_process, "SwarmSession", session)
    with pytest.raises(SettingError, match="not wanted"):
        await agent_process.run(Options("host", "host", "lobby", policy=policy))
    assert made == [AllocationSettings(Policy.ROUND_ROBIN) if policy else None]


async def test_a_health_file_without_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "REDIS_URL"):
        monkeypatch.setenv(name, "ws://127.0.0.1:1" if name == "LIVEKIT_URL" else "x")
    with pytest.raises(SettingError) as refused:
        await agent_process.run(Options("host", "host", "lobby", health_file=tmp_path / "no" / "file"))
    assert refused.value.setting == "--health-file"


class InLobby:
    """A Redis and a LiveKit server for real agents in the room `lobby`, and the room's record."""

    def __init__(self, server: LiveKitServer, redis_url: str, stream: ConversationStream) -> None:
        self.server = server
        self.stream = stream
        self.env = {
            "REDIS_URL": redis_url,
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.key,
            "LIVEKIT_API_SECRET": server.secret,
        }

    def agent(self, *more: str) -> Running:
        return Running("agent", "--name", "host", "--opening", OPENING, *more, env=self.env)

    async def events(self) -> list[Recorded]:
        return await self.stream.read()

    async def until(self, kind: type[ev.Event], limit_s: float = 40.0) -> None:
        async with asyncio.timeout(limit_s):
            async for each in self.stream.subscribe("0"):
                if isinstance(each.event, kind):
                    return


@pytest.fixture
async def lobby() -> AsyncIterator[InLobby]:
    async with LiveKitServer() as server:
        redis_server = EmbeddedRedis()
        url = redis_server.start()
        redis = redis_client(url)
        try:
            yield InLobby(server, url, ConversationStream(redis, "lobby"))
        finally:
            await redis.aclose()
            redis_server.stop()


@pytest.mark.real
@pytest.mark.livekit
@pytest.mark.timeout(90)
async def test_sigterm_while_it_speaks_ends_it_in_time_and_gives_the_stick_back(lobby: InLobby) -> None:
    async with lobby.agent() as agent:
        await lobby.until(ev.FloorTaken)
        agent.send(signal.SIGTERM)
        ended = await agent.end(5.0)
    assert ended.exit_code == 128 + signal.SIGTERM
    assert ended.lasted_s < 2.0
    assert ended.noise == []
    assert ended.left == []
    last = [each.event for each in await lobby.events()]
    (released,) = [event for event in last if isinstance(event, ev.FloorReleased)]
    assert released.participant == "host"
    (left,) = [event for event in last if isinstance(event, ev.ParticipantLeft)]
    assert left.participant == "host"


@pytest.mark.real
@pytest.mark.livekit
@pytest.mark.timeout(90)
async def test_put_out_of_the_room_it_ends_with_one_line_and_off_the_roster(lobby: InLobby) -> None:
    from livekit import api

    async with lobby.agent() as agent:
        await lobby.until(ev.FloorTaken)
        http = lobby.server.url.replace("ws", "http", 1)
        async with api.LiveKitAPI(http, lobby.server.key, lobby.server.secret) as service:
            await service.room.remove_participant(api.RoomParticipantIdentity(room="lobby", identity="host"))
        ended = await agent.end(10.0)
    assert ended.exit_code == 1
    assert ended.noise == []
    assert ended.left == []
    assert ended.stderr.splitlines()[-1] == (
        "error the connection to room 'lobby' has ended (participant removed): start the agent again"
    )
    assert any(isinstance(each.event, ev.ParticipantLeft) for each in await lobby.events())


@pytest.mark.real
@pytest.mark.livekit
@pytest.mark.timeout(90)
async def test_of_two_agents_with_one_name_the_first_says_that_the_name_is_taken(lobby: InLobby) -> None:
    async with lobby.agent() as first:
        await lobby.until(ev.FloorTaken)
        async with lobby.agent() as second:
            ended = await first.end(40.0)
            second.send(signal.SIGTERM)
            await second.end(5.0)
    assert ended.exit_code == 2
    assert ended.noise == []
    assert ended.stderr.splitlines()[-1].startswith(
        "error --name: somebody else has joined room 'lobby' as 'host'."
    )

"""Memory in front of a store: the same contract as ADK's own service, and a writer that follows."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from fakeredis import FakeAsyncRedis
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.integrations.redis import RedisSessionService
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig
from google.adk.sessions.in_memory_session_service import InMemorySessionService
from google.genai import types

from host_agent.ports import Prompt
from host_agent.sessions import LiveSessions
from tests.host_agent.stagecraft import WORD_MS, Grant, on_stage

if TYPE_CHECKING:
    from google.adk.sessions.session import Session

NAMES = {"app_name": "app", "user_id": "ann", "session_id": "s1"}


def said(text: str, **state: Any) -> Event:
    content = types.Content(role="user", parts=[types.Part(text=text)])
    return Event(author="user", content=content, actions=EventActions(state_delta=state))


def texts(session: Session | None) -> list[str]:
    assert session is not None
    return ["".join(part.text or "" for part in e.content.parts or []) for e in session.events if e.content]


def redis_sessions() -> RedisSessionService:
    return RedisSessionService(redis_client=FakeAsyncRedis(decode_responses=True))


@pytest.fixture(params=["adk", "memory", "memory before redis"])
def service(request: pytest.FixtureRequest) -> BaseSessionService:
    match request.param:
        case "adk":
            return InMemorySessionService()
        case "memory":
            return LiveSessions()
        case _:
            return LiveSessions(redis_sessions())


async def test_what_is_appended_is_there_for_the_next_reader(service: BaseSessionService):
    session = await service.create_session(**NAMES, state={"topic": "mars"})
    await service.append_event(session, said("one", mood="good"))
    again = await service.get_session(**NAMES)
    assert again is not None
    await service.append_event(again, said("two"))
    await service.append_event(session, said("three"))
    last = await service.get_session(**NAMES)
    assert texts(last) == ["one", "two", "three"]
    assert last is not None
    assert last.state == {"topic": "mars", "mood": "good"}
    recent = await service.get_session(**NAMES, config=GetSessionConfig(num_recent_events=1))
    assert texts(recent) == ["three"]


async def test_state_of_an_app_or_a_user_is_shared(service: BaseSessionService):
    one = await service.create_session(**NAMES)
    await service.create_session(app_name="app", user_id="ann", session_id="s2")
    await service.append_event(one, said("hi", **{"app:motto": "go", "user:name": "Ann", "temp:x": 1}))
    if isinstance(service, LiveSessions):
        await service.drain()
    other = await service.get_session(app_name="app", user_id="ann", session_id="s2")
    assert other is not None
    assert other.state == {"app:motto": "go", "user:name": "Ann"}


async def test_sessions_are_made_once_listed_and_deleted(service: BaseSessionService):
    await service.create_session(**NAMES)
    with pytest.raises(AlreadyExistsError):
        await service.create_session(**NAMES)
    assert [s.id for s in (await service.list_sessions(app_name="app")).sessions] == ["s1"]
    session = await service.get_session(**NAMES)
    assert session is not None
    await service.delete_session(**NAMES)
    assert await service.get_session(**NAMES) is None
    with pytest.raises(SessionNotFoundError):
        await service.append_event(session, said("late"))


async def test_the_store_gets_everything_once_and_in_order_also_when_the_writer_is_stopped_in_a_write():
    class Slow(InMemorySessionService):
        async def append_event(self, session: Session, event: Event) -> Event:
            event = await super().append_event(session, event)
            await asyncio.sleep(0.005)
            return event

    store = Slow()
    sessions = LiveSessions(store)
    expected = [f"word {n}" for n in range(10)]
    async with asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(sessions.run())
        session = await sessions.create_session(**NAMES)
        for text in expected:
            await sessions.append_event(session, said(text))
        await asyncio.sleep(0.022)
        writer.cancel()
    assert 0 < len(texts(await store.get_session(**NAMES))) < 10
    await sessions.finish(1.0)
    assert texts(await store.get_session(**NAMES)) == expected


async def test_what_is_in_redis_is_there_for_the_next_process():
    store = redis_sessions()
    sessions = LiveSessions(store)
    session = await sessions.create_session(**NAMES)
    for n in range(20):
        await sessions.append_event(session, said(f"word {n}"))
    await sessions.finish(1.0)
    assert texts(await LiveSessions(store).get_session(**NAMES)) == [f"word {n}" for n in range(20)]


async def test_a_store_that_is_away_stops_nobody():
    class Away(InMemorySessionService):
        async def append_event(self, session: Session, event: Event) -> Event:
            raise OSError("gone")

    lost: list[str] = []
    sessions = LiveSessions(Away(), on_lost=lost.append)
    session = await sessions.create_session(**NAMES)
    await sessions.append_event(session, said("one"))
    await sessions.drain()
    assert lost == ["OSError: gone"]
    assert texts(await sessions.get_session(**NAMES)) == ["one"]


async def test_an_append_costs_the_same_however_long_the_history_is():
    sessions = LiveSessions()
    session = await sessions.create_session(**NAMES)
    for n in range(2000):
        await sessions.append_event(session, said(f"word {n}"))
    costs: list[float] = []
    for n in range(50):
        event = said(f"more {n}")
        before_s = time.perf_counter()
        await sessions.append_event(session, event)
        costs.append(time.perf_counter() - before_s)
    assert sorted(costs)[25] < 0.001


async def test_a_host_over_redis_is_interrupted_without_waiting_for_it_and_remembers():
    store = redis_sessions()
    async with on_stage("one two three four five.", session_service=store, session_id="room") as cast:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(5 * WORD_MS)
            cast.output.play(2 * WORD_MS)
            cast.cut()
        await asyncio.sleep(0.02)
    async with on_stage("so.", session_service=store, session_id="room", instant=True) as later:
        await later.host.speak(Grant(), Prompt("go on"))
        assert later.model.requests[0][:2] == [
            ("user", "[You have the floor. count]"),
            ("model", "one two [interrupted here by paul; the rest was not heard]"),
        ]

"""Who counts as an agent while sessions come up beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.memory_room import InMemoryRoom
from streams.vocabulary import ParticipantKind
from swarm.roster import Roster
from swarm.session import SwarmSession
from tests.host_agent.stagecraft import ScriptModel
from tests.swarm.test_session import agent

if TYPE_CHECKING:
    import pytest
    from redis.asyncio import Redis


async def test_an_agent_that_joins_between_our_joining_and_our_watching_is_no_person(
    real_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SwarmSession(
        real_redis, "r", agents=[agent("host", ScriptModel("Hello."))], connect=InMemoryRoom("r").join
    )
    watch = session.hub.watch

    async def late_watch(room: str, *rest: Any) -> Any:
        if "expert" not in session.roster.agents():
            await Roster(real_redis, room).join("expert", ParticipantKind.AGENT, "expert")
        return await watch(room, *rest)

    monkeypatch.setattr(session.hub, "watch", late_watch)
    async with session:
        assert not session.roster.is_person("expert")
        assert session.roster.agents() == ("host", "expert")

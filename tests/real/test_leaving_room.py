"""A room that is left while somebody else's track just arrives."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from adapters.livekit_room import CLOSE_LIMIT_S, LiveKitRoom
from tests.real.conftest import ROOM

if TYPE_CHECKING:
    from tests.engines.livekit import LiveKitServer

pytestmark = [pytest.mark.real, pytest.mark.livekit]


async def test_leaving_ends_in_time_when_a_track_has_come_that_the_loop_has_not_seen(
    server: LiveKitServer,
) -> None:
    async with LiveKitRoom(server.url, token=server.token("speaker", ROOM)) as speaker:
        listener = LiveKitRoom(server.url, token=server.token("listener", ROOM))
        await listener.connect()
        await speaker.publish_audio(48_000)
        time.sleep(0.3)  # noqa: ASYNC251 - the loop is busy, and the news of the track waits for it
        async with asyncio.timeout(CLOSE_LIMIT_S + 0.5):
            await listener.aclose()

"""The example agent, started as its guide says, is dispatched to a room and talks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engines.listener import Listener
from tests.real.conftest import ROOM

if TYPE_CHECKING:
    from tests.engines.livekit import LiveKitServer

pytestmark = [pytest.mark.real, pytest.mark.livekit, pytest.mark.timeout(120)]

REPO = Path(__file__).parent.parent.parent
START_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0


async def test_the_example_agent_talks_in_a_room(server: LiveKitServer) -> None:
    env = {name: value for name, value in os.environ.items() if not name.endswith("_MODEL")}
    env |= {"LIVEKIT_URL": server.url, "LIVEKIT_API_KEY": server.key, "LIVEKIT_API_SECRET": server.secret}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "examples/voice_agents/interruption_handler_agent.py", "dev", "--no-reload",
        cwd=REPO, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    assert worker.stdout is not None
    said = bytearray()
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while b"registered worker" not in said:
                line = await worker.stdout.readline()
                assert line, f"the example ended: {said.decode(errors='replace')}"
                said += line
        async with Listener(server.url, server.token("listener", ROOM)) as listener:
            async with asyncio.timeout(START_LIMIT_S):
                while not listener.tracks:  # noqa: ASYNC110 - nothing says who comes first
                    await asyncio.sleep(0.1)
            (agent,) = listener.tracks
            await listener.wait_audible(agent, after_s=0.0, limit_s=START_LIMIT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await worker.communicate()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)

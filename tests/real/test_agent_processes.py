"""Agents in processes of their own, in a real room: one scribe, and no voice without a lease."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.livekit_room import LiveKitRoom
from adapters.recorder import Recorder
from adapters.wav import read_wav
from streams import events as ev
from streams import keys
from streams.connection import redis_client
from streams.conversation_stream import ConversationStream
from streams.hub import StreamHub
from swarm import Participant, TalkingStick
from swarm.demo import timeline
from swarm.demo.person import Microphone
from swarm.demo.scenario import Happenings
from swarm.embedded_redis import EmbeddedRedis
from tests.engines.livekit import LiveKitServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

pytestmark = [pytest.mark.real, pytest.mark.livekit, pytest.mark.timeout(180)]

AUDIO = Path(__file__).parents[1] / "data" / "audio"
HZ = 16_000
ROOM = "hall"


class Hall:
    """A real room with a Redis, to start agents in."""

    def __init__(self, redis: Redis, redis_url: str, server: LiveKitServer, stack: AsyncExitStack) -> None:
        self.redis = redis
        self.seen = Happenings()
        self.agents: dict[str, asyncio.subprocess.Process] = {}
        self._server = server
        self._stack = stack
        self._env = {
            **os.environ,
            "REDIS_URL": redis_url,
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.key,
            "LIVEKIT_API_SECRET": server.secret,
        }

    async def start_agent(self, name: str, *arguments: str) -> None:
        swarm = str(Path(sys.executable).with_name("swarm"))
        command = (swarm, "agent", "--name", name, "--room", ROOM, *arguments)
        process = await asyncio.create_subprocess_exec(*command, env=self._env)
        self.agents[name] = process
        self._stack.push_async_callback(self._end, process)

    async def join(self, identity: str) -> LiveKitRoom:
        room = LiveKitRoom(
            self._server.url,
            api_key=self._server.key,
            api_secret=self._server.secret,
            identity=identity,
            room=ROOM,
        )
        return await self._stack.enter_async_context(room)

    async def until(self, kind: type[ev.Event], limit_s: float = 60.0, **fields: object) -> ev.Event:
        found = await self.seen.next(
            lambda e: isinstance(e, kind) and all(getattr(e, key) == value for key, value in fields.items()),
            limit_s,
        )
        assert found is not None, f"no {kind.__name__} {fields}: {[entry.type for entry in self.seen.all]}"
        return found

    def count(self, kind: type[ev.Event], **fields: object) -> int:
        return sum(
            isinstance(entry.event, kind)
            and all(getattr(entry.event, key) == value for key, value in fields.items())
            for entry in self.seen.all
        )

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            await process.wait()


@asynccontextmanager
async def hall() -> AsyncIterator[Hall]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(LiveKitServer())
        url = await stack.enter_async_context(EmbeddedRedis())
        redis = redis_client(url)
        stack.push_async_callback(redis.aclose)
        it = Hall(redis, url, server, stack)
        hub = await stack.enter_async_context(StreamHub(redis))
        await hub.watch(ROOM, it.seen.feed, "0")
        yield it


async def test_five_sentences_are_written_once_each_though_the_scribe_is_killed() -> None:
    sentence = read_wav(AUDIO / "ps_goforward.wav").mono(HZ)
    async with hall() as it:
        async with asyncio.TaskGroup() as tasks:
            for name in ("one", "two", "three"):
                tasks.create_task(it.until(ev.ParticipantJoined, participant=name))
                await it.start_agent(name, "--role", "expert")
        ada = await it.join("ada")
        microphone = Microphone(await ada.publish_audio(HZ))
        async with asyncio.TaskGroup() as tasks:
            open_mic = tasks.create_task(microphone.run())
            await asyncio.sleep(2.0)
            for n in range(5):
                async with asyncio.TaskGroup() as saying:
                    saying.create_task(microphone.say(sentence))
                    await it.until(ev.Transcript, final=True)
                if n in (1, 3):
                    scribe = str(await it.redis.get(keys.scribe(ROOM)))
                    it.agents[scribe.rpartition("-")[0]].kill()
            await asyncio.sleep(3.0)
            open_mic.cancel()
        events = await ConversationStream(it.redis, ROOM).read()
    assert it.count(ev.SpeechStarted, participant="ada") == 5
    assert it.count(ev.SpeechEnded, participant="ada") == 5
    assert it.count(ev.Transcript, participant="ada", final=True) == 5
    assert [entry.seq for entry in events] == list(range(1, len(events) + 1))


async def test_a_stopped_holder_that_wakes_after_its_lease_is_mute() -> None:
    async with hall() as it:
        listener = await it.join("listener")
        recorder = Recorder()
        listener.add_listener(recorder)
        await it.start_agent("host", "--role", "host", "--opening", "Open the conversation.")
        await it.until(ev.FloorTaken, participant="host")
        async with TalkingStick(it.redis, ROOM) as stick, asyncio.TaskGroup() as tasks:
            rival = Participant("rival", role="expert")
            await asyncio.sleep(1.0)
            it.agents["host"].send_signal(signal.SIGSTOP)
            tasks.create_task(it.until(ev.FloorExpired, participant="host", limit_s=10.0))
            async with stick.hold(rival, timeout_s=10.0) as grant:
                await asyncio.sleep(0.5)
                woken_ms = listener_ms(recorder)
                it.agents["host"].send_signal(signal.SIGCONT)
                await asyncio.sleep(1.0)
                assert grant.valid()
                await asyncio.sleep(1.0)
        loud = timeline.loud_blocks(recorder.recording(HZ)["host"], HZ)
    assert loud[: int(woken_ms // timeline.BLOCK_MS)].any()
    assert not loud[int(woken_ms // timeline.BLOCK_MS) :].any()


def listener_ms(recorder: Recorder) -> float:
    """Where the recording is now."""
    return (asyncio.get_running_loop().time() - recorder.started_s) * 1000

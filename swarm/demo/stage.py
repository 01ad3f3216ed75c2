"""Where the demo plays: a room in memory, or a real LiveKit room with a recorder in it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from adapters.ports import EARS_HZ
from swarm.demo.report import Recording

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from adapters.livekit_room import LiveKitRoom
    from adapters.memory_room import InMemoryRoom
    from adapters.ports import AudioSink, Room
    from adapters.recorder import Recorder
    from streams.clock import ServerClock
    from swarm.settings import LiveKitSettings

RECORDING_HZ = 24_000


class Stage(Protocol):
    """A room to play in."""

    @property
    def kind(self) -> str: ...
    def connect(self, name: str) -> Room: ...
    async def person_sink(self, sample_rate_hz: int) -> AudioSink: ...
    def recording(self, clock: ServerClock) -> Recording:
        """What everybody in it was heard to say, its start on Redis's clock."""
        ...


@asynccontextmanager
async def open_stage(livekit: LiveKitSettings | None, room: str) -> AsyncGenerator[Stage]:
    """Open a room in memory, or join the LiveKit room `room` where there is a server.

    Raises:
        RoomUnavailableError: the server refuses, or does not answer.
    """
    if livekit is None:
        from adapters.memory_room import InMemoryRoom

        async with AsyncExitStack() as stack:
            yield MemoryStage(InMemoryRoom(room), stack)
        return
    from adapters.recorder import Recorder

    async with AsyncExitStack() as stack:
        live = LiveKitStage(livekit, room, stack, Recorder())
        await live.start()
        yield live


class MemoryStage:
    """A room in this process."""

    kind = "memory"

    def __init__(self, hub: InMemoryRoom, stack: AsyncExitStack) -> None:
        self._hub = hub
        self._stack = stack

    def connect(self, name: str) -> Room:
        return self._hub.join(name)

    async def person_sink(self, sample_rate_hz: int) -> AudioSink:
        person = await self._stack.enter_async_context(self._hub.join("person"))
        return await person.publish_audio(sample_rate_hz)

    def recording(self, clock: ServerClock) -> Recording:
        """What everybody said, sample for sample."""
        return Recording(RECORDING_HZ, clock.at_ms(self._hub.opened_s), self._hub.recording(RECORDING_HZ))


class LiveKitStage:
    """A real LiveKit room, recorded by a participant that only listens."""

    kind = "livekit"

    def __init__(
        self, livekit: LiveKitSettings, room: str, stack: AsyncExitStack, recorder: Recorder
    ) -> None:
        self._livekit = livekit
        self._room = room
        self._stack = stack
        self._recorder = recorder

    async def start(self) -> None:
        """Have the recorder join."""
        room = self._join("recorder")
        room.add_listener(self._recorder)
        await room.connect()
        self._stack.push_async_callback(room.aclose)

    def connect(self, name: str) -> Room:
        return self._join(name)

    def _join(self, identity: str) -> LiveKitRoom:
        from adapters.livekit_room import LiveKitRoom

        it = self._livekit
        return LiveKitRoom(
            it.url,
            api_key=it.api_key,
            api_secret=it.api_secret,
            identity=identity,
            room=self._room,
            audio_hz=RECORDING_HZ if identity == "recorder" else EARS_HZ,
        )

    async def person_sink(self, sample_rate_hz: int) -> AudioSink:
        person = self._join("person")
        await person.connect()
        self._stack.push_async_callback(person.aclose)
        return await person.publish_audio(sample_rate_hz)

    def recording(self, clock: ServerClock) -> Recording:
        """What the recorder heard, by the time of arrival."""
        return Recording(
            RECORDING_HZ, clock.at_ms(self._recorder.started_s), self._recorder.recording(RECORDING_HZ)
        )

"""A private livekit-server for each test, and an agent's mouth and ears in its room."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from adapters.ears import Ears
from adapters.livekit_adapter import LiveKitAdapter
from adapters.livekit_room import LiveKitRoom
from tests.engines.listener import Listener
from tests.engines.livekit import LiveKitServer
from tests.engines.person import Person

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from adapters.ports import Cut, FloorView, Judge, Recogniser, Resumed, SpeechStarted
    from streams.vocabulary import BargeInMode, Playout

AGENT, PERSON, ROOM = "agent", "person", "room"
RATE_HZ = 24_000


@pytest.fixture
async def server() -> AsyncIterator[LiveKitServer]:
    async with LiveKitServer() as running:
        yield running


@dataclass(slots=True)
class Told:
    """What an adapter told its listener, and its model."""

    cuts: list[Cut] = field(default_factory=list[Any])
    resumed: list[Resumed] = field(default_factory=list[Any])
    played: list[str] = field(default_factory=list[str])
    model: list[str] = field(default_factory=list[str])
    """start, audio (one for a run of them) and end, in order."""
    model_audio_bytes: int = 0

    def on_first_audio(self, utterance_id: str, at_s: float) -> None: ...
    def on_window_opened(self, speech_id: str) -> None: ...
    def on_window_closed(self) -> None: ...

    def on_cut(self, cut: Cut) -> None:
        self.cuts.append(cut)

    def on_resumed(self, resumed: Resumed) -> None:
        self.resumed.append(resumed)

    def on_played_out(self, utterance_id: str, playout: Playout) -> None:
        self.played.append(utterance_id)

    def send_activity_start(self) -> None:
        self.model.append("start")

    def send_activity_end(self) -> None:
        self.model.append("end")

    def send_realtime(self, blob: Any) -> None:
        self.model_audio_bytes += len(blob.data)
        if self.model[-1:] != ["audio"]:
            self.model.append("audio")


@dataclass(slots=True)
class Scene:
    """An agent, a person and a listener in one room."""

    adapter: LiveKitAdapter
    person: Person
    listener: Listener
    told: Told


@asynccontextmanager
async def scene(
    server: LiveKitServer,
    *,
    mode: BargeInMode,
    judge: Callable[[SpeechStarted], Judge] | None = None,
    recogniser: Recogniser | None = None,
    floor: FloorView | None = None,
) -> AsyncGenerator[Scene]:
    """Put them into the room; the agent is heard by the listener when this yields."""
    told = Told()
    ears = Ears(is_person=lambda identity: identity == PERSON, recogniser=recogniser)
    async with (
        LiveKitRoom(server.url, token=server.token(AGENT, ROOM)) as room,
        Listener(server.url, server.token("listener", ROOM), sample_rate_hz=RATE_HZ) as listener,
        Person(server.url, server.token(PERSON, ROOM)) as person,
        LiveKitAdapter(
            room,
            ears=ears,
            mode=mode,
            judge=judge,
            floor=floor,
            model_input=told,
            listener=told,
            sample_rate_hz=RATE_HZ,
        ) as adapter,
    ):
        ears.attach(room)
        await listener.wait_track(AGENT, limit_s=5.0)
        await listener.wait_track(PERSON, limit_s=5.0)
        yield Scene(adapter, person, listener, told)
        ears.close()

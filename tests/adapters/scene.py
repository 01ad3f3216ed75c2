"""One adapter between a scripted room, scripted ears and a logged model, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapters.livekit_adapter import AdapterSettings, LiveKitAdapter
from adapters.ports import FRAME_MS
from streams.vocabulary import BargeInMode
from tests.adapters.scripted import (
    RATE,
    KeptReports,
    ModelLog,
    RecordingSink,
    ScriptedEars,
    SinkRoom,
    WordJudge,
    numbered,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.adapters.virtual_time import VirtualLoop


NO_FADE = AdapterSettings(fade_ms=0.0)
"""Samples come out as they were sent, so that they tell their own position."""


@dataclass
class Scene:
    loop: VirtualLoop
    adapter: LiveKitAdapter
    ears: ScriptedEars
    sink: RecordingSink
    room: SinkRoom
    model: ModelLog
    reports: KeptReports

    async def pass_ms(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)

    async def person_speaks(self, person: str, ms: float) -> None:
        """Sound and progress of an open speech, window by window."""
        for _ in range(int(ms / FRAME_MS)):
            self.ears.hear(person)
            self.ears.progress(person)
            await asyncio.sleep(FRAME_MS / 1000)

    @property
    def voice(self) -> bytes:
        """What was heard of the agent, silence left out."""
        samples = memoryview(self.sink.heard).cast("h")
        return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples if sample)


@asynccontextmanager
async def scene(
    loop: VirtualLoop, *, mode: BargeInMode, depth_frames: int = 0, **options: Any
) -> AsyncIterator[Scene]:
    sink = RecordingSink(RATE, depth_frames=depth_frames)
    room, model, reports = SinkRoom(sink), ModelLog(), KeptReports()
    ears = ScriptedEars(loop.time)
    ears.attach(room)
    options.setdefault("settings", NO_FADE)
    if mode is not BargeInMode.IMMEDIATE:
        options.setdefault("judge", lambda _: WordJudge())
    adapter = LiveKitAdapter(
        room,
        ears=ears,  # type: ignore[arg-type]
        mode=mode,
        model_input=model,
        listener=reports,
        sample_rate_hz=RATE,
        clock=loop.time,
        **options,
    )
    async with adapter:
        yield Scene(loop, adapter, ears, sink, room, model, reports)
    model.check_windows()


def speak(adapter: LiveKitAdapter, utterance_id: str, ms: float) -> bytes:
    """Queue a whole utterance of numbered samples."""
    pcm = numbered(0, int(RATE * ms / 1000))
    adapter.begin_utterance(utterance_id)
    assert adapter.send_audio_chunk(pcm, sample_rate_hz=RATE, utterance_id=utterance_id)
    adapter.end_utterance(utterance_id)
    return pcm

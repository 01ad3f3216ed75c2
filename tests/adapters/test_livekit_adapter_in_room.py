"""Mouth and real ears together in the room in memory: recorded people over a recorded agent's voice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from adapters import Ears, InMemoryRoom, LiveKitAdapter, Pacer
from adapters.audio import resample
from adapters.wav import read_wav
from streams.vocabulary import BargeInMode, Decision, Verdict
from tests.adapters.scene import NO_FADE
from tests.adapters.scripted import KeptReports, ModelLog
from tests.adapters.virtual_time import VirtualLoop, run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from streams.vocabulary import Observation

AUDIO = Path(__file__).parents[1] / "data" / "audio"
AGENT_HZ, PERSON_HZ = 24_000, 16_000


class Cast:
    """An agent that speaks and people who talk over it, in one room and virtual time."""

    def __init__(
        self, loop: VirtualLoop, mode: BargeInMode, judge: Callable[[Observation], Decision]
    ) -> None:
        class Told:
            def observe(self, observation: Observation) -> Verdict:
                return Verdict(judge(observation), "test")

        self.loop = loop
        self.hub = InMemoryRoom("panel", clock=loop.time)
        self.room = self.hub.join("agent")
        self.ears = Ears(is_person=lambda identity: identity != "agent", clock=loop.time)
        self.ears.attach(self.room)
        self.model, self.reports = ModelLog(), KeptReports()
        self.adapter = LiveKitAdapter(
            self.room,
            ears=self.ears,
            mode=mode,
            judge=lambda _: Told(),
            model_input=self.model,
            listener=self.reports,
            settings=NO_FADE,
            clock=loop.time,
        )
        self.agent_voice = read_wav(AUDIO / "jfk.wav").mono(AGENT_HZ)

    def agent_speaks(self) -> None:
        self.adapter.begin_utterance("u1")
        assert self.adapter.send_audio_chunk(
            self.agent_voice.tobytes(), sample_rate_hz=AGENT_HZ, utterance_id="u1"
        )
        self.adapter.end_utterance("u1")

    async def person_says(
        self,
        identity: str,
        samples: NDArray[np.int16],
        *,
        sample_rate_hz: int = PERSON_HZ,
        channels: int = 1,
        leaves: bool = False,
    ) -> float:
        """Say a recording to its end, then leave or stay a second; returns when the first sample left."""
        person = self.hub.join(identity)
        await person.connect()
        sink = await person.publish_audio(sample_rate_hz, channels=channels)
        pcm = np.repeat(samples, channels).tobytes()
        size = sample_rate_hz // 100 * 2 * channels
        position = 0

        def next_frame(now_s: float) -> bytes:
            nonlocal position
            frame = pcm[position : position + size].ljust(size, b"\0")
            position += size
            return frame

        pacer = Pacer(sink, next_frame, clock=self.loop.time)
        began_s = self.loop.time()
        pacer.start()
        await asyncio.sleep(len(samples) / sample_rate_hz + (0 if leaves else 1))
        pacer.stop()
        await person.aclose()
        return began_s

    def agent_heard(self) -> NDArray[np.int16]:
        return self.hub.recording(AGENT_HZ)["agent"]

    def check_prefix_heard(self, heard_ms: float) -> None:
        """What the room heard of the agent is exactly the beginning that the adapter reports, and silence."""
        heard = self.agent_heard()
        count = round(heard_ms * AGENT_HZ / 1000)
        start = int(np.flatnonzero(heard)[0]) - int(np.flatnonzero(self.agent_voice)[0])
        assert np.array_equal(heard[start : start + count], self.agent_voice[:count])
        assert not heard[start + count :].any()


def said(name: str, to_s: float) -> NDArray[np.int16]:
    return read_wav(AUDIO / name).mono(PERSON_HZ)[: int(to_s * PERSON_HZ)]


def onset_s(samples: NDArray[np.int16]) -> float:
    """When the first 10 ms that are clearly loud begin."""
    levels = np.sqrt(
        np.mean(samples[: len(samples) // 160 * 160].reshape(-1, 160).astype(float) ** 2, axis=1)
    )
    return float(np.argmax(levels > 500)) / 100


def by_duration(observation: Observation) -> Decision:
    return Decision.INTERRUPT if observation.voiced_ms > 200 else Decision.HOLD


@pytest.mark.parametrize("name", ["ps_goforward.wav", "ps_numbers.wav", "ps_librivox_0880.wav"])
@pytest.mark.parametrize("mode", [BargeInMode.IMMEDIATE, BargeInMode.CONFIRM])
def test_a_recorded_barge_in_silences_the_agent(name: str, mode: BargeInMode) -> None:
    async def test(loop: VirtualLoop) -> None:
        cast = Cast(loop, mode, by_duration)
        samples = said(name, 3.0)
        async with cast.room, cast.adapter:
            cast.agent_speaks()
            await asyncio.sleep(1)
            began_s = await cast.person_says("ann", samples)
        (cut,) = cast.reports.of("cut")
        assert 0 < cut.gate_s - (began_s + onset_s(samples)) < 0.25
        cast.check_prefix_heard(cut.playout.heard_ms)
        cast.model.check_windows()
        person = samples[int(onset_s(samples) * PERSON_HZ) :][: PERSON_HZ // 2].tobytes()
        assert person in cast.model.audio, "what was said from the onset on reaches the model"

    run_virtual(test)


def test_a_person_in_stereo_at_another_rate_is_heard_all_the_same() -> None:
    async def test(loop: VirtualLoop) -> None:
        cast = Cast(loop, BargeInMode.IMMEDIATE, by_duration)
        samples = resample(said("ps_goforward.wav", 2.0), PERSON_HZ, 44_100)
        async with cast.room, cast.adapter:
            cast.agent_speaks()
            await asyncio.sleep(0.5)
            await cast.person_says("ann", samples, sample_rate_hz=44_100, channels=2)
        assert len(cast.reports.of("cut")) == 1

    run_virtual(test)


def test_a_held_utterance_goes_on_and_the_room_hears_every_sample_once() -> None:
    async def test(loop: VirtualLoop) -> None:
        cast = Cast(loop, BargeInMode.CONFIRM, lambda o: Decision.RESUME if o.ended else Decision.CONTINUE)
        async with cast.room, cast.adapter:
            cast.agent_speaks()
            await asyncio.sleep(1)
            await cast.person_says("ann", said("ps_goforward.wav", 2.0))
            await cast.adapter.wait_played_out("u1")
        assert cast.model.log == []
        (resumed,) = cast.reports.of("resumed")
        assert resumed.held_ms < 50
        heard, voice = cast.agent_heard(), cast.agent_voice
        assert np.array_equal(heard[heard != 0], voice[voice != 0])

    run_virtual(test)


def test_a_person_who_leaves_mid_speech_closes_the_window() -> None:
    async def test(loop: VirtualLoop) -> None:
        cast = Cast(loop, BargeInMode.IMMEDIATE, by_duration)
        async with cast.room, cast.adapter:
            cast.agent_speaks()
            await asyncio.sleep(0.5)
            await cast.person_says("ann", said("ps_goforward.wav", 1.5), leaves=True)
            assert cast.model.signals == ["start", "end"]
            assert cast.adapter._active_speakers == 0

    run_virtual(test)

"""What holds at any interleaving of speech, verdicts, chunks, floor changes and time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.listening import ListeningSettings
from adapters.livekit_adapter import AdapterSettings, LiveKitAdapter
from adapters.ports import FRAME_MS
from streams.vocabulary import BargeInMode, Decision, ParticipantKind, Verdict
from tests.adapters.scripted import (
    RATE,
    Grant,
    KeptReports,
    ModelLog,
    RecordingSink,
    ScriptedEars,
    SinkRoom,
    WordJudge,
    numbered,
)
from tests.adapters.virtual_time import VirtualLoop, run_virtual

if TYPE_CHECKING:
    from streams.vocabulary import Playout

PEOPLE = ("ann", "ben")
WORDS = ("", "hm", "yeah", "well", "stop", "yeah stop")

steps = st.one_of(
    st.tuples(st.just("chunk"), st.integers(1, 1300)),
    st.tuples(st.just("begin"), st.just(0)),
    st.tuples(st.just("finish"), st.just(0)),
    st.tuples(st.just("drop"), st.just(0)),
    st.tuples(st.just("cut"), st.just(0)),
    st.tuples(st.just("grant"), st.sampled_from([0, 50, 300, 5000])),
    st.tuples(st.just("revoke"), st.just(0)),
    st.tuples(st.just("time"), st.integers(1, 700)),
    st.tuples(st.just("stall"), st.integers(1, 700)),
    st.tuples(st.sampled_from(["start", "end", "hear", "silence", "turn"]), st.sampled_from(PEOPLE)),
    st.tuples(st.just("words"), st.tuples(st.sampled_from(PEOPLE), st.sampled_from(WORDS))),
)


@dataclass
class FloorSink(RecordingSink):
    """Notes when each loud frame was pushed, and whether the floor allowed it then."""

    loop: VirtualLoop
    grant: Grant | None
    against_the_floor: list[float] = field(default_factory=list)

    def __init__(self, loop: VirtualLoop, grant: Grant | None, depth_frames: int) -> None:
        super().__init__(RATE, depth_frames=depth_frames)
        self.loop, self.grant, self.against_the_floor = loop, grant, []

    def push(self, pcm: bytes) -> None:
        now_s, grant = self.loop.time(), self.grant
        if any(pcm) and grant is not None:
            end_s = now_s + (self.queued_ms + FRAME_MS) / 1000
            if now_s < grant.may_speak_from_s or end_s > grant.may_speak_until_s:
                self.against_the_floor.append(now_s)
        super().push(pcm)


class Agent:
    """Drives one adapter through a script and keeps the books that it should agree with."""

    def __init__(
        self, loop: VirtualLoop, mode: BargeInMode, *, floor: bool, depth_frames: int, endpointing_ms: float
    ) -> None:
        self.loop, self.mode = loop, mode
        self.grant = Grant() if floor else None
        self.ears, self.model, self.reports = ScriptedEars(loop.time), ModelLog(), KeptReports()
        self.sink = FloorSink(loop, self.grant, depth_frames)
        self.adapter = LiveKitAdapter(
            SinkRoom(self.sink),
            ears=self.ears,  # type: ignore[arg-type]
            mode=mode,
            judge=lambda _: WordJudge(),
            floor=self.grant,
            model_input=self.model,
            listener=self.reports,
            sample_rate_hz=RATE,
            settings=AdapterSettings(
                listening=ListeningSettings(endpointing_ms=endpointing_ms), buffer_s=0.5, fade_ms=0.0
            ),
            clock=loop.time,
        )
        self.made: dict[str, bytes] = {}
        self.refused: set[str] = set()
        self.ended: set[str] = set()
        self.speeches: dict[str, str] = {}
        self.position = 0

    async def step(self, what: str, value: Any) -> None:
        utterance = f"u{len(self.made)}"
        match what:
            case "begin":
                self.end_current(utterance)
                utterance = f"u{len(self.made) + 1}"
                self.made[utterance] = b""
                self.adapter.begin_utterance(utterance)
            case "chunk" if self.made:
                self.send(utterance, value)
            case "finish" if self.made:
                self.end_current(utterance)
            case "drop" if self.made:
                self.adapter.drop(utterance)
            case "cut":
                verdict = Verdict(Decision.INTERRUPT, "urgent")
                self.adapter.cut("expert", ParticipantKind.AGENT, verdict)
            case "grant" if self.grant is not None:
                self.grant.may_speak_from_s = self.loop.time() + 0.02
                self.grant.may_speak_until_s = self.loop.time() + value / 1000
            case "revoke" if self.grant is not None:
                self.grant.may_speak_from_s, self.grant.may_speak_until_s = float("inf"), float("-inf")
            case "time":
                await asyncio.sleep(value / 1000)
            case "stall":
                self.loop.now_s += value / 1000
            case "turn":
                self.adapter.flush_turn(f"{value}-1")
            case _:
                self.person(what, value)

    def send(self, utterance: str, samples: int) -> None:
        pcm = numbered(self.position, samples)
        self.position += samples
        if utterance not in self.ended:
            self.made[utterance] += pcm
        taken = self.adapter.send_audio_chunk(pcm, sample_rate_hz=RATE, utterance_id=utterance)
        if not taken:
            self.refused.add(utterance)
        assert not (taken and utterance in self.refused), "a hole in the utterance"
        assert not (taken and utterance in self.ended), "audio after the end"

    def end_current(self, utterance: str) -> None:
        if self.made and utterance not in self.ended:
            self.ended.add(utterance)
            self.adapter.end_utterance(utterance)

    def person(self, what: str, value: Any) -> None:
        match what:
            case "start" if value not in self.ears.speaking():
                self.ears.start(value)
            case "hear":
                self.ears.hear(value, 30)
                if value in self.ears.speaking():
                    self.ears.progress(value)
            case "silence" if value in self.ears.speaking():
                self.ears.hear(value, 30)
                self.ears.progress(value, silence_ms=300)
            case "words" if value[0] in self.ears.speaking():
                self.ears.words(value[0], value[1])
            case "end" if value in self.ears.speaking():
                self.ears.end(value)
            case _:
                pass

    def heard_of(self, utterance: str) -> bytes:
        """What the sink sent of one utterance. Every sample of a script has its own number."""
        heard = np.frombuffer(self.sink.heard, dtype=np.uint16)
        own = np.frombuffer(self.made[utterance], dtype=np.uint16)
        return heard[np.isin(heard, own)].tobytes()

    def check(self) -> None:
        self.model.check_windows()
        assert not self.sink.against_the_floor
        assert self.adapter._active_speakers == len(self.ears.speaking())

    def check_playout(self, utterance: str) -> None:
        playout: Playout = self.adapter.playout(utterance)
        made, heard = self.made[utterance], self.heard_of(utterance)
        assert made.startswith(heard), "played out of order, twice or with a hole"
        assert playout.heard_ms == pytest.approx(len(heard) / 2 / RATE * 1000)
        if playout.complete:
            assert heard == made


@pytest.mark.timeout(180)
@settings(max_examples=150, deadline=None)
@given(
    st.lists(steps, max_size=50),
    st.sampled_from(BargeInMode),
    st.booleans(),
    st.sampled_from([0, 3]),
    st.sampled_from([0.0, 200.0]),
)
def test_rules_hold_at_any_interleaving(
    script: list[tuple[str, Any]], mode: BargeInMode, floor: bool, depth_frames: int, endpointing_ms: float
) -> None:
    async def test(loop: VirtualLoop) -> None:
        agent = Agent(loop, mode, floor=floor, depth_frames=depth_frames, endpointing_ms=endpointing_ms)
        async with agent.adapter:
            for what, value in script:
                await agent.step(what, value)
                agent.check()
            for person in tuple(agent.ears.speaking()):
                agent.ears.end(person)
            agent.end_current(f"u{len(agent.made)}")
            if agent.grant is not None:
                agent.grant.may_speak_from_s, agent.grant.may_speak_until_s = loop.time(), float("inf")
            await asyncio.sleep(sum(map(len, agent.made.values())) / 2 / RATE + 3)
            agent.check()
            for utterance in agent.made:
                agent.check_playout(utterance)
                await asyncio.wait_for(agent.adapter.wait_played_out(utterance), 0.1)
            signals = agent.model.signals
            assert signals.count("start") == signals.count("end")
            finished = [cut.utterance_id for cut in agent.reports.of("cut")]
            finished += [utterance for utterance, _ in agent.reports.of("played_out")]
            assert len(finished) == len(set(finished))

    run_virtual(test)

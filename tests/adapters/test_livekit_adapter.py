"""What people's speech does to an agent's utterance, in virtual time."""

from __future__ import annotations

import pytest

from adapters.gate import GateState
from adapters.livekit_adapter import LiveKitAdapter
from adapters.ports import FRAME_MS
from streams.vocabulary import BargeInMode, ParticipantKind
from tests.adapters.scene import scene, speak
from tests.adapters.scripted import (
    RATE,
    KeptReports,
    ModelLog,
    RecordingSink,
    ScriptedEars,
    SinkRoom,
    numbered,
)
from tests.adapters.virtual_time import VirtualLoop, run_virtual


def test_an_utterance_is_played_once_whole_and_reported() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            pcm = speak(s.adapter, "u1", 205)
            playout = await s.adapter.wait_played_out("u1")
            assert (playout.generated_ms, playout.heard_ms, playout.complete) == (205, 205, True)
            assert s.voice == pcm
            assert [kind for kind, _ in s.reports.told] == ["first_audio", "played_out"]
            assert s.ears.reference == s.sink.sent

    run_virtual(test)


def test_immediate_drops_in_the_callback_of_start() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.IMMEDIATE) as s:
            pcm = speak(s.adapter, "u1", 1000)
            s.ears.hear("ann", 400)
            await s.pass_ms(300)
            heard_before = len(s.voice)
            s.ears.start("ann")
            assert s.adapter._active_speakers == 1
            assert s.adapter.gate_state is GateState.DROPPING
            assert s.model.log[0] == "start"
            (cut,) = s.reports.of("cut")
            assert cut.playout.heard_ms == heard_before / 2 / RATE * 1000
            assert cut.playout.generated_ms == 1000
            assert (cut.by, cut.by_kind, cut.gate_s) == ("ann", ParticipantKind.PERSON, loop.time())
            assert not s.adapter.send_audio_chunk(pcm, sample_rate_hz=RATE, utterance_id="u1")
            await s.pass_ms(200)
            assert len(s.voice) == heard_before
            assert s.adapter.playout("u1") == cut.playout
            assert await s.adapter.wait_played_out("u1") == cut.playout
            s.ears.end("ann")
            assert s.adapter._active_speakers == 0
            assert s.model.signals == ["start", "end"]

    run_virtual(test)


def test_confirm_holds_and_resumes_from_the_exact_sample() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            s.adapter.begin_utterance("u1")
            pcm = numbered(0, RATE)
            half = len(pcm) // 2
            assert s.adapter.send_audio_chunk(pcm[:half], sample_rate_hz=RATE, utterance_id="u1")
            s.ears.hear("ann", 400)
            await s.pass_ms(200)
            s.ears.start("ann")
            assert s.adapter.gate_state is GateState.HELD
            heard = len(s.voice)
            assert s.adapter.send_audio_chunk(pcm[half:], sample_rate_hz=RATE, utterance_id="u1")
            await s.person_speaks("ann", 300)
            assert len(s.voice) == heard
            s.ears.words("ann", "yeah")
            assert s.adapter.gate_state is GateState.OPEN
            s.adapter.end_utterance("u1")
            playout = await s.adapter.wait_played_out("u1")
            assert playout.complete
            assert s.voice == pcm
            (resumed,) = s.reports.of("resumed")
            assert resumed.held_ms == pytest.approx(300)
            assert (resumed.utterance_id, resumed.by) == ("u1", "ann")
            s.ears.end("ann")
            assert s.model.log == []

    run_virtual(test)


def test_confirm_interrupt_cuts_and_then_tells_the_model_all_that_was_said() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 2000)
            s.ears.hear("ann", 400)
            await s.pass_ms(200)
            s.ears.start("ann", onset_ms_ago=80)
            started_s, heard = loop.time(), len(s.voice)
            await s.person_speaks("ann", 300)
            assert s.model.log == []
            s.ears.words("ann", "stop")
            await s.person_speaks("ann", 200)
            s.ears.end("ann")
            assert [kind for kind, _ in s.reports.told] == [
                "first_audio",
                "cut",
                "window_opened",
                "window_closed",
            ]
            (cut,) = s.reports.of("cut")
            assert cut.gate_s == started_s
            assert cut.decided_s == pytest.approx(started_s + 0.3)
            assert cut.verdict.words == "stop"
            assert cut.playout.heard_ms == heard / 2 / RATE * 1000
            assert s.model.signals == ["start", "end"]
            assert s.model.audio == s.ears.audio("ann", (400 - 80 - 300) * 16, 900 * 16)
            await s.pass_ms(200)
            assert len(s.voice) == heard

    run_virtual(test)


def test_overlap_goes_on_until_the_judge_says_interrupt() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.OVERLAP) as s:
            pcm = speak(s.adapter, "u1", 2000)
            await s.pass_ms(200)
            s.ears.start("ann")
            await s.person_speaks("ann", 300)
            heard = len(s.voice)
            assert heard >= (200 + 300 - 2 * FRAME_MS) * RATE * 2 // 1000
            assert s.voice == pcm[:heard]
            assert s.model.log == []
            s.ears.words("ann", "stop")
            (cut,) = s.reports.of("cut")
            assert cut.gate_s == loop.time()
            assert cut.playout.heard_ms == heard / 2 / RATE * 1000
            await s.pass_ms(100)
            assert len(s.voice) == heard

    run_virtual(test)


def test_overlap_backchannel_loses_nothing_and_costs_no_silence() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.OVERLAP) as s:
            pcm = speak(s.adapter, "u1", 1000)
            await s.pass_ms(200)
            s.ears.start("ann")
            await s.person_speaks("ann", 300)
            s.ears.words("ann", "yeah", final=True)
            s.ears.end("ann")
            await s.adapter.wait_played_out("u1")
            assert pcm in s.sink.heard
            (resumed,) = s.reports.of("resumed")
            assert resumed.held_ms == 0
            assert s.model.log == []

    run_virtual(test)


def test_one_of_several_speakers_who_interrupts_is_enough() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 3000)
            await s.pass_ms(200)
            s.ears.start("ann")
            s.ears.start("ben")
            assert s.adapter._active_speakers == 2
            s.ears.words("ann", "yeah")
            assert s.adapter.gate_state is GateState.HELD
            s.ears.words("ben", "stop")
            (cut,) = s.reports.of("cut")
            assert cut.by == "ben"
            assert s.adapter.gate_state is GateState.DROPPING
            s.ears.end("ann")
            s.ears.end("ben")
            assert s.adapter._active_speakers == 0
            assert s.adapter.gate_state is GateState.OPEN

    run_virtual(test)


def test_a_person_already_speaking_holds_an_utterance_that_begins() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            s.ears.start("ann")
            await s.person_speaks("ann", 100)
            speak(s.adapter, "u1", 500)
            assert s.adapter.gate_state is GateState.HELD
            s.ears.words("ann", "stop")
            (cut,) = s.reports.of("cut")
            assert cut.playout.heard_ms == 0

    run_virtual(test)


def test_a_person_who_has_paused_does_not_hold_the_answer() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            s.ears.start("ann")
            await s.person_speaks("ann", 100)
            s.ears.progress("ann", silence_ms=500)
            pcm = speak(s.adapter, "u1", 100)
            s.ears.progress("ann", silence_ms=540)
            s.ears.end("ann")
            await s.adapter.wait_played_out("u1")
            assert pcm in s.sink.heard
            assert not s.reports.of("cut")

    run_virtual(test)


def test_a_listener_that_raises_does_not_keep_the_gate_open(caplog: pytest.LogCaptureFixture) -> None:
    class Faulty(KeptReports):
        def on_cut(self, cut: object) -> None:
            raise RuntimeError("listener")

    async def test(loop: VirtualLoop) -> None:
        sink = RecordingSink(RATE)
        ears, model = ScriptedEars(loop.time), ModelLog()
        adapter = LiveKitAdapter(
            SinkRoom(sink),
            ears=ears,  # type: ignore[arg-type]
            model_input=model,
            listener=Faulty(),
            sample_rate_hz=RATE,
            clock=loop.time,
        )
        async with adapter:
            speak(adapter, "u1", 500)
            ears.start("ann")
            assert model.signals == ["start"]
            assert adapter.gate_state is GateState.DROPPING

    run_virtual(test)
    assert "adapter_listener_failed" in caplog.text

"""The mouth of one agent, in virtual time, with scripted ears."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from adapters.errors import UnknownUtteranceError, UnsupportedAudioError
from adapters.gate import GateState
from adapters.listening import ListeningSettings
from adapters.livekit_adapter import AdapterSettings, LiveKitAdapter
from adapters.ports import FRAME_MS
from streams.vocabulary import BargeInMode, Decision, ParticipantKind, Verdict
from tests.adapters.scripted import (
    FRAME,
    RATE,
    Grant,
    KeptReports,
    ModelLog,
    RecordingSink,
    ScriptedEars,
    SinkRoom,
    VirtualLoop,
    WordJudge,
    numbered,
    run_virtual,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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


def test_ears_in_another_room_are_not_told_the_voice_a_second_time() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            s.ears.rooms.clear()
            speak(s.adapter, "u1", 50)
            await s.adapter.wait_played_out("u1")
            assert s.ears.reference == []

    run_virtual(test)


def test_silence_is_pushed_for_ever_while_nothing_is_said() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            await s.pass_ms(1000)
            assert len(s.sink.sent) in (100, 101)
            assert not any(s.sink.heard)

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


def test_immediate_gives_the_model_the_speech_from_before_its_onset_to_its_end() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.IMMEDIATE) as s:
            s.ears.hear("ann", 1000)
            s.ears.start("ann", onset_ms_ago=80)
            await s.person_speaks("ann", 500)
            s.ears.end("ann")
            s.ears.hear("ann", 500)
            assert s.model.audio == s.ears.audio("ann", (1000 - 80 - 300) * 16, 1500 * 16)
            assert s.reports.told == [("window_opened", "ann-1"), ("window_closed", None)]

    run_virtual(test)


def test_a_bare_adapter_takes_chunks_without_an_utterance() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.IMMEDIATE) as s:
            assert s.adapter.send_audio_chunk(numbered(0, 3 * FRAME))
            assert s.adapter.send_audio_chunk(numbered(3 * FRAME, 50))
            await s.pass_ms(100)
            assert s.voice == numbered(0, 3 * FRAME + 50)
            s.ears.start("ann")
            assert not s.adapter.send_audio_chunk(numbered(0, FRAME))
            s.ears.end("ann")
            assert s.adapter.send_audio_chunk(numbered(0, FRAME))

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


def test_a_stalled_stream_of_speech_is_decided_at_the_limit() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 2000)
            await s.pass_ms(200)
            s.ears.start("ann")
            await s.pass_ms(490)
            assert s.adapter.gate_state is GateState.HELD
            await s.pass_ms(20)
            (cut,) = s.reports.of("cut")
            assert cut.verdict.decision is Decision.INTERRUPT

    run_virtual(test)


def test_a_cough_resumes() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            pcm = speak(s.adapter, "u1", 1000)
            s.ears.hear("ann", 300)
            await s.pass_ms(200)
            s.ears.start("ann")
            await s.person_speaks("ann", 100)
            for silence_ms in range(10, 600, 10):
                s.ears.hear("ann")
                s.ears.progress("ann", silence_ms=silence_ms)
                await s.pass_ms(10)
            s.ears.words("ann", "", final=True)
            s.ears.end("ann")
            (resumed,) = s.reports.of("resumed")
            assert resumed.held_ms == pytest.approx(500, abs=11)
            await s.adapter.wait_played_out("u1")
            assert s.voice == pcm
            assert s.model.log == []

    run_virtual(test)


def test_a_resume_is_revised_when_the_same_speech_goes_on_to_interrupt() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 3000)
            s.ears.hear("ann", 300)
            await s.pass_ms(200)
            s.ears.start("ann")
            await s.person_speaks("ann", 200)
            s.ears.words("ann", "yeah")
            await s.person_speaks("ann", 600)
            heard = len(s.voice)
            s.ears.words("ann", "yeah stop")
            (cut,) = s.reports.of("cut")
            assert cut.playout.heard_ms == heard / 2 / RATE * 1000
            assert s.model.signals == ["start"]

    run_virtual(test)


def test_words_that_come_long_after_a_resumed_speech_change_nothing() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 4000)
            await s.pass_ms(200)
            speech_id = s.ears.start("ann")
            await s.person_speaks("ann", 200)
            s.ears.words("ann", "yeah")
            s.ears.end("ann")
            await s.pass_ms(1300)
            s.ears.words("ann", "yeah stop", speech_id=speech_id)
            assert not s.reports.of("cut")

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


def test_the_second_speaker_is_sent_whole_after_the_first() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.IMMEDIATE) as s:
            s.ears.hear("ann", 400)
            s.ears.hear("ben", 400)
            s.ears.start("ann")
            await s.person_speaks("ann", 100)
            s.ears.start("ben")
            for _ in range(20):
                s.ears.hear("ben")
                await s.person_speaks("ann", 10)
            s.ears.end("ann")
            s.ears.end("ben")
            ann, ben = s.ears.audio("ann", 20 * 16), s.ears.audio("ben", 20 * 16)
            assert s.model.audio == ann + ben
            assert s.model.signals == ["start", "end"]

    run_virtual(test)


def test_speech_that_goes_on_within_endpointing_continues_the_activity() -> None:
    settings = AdapterSettings(listening=ListeningSettings(endpointing_ms=300))

    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.IMMEDIATE, settings=settings) as s:
            s.ears.hear("ann", 400)
            s.ears.start("ann")
            s.ears.end("ann")
            for _ in range(20):
                s.ears.hear("ann")
                await s.pass_ms(10)
            assert s.model.signals == ["start"]
            s.ears.start("ann")
            s.ears.end("ann")
            await s.pass_ms(299)
            assert s.model.signals == ["start"]
            await s.pass_ms(2)
            assert s.model.signals == ["start", "end"]
            assert s.model.audio == s.ears.audio("ann", 20 * 16)

    run_virtual(test)


def test_while_the_agent_is_silent_speech_opens_no_window_in_confirm() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            s.ears.hear("ann", 400)
            speech_id = s.ears.start("ann")
            await s.person_speaks("ann", 300)
            s.ears.words("ann", "stop")
            s.ears.end("ann")
            assert s.model.log == []
            assert s.adapter.flush_turn(speech_id)
            assert s.model.signals == ["start", "end"]
            assert s.model.audio == s.ears.audio("ann", 20 * 16, 700 * 16)
            assert s.adapter.flush_turn(speech_id)
            assert s.model.signals == ["start", "end"]
            assert not s.adapter.flush_turn("nobody-1")

    run_virtual(test)


def test_listening_always_opens_a_window_while_the_agent_is_silent() -> None:
    settings = AdapterSettings(listening=ListeningSettings(listen="always"))

    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, settings=settings) as s:
            s.ears.start("ann")
            await s.person_speaks("ann", 100)
            s.ears.end("ann")
            assert s.model.signals == ["start", "end"]

    run_virtual(test)


def test_a_person_who_leaves_or_mutes_mid_speech_closes_the_window() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.IMMEDIATE) as s:
            s.ears.start("ann")
            s.ears.end("ann", reason="muted")
            assert s.model.signals == ["start", "end"]
            assert s.adapter.gate_state is GateState.OPEN

    run_virtual(test)


def test_the_end_of_the_room_closes_the_window_and_cuts_the_utterance() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            window_id = s.adapter.open_window("ann", 0)
            speak(s.adapter, "u1", 1000)
            await s.pass_ms(100)
            for listener in tuple(s.room.listeners):
                listener.on_closed("server gone")
            playout = await s.adapter.wait_played_out("u1")
            assert not playout.complete
            assert s.model.signals == ["start", "end"]
            s.adapter.close_window(window_id)
            pushed = len(s.sink.sent)
            await s.pass_ms(100)
            assert len(s.sink.sent) == pushed

    run_virtual(test)


def test_without_the_floor_the_agent_is_mute_whatever_it_sends() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, floor=Grant()) as s:
            s.adapter.begin_utterance("u1")
            chunk = numbered(0, RATE)
            assert not s.adapter.send_audio_chunk(chunk, sample_rate_hz=RATE, utterance_id="u1")
            await s.pass_ms(100)
            assert not any(s.sink.heard)
            playout = s.adapter.playout("u1")
            assert (playout.generated_ms, playout.heard_ms) == (1000, 0)
            (cut,) = s.reports.of("cut")
            assert cut.by == "floor"

    run_virtual(test)


def test_audio_waits_out_the_guard() -> None:
    async def test(loop: VirtualLoop) -> None:
        grant = Grant(loop.time() + 0.2, loop.time() + 10)
        async with scene(loop, mode=BargeInMode.CONFIRM, floor=grant) as s:
            pcm = speak(s.adapter, "u1", 100)
            await s.pass_ms(195)
            assert not any(s.sink.heard)
            await s.adapter.wait_played_out("u1")
            assert s.voice == pcm

    run_virtual(test)


def test_a_lapsing_lease_ends_the_utterance_before_the_lease_ends() -> None:
    async def test(loop: VirtualLoop) -> None:
        until_s = loop.time() + 0.5
        grant = Grant(loop.time(), until_s)
        async with scene(loop, mode=BargeInMode.CONFIRM, floor=grant, depth_frames=3) as s:
            speak(s.adapter, "u1", 2000)
            playout = await s.adapter.wait_played_out("u1")
            assert loop.time() <= until_s
            assert 400 < playout.heard_ms <= 500
            grant.may_speak_until_s = loop.time() + 10
            assert not s.adapter.send_audio_chunk(numbered(0, FRAME), sample_rate_hz=RATE, utterance_id="u1")
            await s.pass_ms(100)
            assert len(s.voice) == playout.heard_ms * RATE * 2 / 1000
            assert s.model.signals == ["start", "end"]

    run_virtual(test)


def test_a_process_that_was_stopped_past_its_lease_wakes_mute() -> None:
    async def test(loop: VirtualLoop) -> None:
        grant = Grant(loop.time(), loop.time() + 1)
        async with scene(loop, mode=BargeInMode.CONFIRM, floor=grant) as s:
            speak(s.adapter, "u1", 5000)
            await s.pass_ms(300)
            heard = len(s.voice)
            loop.now_s += 3
            await s.pass_ms(300)
            assert len(s.voice) == heard

    run_virtual(test)


def test_an_agents_preemption_cuts_and_stops_the_model() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 1000)
            await s.pass_ms(200)
            verdict = Verdict(Decision.INTERRUPT, "urgent")
            s.adapter.cut("expert", ParticipantKind.AGENT, verdict)
            (cut,) = s.reports.of("cut")
            assert (cut.by, cut.by_kind, cut.speech) == ("expert", ParticipantKind.AGENT, None)
            assert s.model.log == ["start", "end"]
            s.adapter.cut("expert", ParticipantKind.AGENT, verdict)
            assert len(s.reports.of("cut")) == 1

    run_virtual(test)


def test_what_the_transport_still_holds_counts_as_unheard() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.IMMEDIATE, depth_frames=4) as s:
            speak(s.adapter, "u1", 1000)
            await s.pass_ms(300)
            s.ears.start("ann")
            (cut,) = s.reports.of("cut")
            assert cut.playout.heard_ms == len(s.voice) / 2 / RATE * 1000

    run_virtual(test)


def test_the_buffer_is_bounded_and_the_newest_chunk_is_refused() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, settings=AdapterSettings(buffer_s=1)) as s:
            s.adapter.begin_utterance("u1")
            chunk = numbered(0, RATE * 3 // 4)
            assert s.adapter.send_audio_chunk(chunk, sample_rate_hz=RATE, utterance_id="u1")
            assert not s.adapter.send_audio_chunk(chunk, sample_rate_hz=RATE, utterance_id="u1")
            await s.pass_ms(500)
            assert not s.adapter.send_audio_chunk(chunk[:2], sample_rate_hz=RATE, utterance_id="u1")
            s.adapter.end_utterance("u1")
            playout = await s.adapter.wait_played_out("u1")
            assert playout.heard_ms == 750
            assert not playout.complete
            assert s.voice == chunk

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


def test_audio_of_another_rate_is_resampled_and_its_time_is_kept() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            s.adapter.begin_utterance("u1")
            for start in range(0, 22_050, 1000):
                pcm = numbered(start, min(1000, 22_050 - start))
                assert s.adapter.send_audio_chunk(pcm, sample_rate_hz=22_050, utterance_id="u1")
            s.adapter.end_utterance("u1")
            playout = await s.adapter.wait_played_out("u1")
            assert playout.heard_ms == pytest.approx(1000, abs=1)
            assert playout.complete

    run_virtual(test)


def test_what_is_no_audio_is_refused() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            with pytest.raises(UnknownUtteranceError):
                s.adapter.send_audio_chunk(b"\0\0", sample_rate_hz=RATE, utterance_id="u1")
            s.adapter.begin_utterance("u1")
            with pytest.raises(UnsupportedAudioError):
                s.adapter.send_audio_chunk(b"\0\0\0", sample_rate_hz=RATE, utterance_id="u1")
            with pytest.raises(UnsupportedAudioError):
                s.adapter.send_audio_chunk(b"\0\0", sample_rate_hz=96_000, utterance_id="u1")

    run_virtual(test)


def test_dropping_an_utterance_says_what_was_heard_and_reports_no_cut() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM) as s:
            speak(s.adapter, "u1", 1000)
            await s.pass_ms(200)
            playout = s.adapter.drop("u1")
            assert playout.heard_ms == len(s.voice) / 2 / RATE * 1000
            assert s.adapter.drop("u1") == playout
            assert not s.reports.of("cut")
            with pytest.raises(UnknownUtteranceError):
                s.adapter.drop("u2")

    run_virtual(test)


def test_a_new_model_session_gets_windows_of_its_own() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.IMMEDIATE) as s:
            s.ears.start("ann")
            second = ModelLog()
            s.adapter.set_model_input(second)
            assert s.model.signals == ["start", "end"]
            s.ears.end("ann")
            assert second.log == []
            s.ears.start("ann")
            s.ears.end("ann")
            assert second.signals == ["start", "end"]
            assert s.model.signals == ["start", "end"]

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

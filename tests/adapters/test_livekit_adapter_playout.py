"""Floor, playout and accounts of an agent's utterances, in virtual time."""

from __future__ import annotations

import pytest

from adapters.errors import UnknownUtteranceError, UnsupportedAudioError
from adapters.livekit_adapter import AdapterSettings
from streams.vocabulary import BargeInMode, Decision, ParticipantKind, Verdict
from tests.adapters.scene import scene, speak
from tests.adapters.scripted import FRAME, RATE, Grant, numbered
from tests.adapters.virtual_time import VirtualLoop, run_virtual


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


def test_after_such_a_stop_nothing_pushes_the_encoders_rest_out_until_the_floor_is_back() -> None:
    async def test(loop: VirtualLoop) -> None:
        grant = Grant(loop.time(), loop.time() + 1)
        async with scene(loop, mode=BargeInMode.CONFIRM, floor=grant) as s:
            speak(s.adapter, "u1", 5000)
            await s.pass_ms(300)
            frames = len(s.sink.sent)
            loop.now_s += 3
            await s.pass_ms(300)
            assert len(s.sink.sent) == frames
            grant.may_speak_from_s, grant.may_speak_until_s = loop.time() + 0.2, loop.time() + 10
            await s.pass_ms(190)
            assert len(s.sink.sent) == frames
            await s.pass_ms(110)
            assert len(s.sink.sent) in (frames + 10, frames + 11)

    run_virtual(test)


def test_a_stop_within_the_lease_or_amid_silence_costs_no_frame_after_it() -> None:
    async def test(loop: VirtualLoop) -> None:
        grant = Grant(loop.time(), loop.time() + 10)
        async with scene(loop, mode=BargeInMode.CONFIRM, floor=grant) as s:
            for spoken_ms in (5000, 0):
                if spoken_ms:
                    speak(s.adapter, "u1", spoken_ms)
                await s.pass_ms(300)
                frames = len(s.sink.sent)
                loop.now_s += 3
                await s.pass_ms(100)
                assert len(s.sink.sent) - frames in (10, 11, 12, 13)
                s.adapter.drop("u1")
                grant.may_speak_until_s = loop.time()

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

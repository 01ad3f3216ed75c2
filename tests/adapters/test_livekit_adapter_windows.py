"""What of people's speech reaches the model, and when, in virtual time."""

from __future__ import annotations

from adapters.gate import GateState
from adapters.listening import ListeningSettings
from adapters.livekit_adapter import AdapterSettings
from streams.vocabulary import BargeInMode
from tests.adapters.scene import scene, speak
from tests.adapters.scripted import ModelLog
from tests.adapters.virtual_time import VirtualLoop, run_virtual


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

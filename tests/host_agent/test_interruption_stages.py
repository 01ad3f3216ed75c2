"""An interruption by frame through the stages of a running host: real queues, in virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from host_agent.interruption import MinWordsInterruptionStrategy, PipelineTaskConfig, StrategyJudge
from host_agent.ports import Prompt
from streams.events import AgentFailed, Interruption
from streams.vocabulary import BargeInMode
from swarm.interruption_stages import InterruptionStages
from tests.adapters.virtual_time import VirtualLoop, run_virtual
from tests.host_agent.stagecraft import Grant
from tests.host_agent.test_host_with_adapter import REPLY, Scene, barge_in, scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import Cut
    from host_agent.cascade import HeardCascadeConnection


def connection_of(s: Scene) -> HeardCascadeConnection:
    connection = s.host._brain.stage.connection
    assert connection is not None
    return connection  # type: ignore[return-value]


def unplayed(s: Scene) -> int:
    return s.adapter._voice._queue.waiting_samples


def interrupted_by(stages: InterruptionStages, name: str) -> Callable[[], None]:
    stage = {"gate": stages.gate, "model": stages.model, "voice": stages.voice, "playout": stages.playout}[
        name
    ]
    return lambda: stage.push_interruption_task_frame(by="paul", reason="said so")


@pytest.mark.parametrize("stage", ["gate", "model", "voice", "playout"])
def test_a_request_from_any_stage_empties_the_queues_of_all(stage: str) -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, BargeInMode.CONFIRM, REPLY, "so.", depth_frames=4) as s:
            stages = InterruptionStages(s.adapter, s.host)
            async with asyncio.TaskGroup() as tasks:
                turn = tasks.create_task(s.host.speak(Grant(), Prompt("talk")))
                await asyncio.sleep(2)
                connection = connection_of(s)
                assert unplayed(s) > 0
                assert s.sink.held
                assert connection._turn is not None
                assert not connection._turn.done()
                interrupted_by(stages, stage)()
                # Nothing was awaited: all queues are empty in the same step.
                assert unplayed(s) == 0
                assert s.sink.held == []
                assert connection._turn.cancelling()
                assert connection._cancel.is_set()
                assert connection._out.empty()
                heard = s.sink.heard
                await asyncio.sleep(0.5)
                assert s.sink.heard[len(heard) :].strip(b"\0") == b""
            result = turn.result()
            assert result.interrupted
            assert result.heard_text.split() == REPLY.split()[: s.words_at_the_listener()]
            (told,) = s.record.of(Interruption)
            assert (told.interruptor, told.reason) == ("paul", "said so")
            assert (await s.host.speak(Grant(), Prompt("go on"))).heard_text == "so."
            assert s.record.of(AgentFailed) == []

    run_virtual(test)


def test_what_the_voice_made_and_nobody_took_is_dropped_and_the_rest_stays() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, BargeInMode.CONFIRM, REPLY, "so.") as s:
            stages = InterruptionStages(s.adapter, s.host)
            async with asyncio.TaskGroup() as tasks:
                turn = tasks.create_task(s.host.speak(Grant(), Prompt("talk")))
                await asyncio.sleep(1)
                connection = connection_of(s)
                from google.adk.models.llm_response import LlmResponse
                from google.genai import types

                audio = types.Part(inline_data=types.Blob(data=bytes(640), mime_type="audio/pcm;rate=16000"))
                speech = LlmResponse(content=types.Content(role="model", parts=[audio]))
                asked = LlmResponse(
                    input_transcription=types.Transcription(text="and then", finished=True), partial=False
                )
                for response in (speech, asked, speech):
                    connection._out.put_nowait(response)
                stages.model.push_interruption_task_frame(by="paul")
                assert [connection._out.get_nowait() for _ in range(connection._out.qsize())] == [asked]
            assert turn.result().interrupted

    run_virtual(test)


def test_a_request_is_dropped_where_interruptions_are_switched_off() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, BargeInMode.CONFIRM, "w0 w1 w2.") as s:
            stages = InterruptionStages(
                s.adapter, s.host, config=PipelineTaskConfig(allow_interruptions=False)
            )
            async with asyncio.TaskGroup() as tasks:
                turn = tasks.create_task(s.host.speak(Grant(), Prompt("talk")))
                await asyncio.sleep(0.2)
                for stage in (stages.gate, stages.model, stages.voice, stages.playout):
                    assert not stage.interruptions_allowed()
                    stage.push_interruption_task_frame(by="paul")
            assert turn.result().heard_text == "w0 w1 w2."

    run_virtual(test)


def test_an_interruption_while_nobody_speaks_changes_nothing() -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, BargeInMode.CONFIRM, "w0 w1.", "so.") as s:
            stages = InterruptionStages(s.adapter, s.host)
            stages.gate.push_interruption_task_frame(by="paul")
            assert (await s.host.speak(Grant(), Prompt("talk"))).heard_text == "w0 w1."
            stages.cut("paul", "late")
            assert (await s.host.speak(Grant(), Prompt("talk"))).heard_text == "so."
            assert s.record.of(Interruption) == []

    run_virtual(test)


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
@pytest.mark.parametrize(("words", "interrupts"), [("no that", False), ("no that is", True)])
def test_strategies_judge_a_person_over_the_running_host(
    mode: BargeInMode, words: str, interrupts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(loop: VirtualLoop) -> None:
        reply = " ".join(REPLY.split()[:8])
        async with scene(loop, mode, reply, "so.") as s:
            monkeypatch.setattr(
                s.adapter._listening, "_judge", lambda _: StrategyJudge([MinWordsInterruptionStrategy(3)])
            )
            async with asyncio.TaskGroup() as tasks:
                turn = tasks.create_task(s.host.speak(Grant(), Prompt("talk")))
                await asyncio.sleep(0.5)
                s.ears.hear("paul", 200)
                s.ears.start("paul")
                await s.person_speaks(300)
                s.ears.words("paul", words, final=True)
                await s.person_speaks(100)
                s.ears.end("paul")
                s.host.on_speech_ended()
            assert turn.result().interrupted is interrupts
            if not interrupts:
                assert turn.result().heard_text == reply

    run_virtual(test)


@pytest.mark.parametrize("mode", list(BargeInMode))
def test_a_person_who_cuts_in_leaves_all_queues_empty_in_the_same_step(mode: BargeInMode) -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode, REPLY, "so.", depth_frames=4) as s:
            stages = InterruptionStages(s.adapter, s.host)
            left: list[tuple[int, int, bool, bool]] = []
            told = s.host.on_cut

            def on_cut(cut: Cut) -> None:
                told(cut)
                stages.cut(cut.by, cut.verdict.reason)
                connection = connection_of(s)
                assert connection._turn is not None
                stopped = bool(connection._turn.cancelling())
                left.append((unplayed(s), len(s.sink.held), stopped, connection._out.empty()))

            s.host.on_cut = on_cut  # type: ignore[method-assign]
            result = await barge_in(s, mode, 1_000)
            assert left == [(0, 0, True, True)]
            assert result.interrupted
            (told_once,) = s.record.of(Interruption)
            assert told_once.interruptor == "paul"
            await s.host.speak(Grant(), Prompt(""))
            assert s.model.requests[1][-1] == ("user", "stop")
            assert s.record.of(AgentFailed) == []

    run_virtual(test)

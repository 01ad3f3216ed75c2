"""A host behind the real adapter, in virtual time: what its context holds against what the listener got."""

from __future__ import annotations

import asyncio
import random
from array import array
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from adapters.livekit_adapter import AdapterSettings, LiveKitAdapter
from host_agent import HeardCascadeLive, HostState, UniversalHostAgent, WordEgress
from host_agent.live_run import load_adk
from host_agent.ports import Prompt
from streams.events import AgentFailed, Interruption, Utterance
from streams.vocabulary import BargeInMode, Decision, ParticipantKind, Verdict
from tests.adapters.scripted import (
    FRAME_MS,
    RATE,
    RecordingSink,
    ScriptedEars,
    SinkRoom,
    WordJudge,
)
from tests.adapters.scripted import (
    Grant as Floor,
)
from tests.adapters.virtual_time import VirtualLoop, run_virtual
from tests.host_agent.stagecraft import Grant, RecordList, ScriptModel, Stretch, VoicedWord, Word

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from host_agent.ports import TurnResult

load_adk()  # before the virtual clock runs away from a thread that imports
WORDS = 40
REPLY = " ".join(f"w{n}" for n in range(WORDS))


class NumberedVoice:
    """Says word n in samples of the value n + 1, each word with a length of its own."""

    def __init__(self, seed: int) -> None:
        lengths = random.Random(seed)
        self.samples = [lengths.randint(RATE // 12, RATE // 2) for _ in range(WORDS)]

    async def stream(self, text: AsyncIterable[str]) -> AsyncIterator[Stretch]:
        words = "".join([delta async for delta in text]).split()
        pcm, spans = array("h"), []
        for at, word in enumerate(words):
            pcm.extend([at + 1] * self.samples[at])
            spans.append(VoicedWord(word, len(pcm) / RATE * 1000))
        yield Stretch(pcm=pcm.tobytes(), words=tuple(spans), sample_rate_hz=RATE)


@dataclass
class Scene:
    host: UniversalHostAgent
    adapter: LiveKitAdapter
    ears: ScriptedEars
    sink: RecordingSink
    voice: NumberedVoice
    model: ScriptModel
    record: RecordList

    def words_at_the_listener(self) -> int:
        """How many words were heard to their end."""
        heard = memoryview(self.sink.heard).cast("h").tolist()
        return sum(heard.count(at + 1) >= self.voice.samples[at] for at in range(WORDS))

    async def person_speaks(self, ms: float) -> None:
        for _ in range(int(ms / FRAME_MS)):
            self.ears.hear("paul")
            self.ears.progress("paul")
            await asyncio.sleep(FRAME_MS / 1000)


@asynccontextmanager
async def scene(
    loop: VirtualLoop, mode: BargeInMode, *replies: str, seed: int = 0, depth_frames: int = 0
) -> AsyncIterator[Scene]:
    sink, ears, record = RecordingSink(RATE, depth_frames=depth_frames), ScriptedEars(loop.time), RecordList()
    model, voice = ScriptModel(*replies), NumberedVoice(seed)
    options: dict[str, Any] = {} if mode is BargeInMode.IMMEDIATE else {"judge": lambda _: WordJudge()}
    adapter = LiveKitAdapter(
        SinkRoom(sink),
        ears=ears,
        mode=mode,
        sample_rate_hz=RATE,
        clock=loop.time,
        listener=(told := Told()),
        settings=AdapterSettings(fade_ms=0.0),  # words are known again by their samples
        **options,
    )
    host = UniversalHostAgent(
        name="host",
        model=HeardCascadeLive(model, tts=WordEgress(voice)),
        output=adapter,
        record=record,
        clock=loop.time,
    )
    told.host = host
    adapter.set_model_input(host.queue)
    async with adapter, host:
        await host.opened()
        yield Scene(host, adapter, ears, sink, voice, model, record)


class Told:
    """Passes what the adapter tells on to a host that is made after it."""

    host: UniversalHostAgent

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)


async def barge_in(s: Scene, mode: BargeInMode, after_ms: float) -> TurnResult:
    """Have the host speak and a person cut in by `stop`, which is understood 400 ms after the onset."""
    async with asyncio.TaskGroup() as tasks:
        turn = tasks.create_task(s.host.speak(Grant(), Prompt("talk")))
        while not s.host.saying[1]:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.01)
        await asyncio.sleep(after_ms / 1000)
        s.ears.hear("paul", 200)
        speech_id = s.ears.start("paul")
        await s.person_speaks(400)
        if mode is not BargeInMode.IMMEDIATE:
            assert not turn.done()
        s.ears.words("paul", "stop", final=True)
        s.host.on_words(Word(speech_id, "stop"))
        s.ears.end("paul")
        s.host.on_speech_ended()
    return turn.result()


@pytest.mark.parametrize("mode", [BargeInMode.IMMEDIATE, BargeInMode.CONFIRM])
@pytest.mark.parametrize("depth_frames", [0, 4])
@pytest.mark.parametrize("late_s", [0.0, 0.5])
def test_the_context_holds_what_the_listener_heard(mode: BargeInMode, depth_frames: int, late_s: float):
    errors: list[int] = []

    async def trial(loop: VirtualLoop, seed: int) -> None:
        async with scene(loop, mode, REPLY, "so.", seed=seed, depth_frames=depth_frames) as s:
            s.adapter.set_floor(Floor(may_speak_from_s=loop.time() + late_s, may_speak_until_s=1e9))
            result = await barge_in(s, mode, random.Random(seed).uniform(50, 4000) + late_s * 1000)
            assert result.interrupted
            errors.append(abs(len(result.heard_text.split()) - s.words_at_the_listener()))
            assert s.host.state is HostState.PROCESSING
            await s.host.speak(Grant(), Prompt(""))
            said = [text for role, text in s.model.requests[1] if role == "model"]
            heard = f"{result.heard_text} [interrupted here by paul; the rest was not heard]".strip()
            assert said == [heard]
            assert s.model.requests[1][-1] == ("user", "stop")
            assert s.record.of(AgentFailed) == []

    for seed in range(8):
        run_virtual(lambda loop, seed=seed: trial(loop, seed))
    assert sorted(errors)[int(len(errors) * 0.95)] <= 1


def test_a_backchannel_is_no_event_for_the_model():
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, BargeInMode.CONFIRM, "w0 w1 w2 w3 w4 w5.") as s:
            async with asyncio.TaskGroup() as tasks:
                turn = tasks.create_task(s.host.speak(Grant(), Prompt("talk")))
                await asyncio.sleep(0.5)
                s.ears.hear("paul", 200)
                s.ears.start("paul")
                await s.person_speaks(200)
                s.ears.words("paul", "yeah", final=True)
                s.ears.end("paul")
            assert turn.result().heard_text == "w0 w1 w2 w3 w4 w5."
            assert s.words_at_the_listener() == 6
            assert len(s.model.requests) == 1
            assert s.record.of(Interruption) == []

    run_virtual(test)


def test_an_agent_with_urgent_priority_cuts_in():
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, BargeInMode.CONFIRM, REPLY, "so.") as s:
            async with asyncio.TaskGroup() as tasks:
                turn = tasks.create_task(s.host.speak(Grant(), Prompt("talk")))
                await asyncio.sleep(2)
                s.adapter.cut("expert", ParticipantKind.AGENT, Verdict(Decision.INTERRUPT, "pre-empted"))
            heard = turn.result().heard_text
            assert heard.split() == REPLY.split()[: s.words_at_the_listener()]
            (told,) = s.record.of(Interruption)
            assert (told.interruptor, told.interruptor_kind) == ("expert", ParticipantKind.AGENT)
            again = await s.host.speak(Grant(), Prompt("go on", heard=(("expert", "I object."),)))
            assert again.heard_text == "so."
            assert s.model.requests[1][1] == (
                "model",
                f"{heard} [interrupted here by expert; the rest was not heard]",
            )
            assert s.record.of(AgentFailed) == []

    run_virtual(test)


def test_a_turn_that_never_has_the_floor_leaves_no_trace():
    class NoFloor:
        may_speak_from_s = float("inf")
        may_speak_until_s = float("-inf")

    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, BargeInMode.CONFIRM, REPLY, "so.") as s:
            floor = s.adapter._voice.floor
            s.adapter.set_floor(NoFloor())
            muted = await s.host.speak(Grant(), Prompt("talk"))
            assert muted.heard_text == ""
            assert muted.failed
            s.adapter.set_floor(floor)
            await s.host.speak(Grant(), Prompt("again"))
            assert [role for role, _ in s.model.requests[1]] == ["user", "user"]
            assert s.record.of(Interruption) == []
            assert [u.heard_text for u in s.record.of(Utterance)] == ["", "so."]

    run_virtual(test)

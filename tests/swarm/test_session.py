"""Agents, a floor and a person together: real Redis, real ADK, real Silero and voices, a room in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from adapters.audio import mono_samples, resample
from adapters.memory_room import InMemoryRoom
from adapters.ports import WordsHeard
from adapters.wav import read_wav
from host_agent import HeardCascadeLive, UniversalHostAgent, WordEgress
from host_agent.marker import INTERRUPTED_MARKER
from host_agent.offline.voice import EspeakVoice
from host_agent.ports import Prompt
from streams import events as ev
from streams.vocabulary import BargeInMode, ParticipantKind
from swarm.demo import timeline
from swarm.demo.person import Microphone
from swarm.demo.scenario import Happenings
from swarm.participant import Priority
from swarm.session import AgentSpec, SwarmSession
from tests.engines.gemini_live import GeminiLiveServer
from tests.host_agent.stagecraft import ScriptModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from redis.asyncio import Redis

    from streams.events import Event

ROOT = Path(__file__).parents[2]
AUDIO = ROOT / "tests/data/audio"
HZ = 16_000
LONG = "This is a long explanation that goes on for quite some time so that somebody can cut in. " * 3
SHORT = "This is a long explanation that goes on for quite some time so that somebody can cut in. "
pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


class ScriptedRecogniser:
    """Knows beforehand what will be said; says it when the speech ends, or as soon as asked."""

    def __init__(self, *texts: str, at_once: bool = False) -> None:
        self._texts = list(texts)
        self._at_once = at_once

    def open(self, speech_id: str, person: str, on_words: Callable[[WordsHeard], None]) -> ScriptedStream:
        text = self._texts.pop(0) if len(self._texts) > 1 else self._texts[0]
        stream = ScriptedStream(speech_id, person, text, on_words)
        if self._at_once:
            asyncio.get_running_loop().call_soon(stream.say, False)
        return stream


class ScriptedStream:
    def __init__(
        self, speech_id: str, person: str, text: str, on_words: Callable[[WordsHeard], None]
    ) -> None:
        self._about = (speech_id, person, text)
        self._on_words = on_words

    def push(self, pcm: bytes) -> None: ...
    def cancel(self) -> None: ...
    def say(self, final: bool) -> None:
        self._on_words(WordsHeard(*self._about, final=final, confidence=1.0))

    def finish(self) -> None:
        asyncio.get_running_loop().call_soon(self.say, True)


def native_agent(name: str, model: Any, **more: Any) -> AgentSpec:
    return AgentSpec(
        name=name,
        host=lambda output, record: UniversalHostAgent(
            name=name, model=model, instruction=f"You are {name}", output=output, record=record
        ),
        **more,
    )


def agent(name: str, model: ScriptModel, **more: Any) -> AgentSpec:
    return AgentSpec(
        name=name,
        host=lambda output, record: UniversalHostAgent(
            name=name,
            model=HeardCascadeLive(model, tts=WordEgress(EspeakVoice(rate_wpm=200))),
            instruction=f"You are {name}",
            output=output,
            record=record,
        ),
        **more,
    )


class EchoingMicrophone(Microphone):
    """A microphone near a loudspeaker: what the agents say comes back 20 dB down and `late_ms` late."""

    def __init__(self, sink: Any, late_ms: int) -> None:
        super().__init__(self)
        self._to = sink
        self.hears_loudspeaker = True
        self._frames = late_ms // 10
        self._late = deque([np.zeros(HZ // 100, dtype=np.int16)] * self._frames, maxlen=self._frames + 20)

    sample_rate_hz = HZ
    queued_ms = 0.0

    def clear(self) -> None: ...
    def on_joined(self, identity: str) -> None: ...
    def on_left(self, identity: str) -> None: ...
    def on_muted(self, identity: str) -> None: ...
    def on_closed(self, reason: str) -> None: ...

    def on_audio(self, identity: str, frame: Any) -> None:
        self._late.append(resample(mono_samples(frame), frame.sample_rate_hz, HZ))

    def push(self, pcm: bytes) -> None:
        said = np.frombuffer(pcm, dtype=np.int16).astype(np.int32)
        echo = np.zeros(len(said), dtype=np.int32)
        if len(self._late) > self._frames:  # agents' frames come up to three at a time
            back = self._late.popleft() * self.hears_loudspeaker
            echo[: len(back)] = back[: len(echo)] // 10
        self._to.push(np.clip(said + echo, -32768, 32767).astype(np.int16).tobytes())


class Room:
    """A session with its room, its person and what happened in it."""

    def __init__(
        self, session: SwarmSession, hub: InMemoryRoom, microphone: Microphone, seen: Happenings
    ) -> None:
        self.session = session
        self.hub = hub
        self.microphone = microphone
        self.seen = seen

    def events(self, kind: type[Event]) -> list[Any]:
        return [entry.event for entry in self.seen.all if isinstance(entry.event, kind)]

    async def until(self, kind: type[Event], limit_s: float = 20.0, **fields: Any) -> Any:
        """Return the next such event."""

        def matches(event: Event) -> bool:
            return isinstance(event, kind) and all(
                getattr(event, key) == value for key, value in fields.items()
            )

        found = await self.seen.next(matches, limit_s)
        assert found is not None, (
            f"no {kind.__name__} {fields} in {limit_s} s: {[e.type for e in self.seen.all]}"
        )
        return found


@asynccontextmanager
async def in_room(
    redis: Redis, *agents: AgentSpec, recogniser: Any = None, echo_ms: int = 0
) -> AsyncIterator[Room]:
    seen, hub = Happenings(), InMemoryRoom("r")
    session = SwarmSession(
        redis, "r", agents=agents, connect=hub.join, recogniser=recogniser, on_event=seen.feed
    )
    async with hub.join("ada") as ada:
        sink = await ada.publish_audio(HZ)
        microphone = EchoingMicrophone(sink, echo_ms) if echo_ms else Microphone(sink)
        if isinstance(microphone, EchoingMicrophone):
            ada.add_listener(microphone)
        async with session, asyncio.TaskGroup() as tasks:
            open_mic = tasks.create_task(microphone.run())
            yield Room(session, hub, microphone, seen)
            open_mic.cancel()


def speech(seconds: float = 1.2, name: str = "ps_goforward.wav") -> Any:
    whole = read_wav(AUDIO / name).mono(HZ)
    return whole[: int(seconds * HZ)]


async def test_four_agents_and_ten_turns_of_a_person_make_ten_model_calls(real_redis: Redis) -> None:
    models = [ScriptModel(*["Fine."] * 10) for _ in range(4)]
    agents = [agent(f"agent{n}", model) for n, model in enumerate(models)]
    async with in_room(real_redis, *agents, recogniser=ScriptedRecogniser("tell me more")) as room:
        for _ in range(10):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(room.microphone.say(speech()))
                await room.until(ev.FloorGranted)
            await room.until(ev.FloorReleased)
        assert len(room.events(ev.Utterance)) == 10
    assert sum(len(model.requests) for model in models) == 10


async def test_an_urgent_agent_cuts_another_which_remembers_only_what_was_heard(real_redis: Redis) -> None:
    host, expert = ScriptModel(LONG, "I go on."), ScriptModel("Stop right there.")
    async with in_room(real_redis, agent("host", host), agent("expert", expert, role="expert")) as room:
        await room.session.agents["host"].ask(Prompt("Explain."))
        await room.until(ev.FloorTaken, participant="host")
        await asyncio.sleep(1.5)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                room.session.agents["expert"].ask(Prompt("Object."), priority=Priority.URGENT, reason="wrong")
            )
            cut = await room.until(ev.Interruption)
        await room.until(ev.FloorReleased, participant="expert")
        assert (cut.interrupted, cut.interruptor, cut.interruptor_kind) == (
            "host",
            "expert",
            ParticipantKind.AGENT,
        )
        assert 0 < cut.heard_ms < cut.generated_ms
        assert LONG.startswith(cut.heard_text)
        assert cut.heard_text
        assert cut.unheard_text

        await room.session.agents["host"].ask(Prompt("Go on."))
        await room.until(ev.FloorReleased, participant="host")
        said_before = [text for role, text in host.requests[-1] if role == "model"]
        assert said_before == [f"{cut.heard_text} {INTERRUPTED_MARKER.format(who='expert')}"]
        sound = room.hub.recording(HZ)
        loud = {who: timeline.loud_blocks(sound[who], HZ) for who in ("host", "expert")}
        assert timeline.overlap_ms(loud) == 0


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
async def test_after_a_backchannel_every_word_is_heard_once_and_nobody_answers(
    real_redis: Redis, mode: BargeInMode
) -> None:
    text = "One two three four five six seven eight nine ten eleven twelve."
    model = ScriptModel(text)
    backchannel = read_wav(ROOT / "swarm/demo/recordings/backchannel.wav").mono(HZ)
    async with in_room(
        real_redis, agent("host", model, mode=mode), recogniser=ScriptedRecogniser("yeah", at_once=True)
    ) as room:
        await room.session.agents["host"].ask(Prompt("Count."))
        await room.until(ev.FloorTaken)
        await asyncio.sleep(0.8)
        await room.microphone.say(backchannel)
        said = await room.until(ev.Utterance)
        assert (said.heard_text, said.interrupted) == (text, False)
        if not room.events(ev.Backchannel):  # judged to the end only after the agent's last word
            await room.until(ev.Backchannel, 5.0)
        (event,) = room.events(ev.Backchannel)
        assert event.words == "yeah"
        await asyncio.sleep(0.5)
        assert len(model.requests) == 1
        sound = room.hub.recording(24_000)["host"]
    whole = await EspeakVoice(rate_wpm=200).synthesise(text)
    made = np.frombuffer(whole.pcm, dtype=np.int16)
    heard_s = np.count_nonzero(np.abs(sound.astype(np.int32)) > 200) / 24_000
    made_s = np.count_nonzero(np.abs(made.astype(np.int32)) > 200) / whole.sample_rate_hz
    assert heard_s == pytest.approx(made_s, rel=0.05)
    if mode is BargeInMode.OVERLAP:
        assert event.held_ms == 0


async def test_a_person_who_cuts_in_is_answered_and_only_the_heard_words_are_remembered(
    real_redis: Redis,
) -> None:
    model = ScriptModel(LONG, "You wanted to go forward.")
    recogniser = ScriptedRecogniser("go forward ten meters", at_once=True)
    async with in_room(real_redis, agent("host", model), recogniser=recogniser) as room:
        await room.session.agents["host"].ask(Prompt("Explain."))
        await room.until(ev.FloorTaken)
        await asyncio.sleep(1.5)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.microphone.say(speech(2.7)))
            cut = await room.until(ev.Interruption)
        await room.until(ev.FloorReleased, participant="host")
        assert (cut.interruptor, cut.interruptor_kind) == ("ada", ParticipantKind.PERSON)
        _, answer = room.events(ev.Utterance)
        assert answer.heard_text == "You wanted to go forward."
    assert model.requests[-1][-2:] == [
        ("model", f"{cut.heard_text} {INTERRUPTED_MARKER.format(who='ada')}"),
        ("user", "go forward ten meters"),
    ]


@pytest.mark.filterwarnings("ignore:The `session.send` method is deprecated:DeprecationWarning")
@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
async def test_a_native_model_never_learns_of_a_backchannel(real_redis: Redis, mode: BargeInMode) -> None:
    text = "one two three four five six seven eight nine ten eleven twelve."
    backchannel = read_wav(ROOT / "swarm/demo/recordings/backchannel.wav").mono(HZ)
    recogniser = ScriptedRecogniser("yeah", at_once=True)
    async with GeminiLiveServer(text, speed=10.0) as server:
        spec = native_agent("host", server.model(), mode=mode)
        async with in_room(real_redis, spec, recogniser=recogniser) as room:
            await room.session.agents["host"].ask(Prompt("Count."))
            await room.until(ev.FloorTaken)
            await asyncio.sleep(0.8)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(room.microphone.say(backchannel))
                said = await room.until(ev.Utterance)
            assert (said.heard_text, said.interrupted) == (text, False)
            assert len(room.events(ev.Backchannel)) == 1
        assert server.last.signals == ["content"]


@pytest.mark.parametrize("mode", BargeInMode)
async def test_an_agents_own_echo_does_not_cut_it_and_a_person_over_the_echo_does(
    real_redis: Redis, mode: BargeInMode
) -> None:
    """20 dB down and 80 ms late, known by its sound."""
    model = ScriptModel(SHORT, LONG, "Yes.")
    recogniser = ScriptedRecogniser("go forward ten meters", at_once=True)
    spec = agent("host", model, mode=mode)
    async with in_room(real_redis, spec, recogniser=recogniser, echo_ms=80) as room:
        host = room.session.agents["host"]
        await host.ask(Prompt("Explain."))
        said = await room.until(ev.Utterance, limit_s=40.0)
        assert (said.interrupted, said.heard_text) == (False, SHORT.strip())
        assert not room.events(ev.SpeechStarted)

        await host.ask(Prompt("Explain again."))
        await room.until(ev.FloorTaken)
        await asyncio.sleep(2.0)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.microphone.say(speech(2.7)))
            cut = await room.until(ev.Interruption)
        assert (cut.interrupted, cut.interruptor) == ("host", "ada")

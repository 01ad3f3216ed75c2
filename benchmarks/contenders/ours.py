"""Ours: LiveKitAdapter with ears and judge under UniversalHostAgent, on the same offline model and voice.

Nobody contends for the floor here: `floor` is None and the grant always holds.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from agent_voice import RATE_HZ, agent_speech

from adapters.ears import Ears
from adapters.livekit_adapter import LiveKitAdapter
from adapters.livekit_room import LiveKitRoom
from contenders.contender import AGENT, PERSON, Notes
from contenders.reads_out import GO, ReadsOut
from host_agent import HeardCascadeLive, UniversalHostAgent, WordEgress
from host_agent.interruption import InterruptionHandlerConfig, judge_factory
from host_agent.offline.recogniser import OfflineRecogniser
from host_agent.ports import Prompt
from streams.events import Interruption
from streams.vocabulary import BargeInMode

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from agent_voice import SaidWord

    from adapters.ports import (
        Cut,
        Recogniser,
        Resumed,
        SpeechEnded,
        SpeechProgress,
        SpeechStarted,
        WordsHeard,
    )
    from streams.events import Event
    from streams.vocabulary import Playout

REST_LIMIT_S = 5.0


class Held:
    """A grant that nobody takes away."""

    token = 1

    def valid(self) -> bool:
        return True


class _Stretch:
    """The agent's speech, as a voice delivers it."""

    def __init__(self) -> None:
        speech = agent_speech()
        self.pcm: bytes = speech.samples.tobytes()
        self.sample_rate_hz = RATE_HZ
        self.words: tuple[SaidWord, ...] = speech.words


class _Voice:
    async def stream(self, text: AsyncIterable[str]) -> AsyncIterator[_Stretch]:
        if [delta async for delta in text]:
            yield _Stretch()


class OurContender:
    """One host of the swarm by itself; `mode` is a BargeInMode's value."""

    def __init__(self, *, mode: str) -> None:
        self._mode = BargeInMode(mode)
        self._stack = contextlib.AsyncExitStack()
        self._tasks: Any = None
        self._turn: Any = None
        self._adapter: Any = None
        self._host: Any = None
        self._started: SpeechStarted | None = None
        self._cut: Cut | None = None
        self._interruption: Interruption | None = None

    async def start(self, url: str, token: str) -> None:
        await asyncio.to_thread(agent_speech)
        room = self._room(url, token)
        await self._stack.enter_async_context(room)
        recogniser = await self._recogniser()
        ears = Ears(is_person=lambda identity: identity == PERSON, recogniser=recogniser)
        judge = judge_factory(InterruptionHandlerConfig())
        self._adapter = LiveKitAdapter(
            room, ears=ears, mode=self._mode, judge=lambda _: judge(), listener=self, sample_rate_hz=RATE_HZ
        )
        model = HeardCascadeLive(ReadsOut(), tts=WordEgress(_Voice()))
        self._host = UniversalHostAgent(name=AGENT, model=model, output=self._adapter, record=self)
        self._adapter.set_model_input(self._host.queue)
        await self._stack.enter_async_context(self._adapter)
        ears.add_listener(self)
        ears.attach(room)
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        running = self._tasks.create_task(self._host.run())
        self._stack.callback(running.cancel)

    def _room(self, url: str, token: str) -> LiveKitRoom:
        return LiveKitRoom(url, token=token)

    async def _recogniser(self) -> Recogniser:
        recogniser = await self._stack.enter_async_context(OfflineRecogniser())
        await recogniser.ready()
        return recogniser

    async def speak(self) -> None:
        self._started = self._cut = self._interruption = None
        self._turn = self._tasks.create_task(self._host.speak(Held(), Prompt(text=GO)))

    async def finish(self) -> Notes:
        if self._cut is None:
            self._turn.cancel()
            await asyncio.wait([self._turn])
            detected_s = self._started.detected_s if self._started else None
            return Notes(detected_s=detected_s, said="")
        async with asyncio.timeout(REST_LIMIT_S):
            result = await self._turn
        speech, latency = self._cut.speech, self._interruption.latency if self._interruption else None
        told_ms = latency.decision_to_model_ms if latency else None
        return Notes(
            detected_s=speech.detected_s if speech else None,
            gate_s=self._cut.gate_s,
            decided_s=self._cut.decided_s,
            model_s=None if told_ms is None else self._cut.decided_s + told_ms / 1000,
            said=result.heard_text,
        )

    async def aclose(self) -> None:
        await self._stack.aclose()

    # A Record for the host.

    def report(
        self, event: Event, *, source: str, token: int | None = None, occurred_s: float | None = None
    ) -> None:
        if isinstance(event, Interruption):
            self._interruption = event

    # A listener of ears and adapter, which passes on to the host what the host asks for.

    def on_speech_started(self, event: SpeechStarted) -> None:
        if self._started is None:
            self._started = event

    def on_speech_progress(self, event: SpeechProgress) -> None: ...

    def on_words(self, event: WordsHeard) -> None:
        self._host.on_words(event)

    def on_speech_ended(self, event: SpeechEnded) -> None:
        self._host.on_speech_ended(event)

    def on_first_audio(self, utterance_id: str, at_s: float) -> None:
        self._host.on_first_audio(utterance_id, at_s)

    def on_cut(self, cut: Cut) -> None:
        self._cut = cut
        self._host.on_cut(cut)

    def on_resumed(self, resumed: Resumed) -> None:
        self._host.on_resumed(resumed)

    def on_played_out(self, utterance_id: str, playout: Playout) -> None:
        self._host.on_played_out(utterance_id, playout)

    def on_window_opened(self, speech_id: str) -> None:
        self._host.on_window_opened(speech_id)

    def on_window_closed(self) -> None:
        self._host.on_window_closed()

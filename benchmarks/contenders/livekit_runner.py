"""ADK's own LiveKitRunner over CascadeLive: a text model that reads out the speech, an espeak-ng voice.

LiveKitRunner never sends activity_start, so it stops only for what the model itself hears. `tells_onset`
gives the cascade ears that can: Silero with its defaults, which report the start of speech. Without it the
ears report finished turns only, as a plain recogniser does, and nothing cuts the agent off.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import warnings
from typing import TYPE_CHECKING, Any

from agent_voice import RATE_HZ, agent_speech

from contenders.contender import Notes
from contenders.reads_out import GO, ReadsOut

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google.adk.agents import LlmAgent
    from google.adk.integrations.livekit import LiveKitRunner
    from google.adk.live import (
        AgentSpokenOutput,
        AudioChunk,
        CascadeLive,
        LiveEgress,
        LiveIngress,
        UserSpeechStarted,
        UserTurnFinished,
    )
    from google.adk.runners import Runner
    from google.adk.sessions import InMemorySessionService
    from google.genai import types

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from google.adk.live import EgressEvent, IngressEvent

APP, SESSION = "benchmark", "call"
EARS_HZ = 16_000
REST_LIMIT_S = 3.0


class SpeechVoice(LiveEgress):
    """Says the agent's speech in pieces of 40 ms, each sentence's text after its audio."""

    async def __call__(
        self, text: AsyncIterator[str], *, cancel: asyncio.Event
    ) -> AsyncGenerator[EgressEvent, None]:
        if not [delta async for delta in text]:
            return
        speech, begin_ms = agent_speech(), 0.0
        for sentence, end_ms in speech.sentences:
            for pcm in speech.chunks(begin_ms, end_ms):
                yield AudioChunk(blob=types.Blob(data=pcm, mime_type=f"audio/pcm;rate={RATE_HZ}"))
                if cancel.is_set():
                    return
            yield AgentSpokenOutput(text=sentence)
            begin_ms = end_ms


class SileroEars(LiveIngress):
    """Reports the start of speech and its end, without words, as livekit-plugins-silero finds them."""

    def __init__(self, contender: LiveKitRunnerContender, vad: Any) -> None:
        self._contender = contender
        self._vad = vad

    async def __call__(self, audio: AsyncIterator[types.Blob]) -> AsyncGenerator[IngressEvent, None]:
        from livekit.agents.vad import VADEventType

        stream = self._vad.stream()
        async with asyncio.TaskGroup() as tasks:
            feeding = tasks.create_task(_feed(stream, audio))
            async for event in stream:
                if event.type is VADEventType.START_OF_SPEECH:
                    self._contender.on_detected()
                    if self._contender.tells_onset:
                        yield UserSpeechStarted()
                elif event.type is VADEventType.END_OF_SPEECH:
                    yield UserTurnFinished(text="(something)")
            feeding.cancel()


async def _feed(stream: Any, audio: AsyncIterator[types.Blob]) -> None:
    from livekit import rtc

    async for blob in audio:
        stream.push_frame(rtc.AudioFrame(blob.data, EARS_HZ, 1, len(blob.data) // 2))
    stream.end_input()


class LiveKitRunnerContender:
    """An agent under LiveKitRunner, told to speak by a text turn."""

    def __init__(self, *, tells_onset: bool) -> None:
        self.tells_onset = tells_onset
        self._stack = contextlib.AsyncExitStack()
        self._service = InMemorySessionService()
        self._bridge: Any = None
        self._detected_s: float | None = None
        self._interrupted_s: float | None = None
        self._turn_over = asyncio.Event()
        self._heard = ""

    def on_detected(self) -> None:
        """The ears found speech."""
        if self._detected_s is None:
            self._detected_s = time.monotonic()

    async def start(self, url: str, token: str) -> None:
        from livekit import rtc
        from livekit.plugins import silero

        await asyncio.to_thread(agent_speech)
        room = rtc.Room()
        await room.connect(url, token)
        self._stack.push_async_callback(room.disconnect)
        model = CascadeLive(ReadsOut(), stt=SileroEars(self, silero.VAD.load()), tts=SpeechVoice())
        agent = LlmAgent(name="reader", model=model)
        runner = Runner(app_name=APP, agent=agent, session_service=self._service)
        self._bridge = _Watched(runner, room, user_id="person", session_id=SESSION)
        self._bridge.on_event = self._on_event
        tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        call = tasks.create_task(self._bridge.start())
        self._stack.callback(call.cancel)
        async with asyncio.timeout(10.0):
            await self._bridge.listening.wait()

    async def speak(self) -> None:
        self._detected_s = self._interrupted_s = None
        self._heard = ""
        self._turn_over.clear()
        self._bridge.call_user_text(GO)

    async def finish(self) -> Notes:
        notes = Notes(
            detected_s=self._detected_s,
            gate_s=self._interrupted_s,
            model_s=self._interrupted_s,
            said=self._heard,
        )
        if self._interrupted_s is None:
            # There is no way to stop it from outside but the model's: what the adapter would have sent.
            self._bridge.call_activity_start()
            async with asyncio.timeout(REST_LIMIT_S):
                await self._turn_over.wait()
        return notes

    async def aclose(self) -> None:
        await self._stack.aclose()

    def _on_event(self, event: Any) -> None:
        if event.output_transcription and not event.partial:
            self._heard = event.output_transcription.text or ""
        if event.interrupted:
            if self._interrupted_s is None:
                self._interrupted_s = time.monotonic()
            self._turn_over.set()
        if event.turn_complete:
            self._turn_over.set()


class _Watched(LiveKitRunner):
    """LiveKitRunner, watched: it offers no way to see its events or to give it a text turn from within."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.listening = asyncio.Event()
        self.on_event: Any = None

    def call_user_text(self, text: str) -> None:
        self._send_user_text(text)

    def call_activity_start(self) -> None:
        self._queue.send_activity_start()

    async def _pump_events(self, event_stream: AsyncIterator[Any]) -> None:
        self.listening.set()
        await super()._pump_events(self._seen(event_stream))

    async def _seen(self, event_stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for event in event_stream:
            self.on_event(event)
            yield event

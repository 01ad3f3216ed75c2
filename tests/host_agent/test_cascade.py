"""The cascade's finer points: tools, other transforms, pacing, latency."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from google.adk.agents.llm_agent import LlmAgent
from google.adk.events.event import Event
from google.adk.live import (
    AgentSpokenOutput,
    AudioChunk,
    LiveEgress,
    LiveIngress,
    PartialTranscript,
    UserTurnFinished,
)
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.genai import types
from pydantic import PrivateAttr

from host_agent import HeardCascadeLive, HostSettings, UniversalHostAgent, WordEgress
from host_agent.ports import Prompt
from host_agent.sessions import LiveSessions
from streams.events import Interruption, Utterance
from tests.host_agent.stagecraft import (
    HZ,
    WORD_MS,
    Cast,
    Grant,
    MemoryOutput,
    MetronomeVoice,
    RecordList,
    on_stage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from google.adk.models.llm_request import LlmRequest


class SentenceVoice(LiveEgress):
    """A voice without word spans: the audio of all the text in pieces, then the text."""

    async def __call__(self, text: AsyncIterator[str], *, cancel: asyncio.Event) -> AsyncGenerator[Any, None]:
        said = "".join([delta async for delta in text])
        for _ in said.split():
            piece = bytes(int(WORD_MS * HZ / 1000) * 2)
            yield AudioChunk(blob=types.Blob(data=piece, mime_type=f"audio/pcm;rate={HZ}"))
        yield AgentSpokenOutput(text=said)


class Recogniser(LiveIngress):
    """An ingress that decodes by itself: each blob's length becomes a word."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails

    async def __call__(self, audio: AsyncIterator[types.Blob]) -> AsyncGenerator[Any, None]:
        words: list[str] = []
        async for blob in audio:
            words.append(str(len(blob.data or b"")))
            yield PartialTranscript(text=" ".join(words))
            if self.fails:
                raise OSError("recognition service is away")
        yield UserTurnFinished(text=" ".join(words))


async def test_a_voice_without_spans_is_cut_in_proportion():
    async with on_stage(
        "aaaa bbbb cccc dddd eeee.", "so.", model=lambda script: HeardCascadeLive(script, tts=SentenceVoice())
    ) as cast:
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.ended()
            cast.output.play(2.5 * WORD_MS)
            cast.cut()
        assert turn.result().heard_text == "aaaa bbbb"


async def test_any_recogniser_can_listen():
    model = lambda script: HeardCascadeLive(script, tts=WordEgress(MetronomeVoice()), stt=Recogniser())  # noqa: E731
    async with on_stage("fine.", instant=True, model=model) as cast:
        cast.host.queue.send_activity_start()
        cast.host.queue.send_realtime(bytes(100))
        cast.host.queue.send_realtime(bytes(20))
        cast.host.queue.send_activity_end()
        await cast.host.speak(Grant(), Prompt(""))
        assert cast.model.requests == [[("user", "100 20")]]


async def test_a_recogniser_that_fails_leaves_its_best_words_and_the_next_window_alone():
    model = lambda script: HeardCascadeLive(  # noqa: E731
        script, tts=WordEgress(MetronomeVoice()), stt=Recogniser(fails=True)
    )
    async with on_stage("fine.", instant=True, model=model) as cast:
        await cast.host.opened()
        for size in (100, 40):
            cast.host.queue.send_activity_start()
            cast.host.queue.send_realtime(bytes(size))
            cast.host.queue.send_realtime(bytes(20))
            cast.host.queue.send_activity_end()
        await cast.host.speak(Grant(), Prompt(""))
        assert cast.model.requests == [[("user", "100"), ("user", "40")]]


class ToolModel(BaseLlm):
    """Says something, calls a tool, and says the rest."""

    model: str = "tool"
    _requests: list[list[types.Content]] = PrivateAttr(default_factory=list)

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self._requests.append(list(llm_request.contents))
        parts = llm_request.contents[-1].parts or []
        if any(part.function_response for part in parts):
            yield LlmResponse(
                content=types.Content(role="model", parts=[types.Part(text="It rains in Rome.")])
            )
            return
        call = types.FunctionCall(name="weather", args={"city": "Rome"})
        yield LlmResponse(
            content=types.Content(role="model", parts=[types.Part(text="Let me look. ")]), partial=True
        )
        yield LlmResponse(content=types.Content(role="model", parts=[types.Part(function_call=call)]))


def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"rain in {city}"


async def test_a_tool_is_called_within_one_granted_turn():
    model = ToolModel()
    agent = LlmAgent(
        name="host", model=HeardCascadeLive(model, tts=WordEgress(MetronomeVoice())), tools=[weather]
    )
    output, record = MemoryOutput(instant=True), RecordList()
    async with UniversalHostAgent(agent, name="host", output=output, record=record) as host:
        result = await host.speak(Grant(), Prompt("how is the weather"))
    assert result.heard_text == "Let me look. It rains in Rome."
    assert len(model._requests) == 2
    texts = ["".join(part.text or "" for part in content.parts or []) for content in model._requests[1]]
    assert "Let me look. " in texts
    assert len(record.of(Utterance)) == 1


async def test_a_voice_does_not_run_further_ahead_than_the_output_should_hold():
    long = " ".join(f"w{n}" for n in range(50)) + "."
    settings = HostSettings(lead_limit_s=1.0)
    async with on_stage(long, settings=settings) as cast, asyncio.TaskGroup() as tasks:
        tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
        await cast.output.has(1000)
        await asyncio.sleep(0.05)
        assert cast.output.playout(cast.output.current).generated_ms <= 1000 + 2 * WORD_MS
        cast.cut()


async def cut_and_measure(cast: Cast, turns: int) -> list[float]:
    for nth in range(1, turns + 1):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(5 * WORD_MS, nth=nth)
            cast.output.play(300)
            cast.cut()
        cast.host.queue.send_activity_end()
    return [told.latency.decision_to_model_ms or 0.0 for told in cast.record.of(Interruption)]


@pytest.mark.parametrize("events", [0, 1000])
async def test_interrupted_follows_activity_start_at_once_however_long_the_history(events: int):
    sessions = LiveSessions()
    session = await sessions.create_session(app_name="host", user_id="swarm", session_id="long")
    for n in range(events):
        content = types.Content(role="model" if n % 2 else "user", parts=[types.Part(text="hello there")])
        await sessions.append_event(session, Event(author="host" if n % 2 else "user", content=content))
    replies = ["one two three four five."] * 20
    async with on_stage(*replies, session_service=sessions, session_id="long") as cast:
        assert statistics.median(await cut_and_measure(cast, 20)) < 5.0


def test_importing_the_package_loads_no_adk():
    code = (
        "import sys, host_agent\n"
        "late = ('google.adk', 'google.genai', 'livekit', 'onnxruntime', 'numpy')\n"
        "assert not [name for name in sys.modules if name.startswith(late)]\n"
        "assert host_agent.UniversalHostAgent.__name__ == 'UniversalHostAgent'\n"
        "assert 'google.adk' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", code], check=True, timeout=60)

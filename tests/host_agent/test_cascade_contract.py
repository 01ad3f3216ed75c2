"""The private names of ADK's cascade on which host_agent/cascade.py stands. Fails when ADK changes them."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from google.adk.live import AgentSpokenOutput, AudioChunk, LiveEgress, LiveIngress
from google.adk.live import _cascade_live_connection as stock
from google.adk.models.llm_request import LlmRequest
from google.genai import types

from host_agent.cascade import HeardCascadeConnection, HeardCascadeLive
from host_agent.egress import WordEgress
from host_agent.errors import ModelSettingError
from tests.host_agent.stagecraft import MetronomeVoice, ScriptModel

OVERRIDDEN = {
    "send_realtime": ["self", "blob"],
    "send_content": ["self", "content"],
    "_on_user_turn_finished": ["self", "event"],
    "_on_speech_started": ["self", "event"],
    "_start_reasoning": ["self"],
    "_stream_text": ["self"],
    "_await_playback": ["self"],
    "_record_spoken": ["self", "heard_only"],
    "_emit": ["self", "response"],
}
USED = (
    "_audio_in",
    "_cancel",
    "_closed",
    "_contents",
    "_input_ready",
    "_pending_function_call",
    "_spoken_marks",
    "_state",
)


class Silent(LiveIngress):
    async def __call__(self, audio):  # type: ignore[no-untyped-def]
        async for _ in audio:
            pass
        return
        yield


class Mute(LiveEgress):
    async def __call__(self, text, *, cancel):  # type: ignore[no-untyped-def]
        async for _ in text:
            pass
        return
        yield


@pytest.fixture
async def connection():
    made = stock.CascadeLiveConnection(LlmRequest(), ScriptModel("one."), Silent(), Mute())
    yield made
    await made.close()


@pytest.mark.parametrize(("name", "parameters"), OVERRIDDEN.items())
def test_the_methods_we_override_keep_their_shape(name: str, parameters: list[str]):
    method = getattr(stock.CascadeLiveConnection, name)
    assert list(inspect.signature(method).parameters) == parameters
    assert name in vars(HeardCascadeConnection)
    ours = vars(HeardCascadeConnection)[name]
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(method)
    assert inspect.isasyncgenfunction(ours) == inspect.isasyncgenfunction(method)


async def test_the_state_we_touch_is_there(connection: stock.CascadeLiveConnection):
    for name in USED:
        assert hasattr(connection, name), name
    assert connection._state is stock._State.LISTENING
    assert isinstance(connection._input_ready, asyncio.Event)
    assert isinstance(connection._cancel, asyncio.Event)
    assert connection._contents == []


def test_stock_code_calls_what_we_override():
    def calls(method: str, name: str) -> bool:
        return f"self.{name}(" in inspect.getsource(getattr(stock.CascadeLiveConnection, method))

    assert calls("_run_turn", "_await_playback")
    assert calls("_run_turn", "_record_spoken")
    assert calls("_run_turn", "_stream_text")
    assert calls("_run_turn", "_emit")
    assert calls("_on_speech_started", "_record_spoken")
    assert calls("send_realtime", "_on_speech_started")
    assert calls("_on_user_turn_finished", "_start_reasoning")
    assert calls("_pump_ingress", "_drain_audio")


async def test_a_stock_connection_speaks_and_is_interrupted_as_we_rely_on():
    class Voice(LiveEgress):
        async def __call__(self, text, *, cancel):  # type: ignore[no-untyped-def]
            async for delta in text:
                yield AudioChunk(blob=types.Blob(data=bytes(48_000), mime_type="audio/pcm;rate=24000"))
                yield AgentSpokenOutput(text=delta)

    connection = stock.CascadeLiveConnection(LlmRequest(), ScriptModel("one two three."), Silent(), Voice())
    responses = connection.receive()
    await connection.send_content(types.Content(role="user", parts=[types.Part(text="go")]))
    for _ in range(6):
        await anext(responses)
    await connection.send_realtime(types.ActivityStart())
    assert (await anext(responses)).interrupted
    await connection.close()


async def test_without_a_host_the_cascade_says_how_to_run_it():
    model = HeardCascadeLive(ScriptModel(), tts=WordEgress(MetronomeVoice()))
    with pytest.raises(ModelSettingError, match="UniversalHostAgent"):
        async with model.connect(LlmRequest()):
            pass

"""What goes wrong around a host: models, voices, sessions. It reports, recovers, and speaks again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from google.adk.sessions.in_memory_session_service import InMemorySessionService

from host_agent import HeardCascadeLive, HostSettings, UniversalHostAgent, WordEgress
from host_agent.cascade import HeardCascadeConnection
from host_agent.errors import HostError, ModelSettingError, ModelUnavailableError
from host_agent.ports import Prompt
from streams.events import AgentFailed, Interruption, StateChanged, Utterance
from tests.host_agent.stagecraft import (
    WORD_MS,
    Cast,
    Grant,
    MemoryOutput,
    MetronomeVoice,
    RecordList,
    ScriptModel,
    on_stage,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from google.adk.events.event import Event
    from google.adk.sessions.session import Session

FIVE = "one two three four five."
HASTY = HostSettings(interrupted_limit_s=0.05, first_audio_limit_s=0.5, reopen_backoff_s=0.01)


async def answer(cast: Cast, *, nth: int, text: str = "again") -> str:
    async with asyncio.TaskGroup() as tasks:
        turn = tasks.create_task(cast.host.speak(Grant(token=nth), Prompt(text)))
        await cast.output.ended(nth=nth)
        cast.output.play()
    assert not turn.result().failed
    return turn.result().heard_text


async def speak_until_it_ends(*replies: str | Exception, **options: Any) -> None:
    async with on_stage(*replies, instant=True, **options) as cast:
        await cast.host.speak(Grant(), Prompt("count"))
        await asyncio.sleep(5)


class FailingSessions(InMemorySessionService):
    """Refuses one write when told to: ADK's sender dies of it without a word."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse = ""

    async def append_event(self, session: Session, event: Event) -> Event:
        text = "".join(part.text or "" for part in (event.content.parts or [] if event.content else []))
        if self.refuse and self.refuse in text:
            self.refuse = ""
            raise OSError("the disk is full")
        return await super().append_event(session, event)


async def test_a_dead_sender_is_noticed_by_the_prompt_that_brings_nothing():
    sessions = FailingSessions()
    async with on_stage("hello.", settings=HASTY, session_service=sessions) as cast:
        sessions.refuse = "first"
        result = await cast.host.speak(Grant(), Prompt("first"))
        assert result.failed == "no first audio after the grant"
        assert [failed.what for failed in cast.record.of(AgentFailed)] == ["no first audio after the grant"]
        assert await answer(cast, nth=2) == "hello."


async def test_an_activity_start_that_is_not_acknowledged_reopens_the_session(
    monkeypatch: pytest.MonkeyPatch,
):
    async def deaf(self: HeardCascadeConnection, blob: Any) -> None:
        raise OSError("the sender is dead")

    async with on_stage(FIVE, "so.", settings=HASTY) as cast:
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(5 * WORD_MS)
            cast.output.play(2 * WORD_MS)
            with monkeypatch.context() as patch:
                patch.setattr(HeardCascadeConnection, "send_realtime", deaf)
                cast.cut()
                await asyncio.sleep(0.02)
        assert turn.result().heard_text == "one two"
        assert len(cast.record.of(Interruption)) == 1
        (failed,) = cast.record.of(AgentFailed)
        assert "not acknowledged" in failed.what
        cast.hear("s1", "go on", started=True)
        assert await answer(cast, nth=2) == "so."
        assert cast.model.requests[1][:2] == [
            ("user", "[You have the floor. count]"),
            ("model", "one two [interrupted here by paul; the rest was not heard]"),
        ]
        assert ("user", "go on") in cast.model.requests[1]


async def test_a_model_that_stays_silent_ends_the_turn_and_not_the_host():
    async with on_stage("late.", "hello.", settings=HASTY) as cast:
        cast.model.gate.clear()
        result = await cast.host.speak(Grant(), Prompt("count"))
        assert result.failed == "no first audio after the grant"
        assert result.heard_text == ""
        await asyncio.sleep(0.02)
        cast.model.gate.set()
        assert await answer(cast, nth=2) == "late."
        assert ("speaking", "idle", "failed") in [
            (s.old, s.new, s.cause) for s in cast.record.of(StateChanged)
        ]


async def test_a_model_error_keeps_what_was_heard_and_says_why():
    async with on_stage(RuntimeError("quota is used up"), "hello.", instant=True) as cast:
        result = await cast.host.speak(Grant(), Prompt("count"))
        assert result.failed == "quota is used up"
        assert await answer(cast, nth=2) == "hello."


async def test_a_voice_that_fails_says_why():
    class Mute(MetronomeVoice):
        async def stream(self, text: AsyncIterable[str]) -> AsyncIterator[Any]:
            async for _ in text:
                raise OSError("no sound card")
            yield

    async with on_stage(
        "hello.", instant=True, model=lambda script: HeardCascadeLive(script, tts=WordEgress(Mute()))
    ) as cast:
        result = await cast.host.speak(Grant(), Prompt("count"))
        assert result.failed == "no sound card"


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (ValueError("No API key was provided. Please pass a valid API key."), "GOOGLE_API_KEY"),
        (
            RuntimeError("400 INVALID_ARGUMENT API key not valid: AIzaSyA1234567890123456789012345"),
            "GOOGLE_API_KEY",
        ),
        (RuntimeError("404 models/gemini-9 is not found for API version v1"), "model"),
    ],
)
async def test_a_wrong_setting_ends_the_host_with_one_clear_line(error: Exception, setting: str):
    with pytest.raises(ModelSettingError) as caught:
        await speak_until_it_ends(error)
    assert caught.value.setting == setting
    assert "AIza" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(ModelSettingError) as caught:
        UniversalHostAgent(name="host", model="no-such-model", output=MemoryOutput(), record=RecordList())
    assert caught.value.setting == "model"
    assert "no-such-model" in str(caught.value)


async def test_a_cascade_over_an_unknown_text_model_is_refused_by_name():
    model = HeardCascadeLive("no-such-model", tts=WordEgress(MetronomeVoice()))
    with pytest.raises(ModelSettingError, match="no-such-model"):
        UniversalHostAgent(name="host", model=model, output=MemoryOutput(), record=RecordList())


async def test_neither_agent_nor_model_is_refused():
    with pytest.raises(ModelSettingError):
        UniversalHostAgent(name="host", output=MemoryOutput(), record=RecordList())


async def test_a_session_service_that_is_away_ends_the_host():
    class Away(InMemorySessionService):
        async def get_session(self, **_: Any) -> Any:
            raise OSError("connection refused")

    with pytest.raises(ModelUnavailableError, match="connection refused"):
        await speak_until_it_ends("hello.", session_service=Away())


async def test_a_repair_that_cannot_be_written_is_reported_and_not_fatal(monkeypatch: pytest.MonkeyPatch):
    async def deaf(self: HeardCascadeConnection, blob: Any) -> None:
        raise OSError("the sender is dead")

    sessions = FailingSessions()
    async with on_stage(FIVE, "hello.", settings=HASTY, session_service=sessions) as cast:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(5 * WORD_MS)
            cast.output.play(2 * WORD_MS)
            sessions.refuse = "one two [interrupted"
            with monkeypatch.context() as patch:
                patch.setattr(HeardCascadeConnection, "send_realtime", deaf)
                cast.cut()
                await asyncio.sleep(0.02)
        cast.host.queue.send_activity_end()
        await asyncio.sleep(0.02)
        assert any("could not be corrected" in failed.what for failed in cast.record.of(AgentFailed))
        assert await answer(cast, nth=2) == "hello."


async def test_a_slow_session_service_does_not_let_stale_audio_through():
    class Slow(InMemorySessionService):
        async def append_event(self, session: Session, event: Event) -> Event:
            await asyncio.sleep(0.01)
            return await super().append_event(session, event)

    long = " ".join(f"w{n}" for n in range(60)) + "."
    async with on_stage(long, "so.", session_service=Slow()) as cast:
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.has(3 * WORD_MS)
            cast.output.play(2 * WORD_MS)
            cast.cut()
            sent = len(cast.output.chunks)
        assert turn.result().heard_text == "w0 w1"
        assert len(cast.output.chunks) == sent
        assert await answer(cast, nth=2) == "so."
        assert cast.record.of(AgentFailed) == []


async def test_a_model_shared_by_two_hosts_keeps_their_truths_apart():
    script = ScriptModel(FIVE, "other words here.")
    model = HeardCascadeLive(script, tts=WordEgress(MetronomeVoice()))
    async with on_stage(name="a", model=lambda _: model) as a, on_stage(name="b", model=lambda _: model) as b:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(a.host.speak(Grant(), Prompt("count")))
            await a.output.has(5 * WORD_MS)
            tasks.create_task(b.host.speak(Grant(), Prompt("talk")))
            await b.output.ended()
            b.output.play()
            a.output.play(WORD_MS)
            a.cut()
        assert [u.heard_text for u in a.record.of(Utterance)] == ["one"]
        assert [u.heard_text for u in b.record.of(Utterance)] == ["other words here."]


async def test_a_host_that_is_stopped_ends_its_turn():
    output, record = MemoryOutput(), RecordList()
    host = UniversalHostAgent(
        name="host",
        model=HeardCascadeLive(ScriptModel(FIVE), tts=WordEgress(MetronomeVoice())),
        output=output,
        record=record,
    )
    async with asyncio.TaskGroup() as tasks:
        async with host:
            turn = tasks.create_task(host.speak(Grant(), Prompt("count")))
            await output.has(5 * WORD_MS)
        result = await turn
    assert result.failed == "the host was stopped"


def test_every_host_error_is_a_host_error():
    assert issubclass(ModelSettingError, HostError)
    assert issubclass(ModelUnavailableError, HostError)

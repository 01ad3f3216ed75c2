"""A host over ADK's Gemini class and a local server that speaks the Gemini Live wire protocol."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from host_agent import HostSettings
from host_agent.errors import ModelSettingError
from host_agent.ports import Prompt, TurnResult
from host_agent.states import HostState
from streams.events import AgentFailed, Interruption, Utterance
from tests.engines.gemini_live import GeminiLiveServer
from tests.host_agent.stagecraft import Cast, Grant, on_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.filterwarnings("ignore:The `session.send` method is deprecated:DeprecationWarning")

FIVE = "one two three four five."
WORD_MS = 200.0
MARK = "[interrupted here by paul; the rest was not heard]"


@contextlib.asynccontextmanager
async def gemini(*replies: str, **options: Any) -> AsyncIterator[tuple[GeminiLiveServer, Cast]]:
    serving = {name: options.pop(name) for name in ("deaf", "speed") if name in options}
    model_options = {name: options.pop(name) for name in ("key",) if name in options}
    name = options.pop("model_name", None)
    async with GeminiLiveServer(*replies, **serving) as server:
        model = server.model(**({"name": name} if name else {}), **model_options)
        async with on_stage(model=lambda _: model, **options) as cast:
            yield server, cast


async def cut_after(cast: Cast, heard_ms: float, *, nth: int = 1, **how: Any) -> TurnResult:
    async with asyncio.TaskGroup() as tasks:
        turn = tasks.create_task(cast.host.speak(Grant(token=nth), Prompt("count")))
        await cast.output.has(5 * WORD_MS, nth=nth)
        cast.output.play(heard_ms)
        cast.cut(**how)
    return turn.result()


async def answer(cast: Cast, prompt: Prompt, *, nth: int) -> TurnResult:
    async with asyncio.TaskGroup() as tasks:
        turn = tasks.create_task(cast.host.speak(Grant(token=nth), prompt))
        await cast.output.ended(nth=nth)
        cast.output.play()
    return turn.result()


async def test_a_granted_turn_is_said_whole():
    async with gemini("one two three.", speed=20.0) as (server, cast):
        result = await answer(cast, Prompt("count", heard=(("expert", "I begin."),)), nth=1)
        assert result.heard_text == "one two three."
        assert not result.failed
        assert server.last.texts() == [("user", 'expert said: "I begin."\n[You have the floor. count]')]
        detection = server.last.setup["realtime_input_config"]["automatic_activity_detection"]
        assert detection == {"disabled": True}


async def test_a_cut_is_confirmed_and_the_new_session_knows_only_what_was_heard():
    async with gemini(FIVE, "so.", speed=1.0) as (server, cast):
        result = await cut_after(cast, 2 * WORD_MS)
        assert result.heard_text == "one two"
        (told,) = cast.record.of(Interruption)
        assert (told.heard_text, told.unheard_text) == ("one two", "three four five.")
        assert told.latency.decision_to_model_ms is not None
        assert server.sessions[0].signals == ["content", "activity_start"]
        cast.hear("s1", "go on", started=True)
        await server.until(lambda: len(server.sessions) == 2 and "activity_end" in server.last.signals)
        assert server.last.texts("history") == [
            ("user", "[You have the floor. count]"),
            ("model", f"one two {MARK}"),
        ]
        assert server.last.signals == ["history", "activity_start", "audio", "activity_end"]
        result = await answer(cast, Prompt(""), nth=2)
        assert result.heard_text == "so."
        assert cast.record.of(AgentFailed) == []


async def test_an_answer_that_came_before_its_grant_is_said_when_granted():
    async with gemini("fine, thanks.", speed=20.0) as (server, cast):
        cast.hear("s1", "how are you")
        await server.until(lambda: "activity_end" in server.last.signals if server.sessions else False)
        await asyncio.sleep(0.05)
        assert cast.output.chunks == []
        result = await answer(cast, Prompt(""), nth=1)
        assert result.heard_text == "fine, thanks."
        assert cast.host.state is HostState.IDLE


async def test_an_answer_whose_turn_went_to_another_leaves_no_trace():
    async with gemini("never said.", "hello.", speed=20.0) as (server, cast):
        cast.hear("s1", "how are you")
        await server.until(lambda: "activity_end" in server.last.signals if server.sessions else False)
        await asyncio.sleep(0.05)
        cast.host.on_turn_given_to_another()
        result = await answer(cast, Prompt("go on", heard=(("expert", "We are fine."),)), nth=1)
        assert result.heard_text == "hello."
        assert len(server.sessions) == 2
        history = server.last.texts("history")
        assert not any("never" in text for _, text in history)
        assert history[0] == ("user", "heard 3200 bytes")
        assert history[-1][0] == "model"
        assert [u.heard_text for u in cast.record.of(Utterance)] == ["hello."]


async def test_with_a_note_the_session_stays_and_learns_what_was_heard():
    settings = HostSettings(native_rewind="note")
    async with gemini(FIVE, "so.", settings=settings) as (server, cast):
        await cut_after(cast, 2 * WORD_MS, by="expert", person=False)
        result = await answer(cast, Prompt("go on"), nth=2)
        assert result.heard_text == "so."
        assert len(server.sessions) == 1
        assert server.last.signals == ["content", "activity_start", "activity_end", "content"]
        (_, text) = server.last.texts()[-1]
        assert 'the listeners heard only this: "one two"' in text
        assert 'They did not hear: "three four five."' in text


async def test_a_cut_after_the_model_had_finished_is_repaired_too():
    async with gemini(FIVE, "so.", speed=100.0) as (server, cast):
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(cast.host.speak(Grant(), Prompt("count")))
            await cast.output.ended()
            cast.output.play(3 * WORD_MS)
            cast.cut(by="expert", person=False)
        assert turn.result().heard_text == "one two three"
        result = await answer(cast, Prompt("go on"), nth=2)
        assert result.heard_text == "so."
        assert server.last.texts("history")[-1] == (
            "model",
            "one two three [interrupted here by expert; the rest was not heard]",
        )


async def test_a_service_that_does_not_stop_is_left():
    settings = HostSettings(interrupted_limit_s=0.1)
    async with gemini(FIVE, "so.", deaf=True, settings=settings) as (server, cast):
        result = await cut_after(cast, 2 * WORD_MS, by="expert", person=False)
        assert result.heard_text == "one two"
        (failed,) = cast.record.of(AgentFailed)
        assert "not acknowledged" in failed.what
        assert (await answer(cast, Prompt("go on"), nth=2)).heard_text == "so."
        assert len(server.sessions) == 2


async def test_a_lost_connection_is_opened_again_with_the_history():
    settings = HostSettings(reopen_backoff_s=0.01)
    async with gemini("one two three.", "so.", speed=20.0, settings=settings) as (server, cast):
        await answer(cast, Prompt("count"), nth=1)
        await asyncio.sleep(0.1)
        await server.drop_connections()
        await server.until(lambda: len(server.sessions) == 2)
        assert (await answer(cast, Prompt("go on"), nth=2)).heard_text == "so."
        assert server.last.texts("history") == [
            ("user", "[You have the floor. count]"),
            ("model", "one two three. "),
        ]


async def test_others_words_reach_a_resting_session_before_the_window():
    async with gemini("fine.", speed=20.0) as (server, cast):
        cast.host.on_window_opened("s1")  # announced: the window comes with the grant
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(
                cast.host.speak(Grant(), Prompt("", heard=(("expert", "Mars is red."),)))
            )
            await asyncio.sleep(0.05)
            cast.host.queue.send_activity_start()
            cast.host.queue.send_realtime(bytes(3200))
            cast.host.queue.send_activity_end()
            await cast.output.ended()
            cast.output.play()
        assert turn.result().heard_text == "fine."
        assert server.last.signals == ["partial", "activity_start", "audio", "activity_end"]
        assert server.last.texts("partial") == [("user", 'expert said: "Mars is red."')]


async def test_a_window_that_never_comes_makes_the_agent_ask_again():
    settings = HostSettings(window_limit_s=0.05)
    async with gemini("pardon?", speed=20.0, settings=settings) as (server, cast):
        assert (await answer(cast, Prompt(""), nth=1)).heard_text == "pardon?"
        assert "was not understood" in server.last.texts()[0][1]


@pytest.mark.parametrize(
    ("options", "setting"),
    [({"key": "wrong-key"}, "GOOGLE_API_KEY"), ({"model_name": "gemini-9-live"}, "model")],
)
async def test_a_refused_key_or_model_is_one_clear_line(options: dict[str, str], setting: str):
    with pytest.raises(ModelSettingError) as caught:
        await speak_once(**options)
    assert caught.value.setting == setting
    assert "wrong-key" not in str(caught.value)


async def test_a_missing_key_is_one_clear_line(monkeypatch: pytest.MonkeyPatch):
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelSettingError, match="GOOGLE_API_KEY"):
        await speak_without_key()


async def test_a_service_that_says_no_goodbye_does_not_keep_the_host_from_stopping():
    settings = HostSettings(close_limit_s=0.4)
    async with GeminiLiveServer("one two three.", speed=20.0) as server:
        model = server.model()
        async with on_stage(model=lambda _: model, settings=settings) as cast:
            await answer(cast, Prompt("count"), nth=1)
            server.freeze()
            before_s = time.monotonic()
        assert time.monotonic() - before_s < 1.5


async def speak_once(**options: str) -> None:
    async with gemini("hello.", **options) as (_, cast):
        await cast.host.speak(Grant(), Prompt("count"))
        await asyncio.sleep(5)


async def speak_without_key() -> None:
    async with on_stage(model=lambda _: "gemini-2.5-flash-native-audio-latest") as cast:
        await cast.host.speak(Grant(), Prompt("count"))
        await asyncio.sleep(5)

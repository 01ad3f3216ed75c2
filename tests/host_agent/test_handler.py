"""The hooks, the handler and its watch over a session: what words do, and what is done to the session."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    HandlerAction,
    InterruptionHandler,
    InterruptionHandlerConfig,
    InterruptionHooks,
    JudgeSettings,
    SessionWatch,
    load_config,
)
from tests.adapters.virtual_time import VirtualLoop, run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable


class Said:
    """A recogniser that answers with a text, an error, or not at all."""

    def __init__(self, answer: object = None, *, after_s: float = 0.0) -> None:
        self.answer = answer
        self.after_s = after_s

    async def transcribe(self) -> str:
        await asyncio.sleep(self.after_s)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]


def hooks(stt: Said, **config: object) -> InterruptionHooks:
    return InterruptionHooks(stt, config=InterruptionHandlerConfig(**config))  # type: ignore[arg-type]


def in_virtual_time(test: Callable[[VirtualLoop], Any]) -> None:
    run_virtual(test)


async def test_a_silent_agent_asks_no_recogniser() -> None:
    hook = hooks(Said(AssertionError("asked")))
    assert await hook.on_vad_event() is False
    assert "not speaking" in hook.last_reason


@pytest.mark.parametrize("utterance", ["u1", SimpleNamespace(id="u1")])
async def test_the_hooks_follow_the_voice(utterance: object) -> None:
    hook = hooks(Said("stop"))
    await hook.on_agent_start_speaking(utterance)
    assert hook.state_mgr.get_state().to_dict() == {"is_speaking": True, "utterance_id": "u1"}
    assert await hook.on_vad_event() is True
    await hook.on_agent_stop_speaking()
    assert await hook.on_vad_event() is False


def test_words_that_are_late_interrupt_after_half_a_second_at_most() -> None:
    async def test(loop: VirtualLoop) -> None:
        hook = hooks(Said("yeah", after_s=60))
        await hook.on_agent_start_speaking("u1")
        begun_s = loop.time()
        assert await hook.on_vad_event() is True
        assert loop.time() - begun_s == pytest.approx(0.5)
        assert "no words within 500 ms" in hook.last_reason

    in_virtual_time(test)


def test_the_wait_is_a_setting_and_never_longer_than_half_a_second() -> None:
    async def test(loop: VirtualLoop) -> None:
        hook = hooks(Said("yeah", after_s=60), stt_timeout_ms=300.0)
        await hook.on_agent_start_speaking("u1")
        begun_s = loop.time()
        await hook.on_vad_event()
        assert loop.time() - begun_s == pytest.approx(0.3)

    in_virtual_time(test)
    assert load_config(environ={"LIVEKIT_INTERRUPTION_STT_TIMEOUT_MS": "300"}).stt_timeout_ms == 300
    with pytest.raises(InterruptionSettingError, match="stt_timeout_ms"):
        InterruptionHandlerConfig(stt_timeout_ms=501.0)


@pytest.mark.parametrize("answer", [OSError("away"), TimeoutError(), None, 7, b"yeah"])
async def test_a_recogniser_that_fails_interrupts(answer: object) -> None:
    hook = hooks(Said(answer))
    await hook.on_agent_start_speaking("u1")
    assert await hook.on_vad_event() is True


async def test_without_words_the_agent_goes_on_where_that_is_set() -> None:
    hook = hooks(Said(OSError("away")), on_stt_failure="continue")
    await hook.on_agent_start_speaking("u1")
    assert await hook.on_vad_event() is False


async def test_being_cancelled_is_no_decision() -> None:
    hook = hooks(Said(asyncio.CancelledError()))
    await hook.on_agent_start_speaking("u1")
    with pytest.raises(asyncio.CancelledError):
        await hook.on_vad_event()


def test_words_that_come_when_the_agent_has_finished_are_ordinary_input() -> None:
    async def test(loop: VirtualLoop) -> None:
        hook = hooks(Said("stop", after_s=0.4))
        await hook.on_agent_start_speaking("u1")
        async with asyncio.TaskGroup() as tasks:
            decided = tasks.create_task(hook.on_vad_event())
            await asyncio.sleep(0.1)
            await hook.on_agent_stop_speaking()
        assert decided.result() is False

    in_virtual_time(test)


async def test_with_interruptions_off_nothing_interrupts() -> None:
    hook = hooks(Said("stop"), allow_interruptions=False)
    await hook.on_agent_start_speaking("u1")
    assert await hook.on_vad_event() is False


@pytest.mark.parametrize(("on", "lines"), [(True, 1), (False, 0)])
async def test_all_decisions_are_logged_where_that_is_set(
    on: bool, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    hook = hooks(Said("yeah"), log_all_decisions=on)
    handler = InterruptionHandler(InterruptionHandlerConfig(log_all_decisions=on))
    await hook.on_agent_start_speaking("u1")
    with caplog.at_level(logging.INFO):
        await hook.on_vad_event()
        handler.analyze("yeah")
    assert caplog.messages == ["interruption.decided"] * 2 * lines


def speaking(**config: object) -> InterruptionHandler:
    handler = InterruptionHandler(InterruptionHandlerConfig(**config))  # type: ignore[arg-type]
    handler.note_agent_state("speaking")
    return handler


def test_the_lists_come_from_the_environment_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEKIT_BACKCHANNELING_WORDS", "aye, go on")
    monkeypatch.setenv("LIVEKIT_INTERRUPTION_WORDS", "avast,belay that")
    handler = InterruptionHandler()
    assert handler.is_backchanneling("Aye, go on!")
    assert not handler.is_backchanneling("go")
    assert handler.contains_interruption("aye, belay that")
    assert not handler.contains_interruption("stop")


def test_words_and_phrases_are_matched_whole() -> None:
    handler = speaking()
    assert handler.is_backchanneling("got it")
    assert handler.contains_interruption("hold on a second")
    for words in ("nobody", "unstoppable", "waiting", "snow", "paused"):
        assert not handler.contains_interruption(words), words
    assert not handler.is_backchanneling("yeahs")


def test_a_paused_agent_counts_as_speaking() -> None:
    handler = speaking()
    handler.note_agent_state("listening", paused=True)
    assert handler.analyze("yeah").action is HandlerAction.IGNORE
    handler.note_agent_state("listening")
    assert handler.analyze("yeah").action is HandlerAction.RESPOND


@pytest.mark.parametrize(
    ("sensitivity", "interim", "final", "three"),
    [
        ("low", HandlerAction.IGNORE, HandlerAction.IGNORE, HandlerAction.IGNORE),
        ("normal", HandlerAction.WAIT, HandlerAction.INTERRUPT, HandlerAction.INTERRUPT),
        ("high", HandlerAction.INTERRUPT, HandlerAction.INTERRUPT, HandlerAction.INTERRUPT),
    ],
)
def test_sensitivity_says_when_other_words_interrupt(
    sensitivity: str, interim: HandlerAction, final: HandlerAction, three: HandlerAction
) -> None:
    handler = speaking(sensitivity=sensitivity)
    assert handler.analyze("potatoes", is_final=False).action is interim
    assert handler.analyze("potatoes").action is final
    assert handler.analyze("boil potatoes slowly", is_final=False).action is three
    assert handler.analyze("stop", is_final=False).action is HandlerAction.INTERRUPT
    assert load_config(environ={"LIVEKIT_INTERRUPTION_SENSITIVITY": sensitivity}).sensitivity == sensitivity


@pytest.mark.parametrize("key", ["sensitivity", "on_stt_failure"])
def test_a_choice_that_is_none_is_refused_by_name(key: str) -> None:
    with pytest.raises(InterruptionSettingError, match=key):
        load_config(environ={f"LIVEKIT_INTERRUPTION_{key.upper()}": "sometimes"})


def test_unsure_acknowledging_words_are_not_ignored() -> None:
    handler = speaking(judge=JudgeSettings(min_confidence=0.6))
    assert handler.analyze("yeah", confidence=0.5).action is HandlerAction.WAIT
    assert handler.analyze("yeah", confidence=0.6).action is HandlerAction.IGNORE
    assert handler.analyze("stop", confidence=0.1).action is HandlerAction.INTERRUPT


@pytest.mark.parametrize("text", ["", "   ", "...", "\0\0", "?" * 10_000])
def test_text_without_words_is_waited_for(text: str) -> None:
    assert speaking().analyze(text).action is HandlerAction.WAIT


def test_a_turn_of_backchanneling_over_the_agent_gets_no_reply() -> None:
    handler = speaking()
    handler.note_user_state("speaking")
    assert handler.should_skip_reply("yeah, okay")
    assert not handler.should_skip_reply("yeah, but why")
    handler.note_agent_said("That was the story.")
    handler.note_agent_state("listening")
    assert handler.should_skip_reply("yeah"), "it began over the agent"
    handler.note_user_state("speaking")
    assert not handler.should_skip_reply("yeah"), "it began when the agent was silent"


def test_a_yes_into_the_end_of_a_question_is_its_answer() -> None:
    handler = speaking()
    handler.note_user_state("speaking")
    handler.note_agent_said('Are you "ready?"')
    handler.note_agent_state("listening")
    assert not handler.should_skip_reply("yeah")


class Speech:
    """A session's SpeechHandle."""

    def __init__(self, *, allow_interruptions: bool = True) -> None:
        self.allow_interruptions = allow_interruptions
        self.interrupted = False

    def done(self) -> bool:
        return self.interrupted


class Session:
    """What a watch uses of an AgentSession, with the same rules."""

    def __init__(self) -> None:
        self.agent_state = "speaking"
        self.current_speech: Speech | None = Speech()
        self.callbacks: dict[str, Any] = {}
        self.cleared = 0
        self.resumed = 0
        audio = SimpleNamespace(can_pause=True, resume=self._on_resume)
        self.output = SimpleNamespace(audio=audio)

    def on(self, event: str, callback: Any) -> None:
        self.callbacks[event] = callback

    def off(self, event: str, callback: Any) -> None:
        assert self.callbacks.pop(event) == callback

    def interrupt(self, *, force: bool = False) -> None:
        speech = self.current_speech
        if speech is None or not (force or speech.allow_interruptions):
            raise RuntimeError("not now")
        speech.interrupted = True

    def clear_user_turn(self) -> None:
        self.cleared += 1

    def hear(self, text: str, *, final: bool = False) -> None:
        self.callbacks["user_input_transcribed"](SimpleNamespace(transcript=text, is_final=final))

    def user(self, state: str) -> None:
        self.callbacks["user_state_changed"](SimpleNamespace(new_state=state))

    def agent(self, state: str) -> None:
        self.agent_state = state
        self.callbacks["agent_state_changed"](SimpleNamespace(new_state=state))

    def _on_resume(self) -> None:
        self.resumed += 1


def watched(**options: Any) -> tuple[Session, SessionWatch]:
    session = Session()
    watch = SessionWatch(InterruptionHandler(InterruptionHandlerConfig()), session, **options)
    watch.attach()
    session.agent("speaking")
    session.user("speaking")
    return session, watch


async def test_a_speech_that_is_acknowledged_is_shielded_for_a_moment() -> None:
    session, watch = watched()
    session.hear("yeah")
    assert session.current_speech is not None
    assert session.current_speech.allow_interruptions is False
    session.hear("yeah um potatoes")
    assert session.current_speech.allow_interruptions is True
    session.hear("yeah")
    watch.detach()
    assert session.current_speech.allow_interruptions is True
    assert session.callbacks == {}


def test_the_shield_ends_by_itself_when_no_more_words_come() -> None:
    async def test(loop: VirtualLoop) -> None:
        session, _ = watched()
        session.hear("yeah")
        assert session.current_speech is not None
        await asyncio.sleep(1.0)
        assert not session.current_speech.allow_interruptions
        await asyncio.sleep(0.1)
        assert session.current_speech.allow_interruptions

    in_virtual_time(test)


async def test_a_command_interrupts_at_once_also_through_the_shield() -> None:
    session, _ = watched()
    session.hear("yeah okay")
    session.hear("yeah okay but")
    assert session.current_speech is not None
    assert session.current_speech.interrupted
    assert session.cleared == 0


async def test_a_speech_that_may_not_be_interrupted_stays_so() -> None:
    session, watch = watched()
    session.current_speech = Speech(allow_interruptions=False)
    session.hear("yeah")
    session.hear("stop")
    assert not session.current_speech.interrupted
    watch.detach()
    assert session.current_speech.allow_interruptions is False


async def test_final_backchanneling_is_forgotten_when_the_person_is_silent() -> None:
    session, _ = watched()
    session.hear("yeah", final=True)
    await asyncio.sleep(0)
    assert session.cleared == 0
    session.user("listening")
    await asyncio.sleep(0)
    assert session.cleared == 1
    session.hear("okay", final=True)
    await asyncio.sleep(0)
    assert session.cleared == 2


async def test_words_after_the_backchanneling_are_not_forgotten_with_it() -> None:
    session, _ = watched()
    session.hear("yeah", final=True)
    session.hear("could you")
    session.user("listening")
    await asyncio.sleep(0)
    assert session.cleared == 0


async def test_a_speech_that_was_paused_goes_on_with_the_first_acknowledging_word() -> None:
    session, _ = watched()
    session.agent("listening")
    session.hear("uh-huh")
    assert session.resumed == 1
    session.hear("uh-huh stop")
    assert session.current_speech is not None
    assert session.current_speech.interrupted


async def test_a_speech_that_has_not_begun_is_no_paused_one() -> None:
    session, watch = watched()
    session.current_speech = Speech()
    session.agent("listening")
    session.hear("yeah", final=True)
    assert not watch.handler.agent_speaking
    assert session.current_speech.allow_interruptions
    assert session.cleared == 0


async def test_finals_that_are_decided_before_the_session_are_not_decided_twice() -> None:
    session, watch = watched(finals=False)
    assert watch.decide("yeah", final=True, confidence=0.9).action is HandlerAction.IGNORE
    session.hear("yeah")  # as interim: what is left of it for the session
    session.user("listening")
    await asyncio.sleep(0)
    assert session.cleared == 1
    session.hear("stop", final=True)
    assert session.current_speech is not None
    assert not session.current_speech.interrupted


async def test_a_session_that_refuses_does_not_raise_into_its_events() -> None:
    session, _ = watched()
    session.current_speech = None
    session.agent_state = "speaking"
    session.hear("stop", final=True)


async def test_false_alarms_that_the_session_resumed_are_counted() -> None:
    session, watch = watched()
    for resumed in (True, False, True):
        session.callbacks["agent_false_interruption"](SimpleNamespace(resumed=resumed))
    assert watch.false_interruptions == 2

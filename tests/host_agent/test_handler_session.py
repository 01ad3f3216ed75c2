"""The handler's watch over a session: what is done to the session, and when."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from host_agent.interruption import (
    HandlerAction,
    InterruptionHandler,
    InterruptionHandlerConfig,
    SessionWatch,
)
from tests.adapters.virtual_time import VirtualLoop, run_virtual


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
        judge = InterruptionHandlerConfig().judge
        await asyncio.sleep((judge.backchannel_ms + judge.backchannel_word_ms) / 1000 - 0.01)
        assert not session.current_speech.allow_interruptions
        await asyncio.sleep(0.02)
        assert session.current_speech.allow_interruptions

    run_virtual(test)


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

"""Carries an `InterruptionHandler`'s decisions out on an `AgentSession`, through its public API only.

A session pauses its agent after `min_duration` of speech and interrupts it on any final transcript. So a
speech that is being acknowledged is made uninterruptible for a moment, as soon as the first acknowledging
word is there: mostly there is then no pause at all. A command interrupts at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

from host_agent.interruption.handler import HandlerAction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from host_agent.interruption.handler import HandlerDecision, InterruptionHandler

__all__ = ("RECOMMENDED_TURN_HANDLING", "Session", "SessionWatch")

_log = logging.getLogger(__name__)

RECOMMENDED_TURN_HANDLING: Mapping[str, Any] = {
    "interruption": {
        "mode": "vad",
        "min_duration": 0.7,
        "resume_false_interruption": True,
        "false_interruption_timeout": 0.5,
        "discard_audio_if_uninterruptible": False,
    }
}
"""What `AgentSession(turn_handling=...)` wants for this.

`min_duration` is `sustained_ms`: speech that goes on so long without a word pauses the agent; acknowledging
words mostly come before. With `discard_audio_if_uninterruptible` the recogniser would be deaf to what follows
an acknowledgement: where it is on, no speech is made uninterruptible.
"""

FINAL_SHIELD_S = 1.5
"""After final acknowledging words: until the session has let its turn pass."""


class Session(Protocol):
    """What of an `AgentSession` is used."""

    @property
    def agent_state(self) -> Any: ...
    @property
    def output(self) -> Any: ...
    @property
    def current_speech(self) -> Any:
        """Its `SpeechHandle`, or None."""
        ...

    def on(self, event: Any, callback: Callable[[Any], None]) -> object: ...
    def off(self, event: Any, callback: Callable[[Any], None]) -> object: ...
    def interrupt(self, *, force: bool = False) -> object: ...
    def clear_user_turn(self) -> None: ...


class SessionWatch:
    """Listens to one session; `attach` begins, `detach` ends. For the event loop's thread."""

    def __init__(
        self, handler: InterruptionHandler, session: Session, *, shield: bool = True, finals: bool = True
    ) -> None:
        """Watch `session`.

        With `shield` False a speech is never made uninterruptible; with `finals` False the session's final
        transcripts are left to who calls `decide` with them before the session has them.
        """
        self.handler = handler
        self.false_interruptions = 0
        """False alarms after which the session went on by itself."""
        self.language = ""
        """Of the last transcript that said so."""
        self._session = session
        self._may_shield = shield
        self._takes_finals = finals
        self._decided_final = ""
        self._spoken: Any = None
        self._shielded: Any = None
        self._release: asyncio.TimerHandle | None = None
        self._user_speaking = False
        self._clear_turn = False
        self._callbacks: dict[str, Callable[[Any], None]] = {
            "agent_state_changed": self._on_agent_state,
            "user_state_changed": self._on_user_state,
            "user_input_transcribed": self._on_transcript,
            "agent_false_interruption": self._on_false_interruption,
            "conversation_item_added": self._on_item,
        }

    def attach(self) -> None:
        """Begin to listen."""
        for event, callback in self._callbacks.items():
            self._session.on(event, callback)

    def detach(self) -> None:
        """Listen no more, and leave the session as it was."""
        for event, callback in self._callbacks.items():
            self._session.off(event, callback)
        self._unshield()

    def decide(
        self, text: str, *, final: bool, confidence: float | None = None, language: str = ""
    ) -> HandlerDecision:
        """Decide on a transcript and act on it: shield, interrupt, or forget the person's turn."""
        self._refresh(str(self._session.agent_state))
        decision = self.handler.analyze(text, is_final=final, confidence=confidence, language=language)
        self.language = language or self.language
        self._clear_turn = False
        self._decided_final = text if final else ""
        match decision.action:
            case HandlerAction.IGNORE:
                self._shield(text, final=final)
                if final:
                    self._forget_turn()
            case HandlerAction.INTERRUPT:
                self._unshield()
                self._interrupt()
            case HandlerAction.WAIT | HandlerAction.RESPOND:
                self._unshield()
        return decision

    def _refresh(self, state: str) -> None:
        """A speech that is paused for a false alarm counts as speaking, whatever the session's state says."""
        speech = self._session.current_speech
        if state == "speaking":
            self._spoken = speech
        going = speech is not None and speech is self._spoken and not speech.done() and not speech.interrupted
        self.handler.note_agent_state(state, paused=going)

    def _on_agent_state(self, event: Any) -> None:
        self._refresh(str(event.new_state))
        if not self.handler.agent_speaking:
            self._unshield()

    def _on_user_state(self, event: Any) -> None:
        self._user_speaking = str(event.new_state) == "speaking"
        self._refresh(str(self._session.agent_state))
        self.handler.note_user_state(str(event.new_state))
        if not self._user_speaking and self._clear_turn:
            self._forget_turn()

    def _on_transcript(self, event: Any) -> None:
        text, final = str(event.transcript), bool(event.is_final)
        if (final and not self._takes_finals) or (text and text == self._decided_final):
            return
        self.decide(text, final=final, language=str(getattr(event, "language", "") or ""))

    def _on_false_interruption(self, event: Any) -> None:
        self.false_interruptions += bool(event.resumed)

    def _on_item(self, event: Any) -> None:
        item = event.item
        if getattr(item, "role", "") == "assistant" and not getattr(item, "interrupted", False):
            self.handler.note_agent_said(str(getattr(item, "text_content", "") or ""))

    def _shield(self, text: str, *, final: bool) -> None:
        speech = self._session.current_speech
        if not self._may_shield or speech is None or speech.interrupted or speech.done():
            return
        if speech is not self._shielded:
            if not speech.allow_interruptions:
                return  # somebody else's wish
            self._unshield()
            speech.allow_interruptions = False
            self._shielded = speech
        self._arm(max(FINAL_SHIELD_S if final else 0.0, self._allowance_s(text)))
        self._resume(speech)

    def _resume(self, speech: Any) -> None:
        """Let a speech that the session has paused go on; its state follows when the person has ended."""
        audio = self._session.output.audio
        paused = speech is self._spoken and str(self._session.agent_state) == "listening"
        if paused and audio is not None and audio.can_pause:
            audio.resume()

    def _allowance_s(self, text: str) -> float:
        judge = self.handler.config.judge
        return (judge.backchannel_ms + judge.backchannel_word_ms * len(text.split())) / 1000

    def _arm(self, after_s: float) -> None:
        if self._release is not None:
            self._release.cancel()
        self._release = asyncio.get_running_loop().call_later(after_s, self._unshield)

    def _unshield(self) -> None:
        if self._release is not None:
            self._release.cancel()
            self._release = None
        speech, self._shielded = self._shielded, None
        if speech is not None:
            speech.allow_interruptions = True

    def _interrupt(self) -> None:
        try:
            self._session.interrupt()
        except RuntimeError as error:  # not running, or a speech that must not be interrupted
            _log.info("interruption.refused", extra={"error": str(error)})

    def _forget_turn(self) -> None:
        """Drop what was heard of it once the person is silent: that begins recognition anew."""
        self._clear_turn = self._user_speaking
        if not self._clear_turn:
            asyncio.get_running_loop().call_soon(self._clear)

    def _clear(self) -> None:
        try:
            self._session.clear_user_turn()
        except RuntimeError as error:
            _log.info("interruption.turn_not_cleared", extra={"error": str(error)})

"""A LiveKit `Agent` that goes on through backchanneling and stops for interruptions. Loads livekit-agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from livekit.agents import Agent, StopResponse, stt

from host_agent.interruption.handler import HandlerAction, InterruptionHandler
from host_agent.interruption.handler_session import SessionWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    from livekit import rtc
    from livekit.agents import ModelSettings, llm

__all__ = ("IntelligentInterruptionAgent",)


class IntelligentInterruptionAgent(Agent):
    """Use it in an `AgentSession(turn_handling=RECOMMENDED_TURN_HANDLING)`; everything else as usual.

    Final acknowledging words over its speech never become a turn of the person: the session sees them as
    interim ones, resumes a speech that it had paused, and no reply is made. Needs a streaming recogniser.
    """

    def __init__(self, *, handler: InterruptionHandler | None = None, **options: Any) -> None:
        """Take `Agent`'s options; `handler` by default has the settings of `load_config()`.

        Raises:
            InterruptionSettingError: a setting is wrong; names the key.
        """
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType] - livekit's own annotations
        self.interruption_handler = handler or InterruptionHandler()
        self._watch: SessionWatch | None = None

    async def on_enter(self) -> None:
        """Begin to watch the session."""
        session: Any = self.session  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - livekit's own annotations
        deaf = session.options.interruption.get("discard_audio_if_uninterruptible", True)
        self._watch = SessionWatch(self.interruption_handler, session, shield=not deaf, finals=False)
        self._watch.attach()

    async def on_exit(self) -> None:
        """Watch no more."""
        if self._watch is not None:
            self._watch.detach()
            self._watch = None

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncIterator[stt.SpeechEvent]:
        """Recognise speech; what is ignored stays interim."""
        async for event in Agent.default.stt_node(self, audio, model_settings):
            yield self._as_heard(event)

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        """Make no reply to backchanneling.

        Raises:
            StopResponse: the turn was backchanneling over the agent.
        """
        if self.interruption_handler.should_skip_reply(
            new_message.text_content or "",
            confidence=new_message.transcript_confidence,
            language=self._watch.language if self._watch is not None else "",
        ):
            raise StopResponse

    def _as_heard(self, event: stt.SpeechEvent) -> stt.SpeechEvent:
        if event.type is not stt.SpeechEventType.FINAL_TRANSCRIPT or not event.alternatives:
            return event
        if self._watch is None:
            return event
        best = event.alternatives[0]
        decision = self._watch.decide(
            best.text, final=True, confidence=best.confidence or None, language=str(best.language or "")
        )
        if decision.action is not HandlerAction.IGNORE:
            return event
        return stt.SpeechEvent(
            type=stt.SpeechEventType.INTERIM_TRANSCRIPT,
            request_id=event.request_id,
            alternatives=event.alternatives,
        )

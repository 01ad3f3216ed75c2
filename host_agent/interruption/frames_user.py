"""The stage that listens to the person: feeds the strategies, asks for an interruption when one says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.interruption.frames import (
    BaseProcessor,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    TextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from host_agent.interruption.strategies import first_to_interrupt, reset_all, tell_all

if TYPE_CHECKING:
    from host_agent.interruption.frames import Frame, FrameDirection

__all__ = ("UserInterruptionProcessor",)


class UserInterruptionProcessor(BaseProcessor):
    """Decides by the strategies while the agent speaks: any one that interrupts is enough.

    They are asked whenever words or sound come, final words after the end too, and when the person stops.
    They are reset after an interruption and when a person begins anew. Without strategies a person who
    starts to speak interrupts at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bot_speaking = False
        self.user_speaking = False
        self._person = ""

    def handle_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take note of it, pass it on, and then decide."""
        strategies = self.interruption_strategies()
        match frame:
            case BotStartedSpeakingFrame():
                self.bot_speaking = True
            case BotStoppedSpeakingFrame() | InterruptionFrame():
                self.bot_speaking = False
            case UserStartedSpeakingFrame(person):
                self.user_speaking, self._person = True, person
                reset_all(strategies)
            case UserStoppedSpeakingFrame():
                self.user_speaking = False
            case TextFrame(text):
                tell_all(strategies, lambda each: each.append_text(text))
            case InputAudioRawFrame(audio, sample_rate_hz) if self.user_speaking:
                tell_all(strategies, lambda each: each.append_audio(audio, sample_rate_hz))
            case _:
                pass
        super().handle_frame(frame, direction)
        match frame:
            case UserStartedSpeakingFrame() if not self.interruption_strategies():
                self._interrupt("no strategy: every speech interrupts")
            case TextFrame() | InputAudioRawFrame() | UserStoppedSpeakingFrame():
                self._decide()
            case _:
                pass

    def _decide(self) -> None:
        if self.bot_speaking and self.interruptions_allowed():
            fired = first_to_interrupt(self.interruption_strategies())
            if fired is not None:
                self._interrupt(fired.name)

    def _interrupt(self, reason: str) -> None:
        if self.bot_speaking and self.interruptions_allowed():
            self.push_interruption_task_frame(by=self._person, reason=reason)
            reset_all(self.interruption_strategies())

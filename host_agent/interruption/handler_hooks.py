"""Three hooks for an agent's own event handlers: it speaks, a person speaks, it is silent again."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from host_agent.interruption.agent_state import AgentStateManager
from host_agent.interruption.config import load_config
from host_agent.interruption.filter import InterruptionFilter
from host_agent.interruption.judging import any_reader_of

if TYPE_CHECKING:
    from host_agent.interruption.settings import InterruptionHandlerConfig

__all__ = ("InterruptionHooks", "Transcriber")

_log = logging.getLogger(__name__)


class Transcriber(Protocol):
    """Returns the words of what a person has just said."""

    async def transcribe(self) -> str: ...


class InterruptionHooks:
    """Decides what a detected speech does to an agent that is speaking, within `stt_timeout_ms`.

    Call `on_agent_start_speaking` when the voice starts, `on_vad_event` when the detector fires (True:
    interrupt), and `on_agent_stop_speaking` when the voice ends. Settings come from `load_config()` unless
    they are given.
    """

    def __init__(
        self,
        stt: Transcriber,
        *,
        config: InterruptionHandlerConfig | None = None,
        state_mgr: AgentStateManager | None = None,
    ) -> None:
        """Set up.

        Raises:
            InterruptionSettingError: a setting of the environment or the file is wrong; names the key.
        """
        self.config = config or load_config()
        self.stt = stt
        self.state_mgr = state_mgr or AgentStateManager()
        self.filter = InterruptionFilter(
            lexicon=any_reader_of(self.config), commands_only=self.config.sensitivity == "low"
        )
        self.last_reason = ""
        """Why the last decision was made."""

    async def on_agent_start_speaking(self, utterance: object) -> None:
        """The voice starts; `utterance` is its id, or something with an `id`."""
        await self.state_mgr.start_speaking(str(getattr(utterance, "id", utterance)))

    async def on_agent_stop_speaking(self) -> None:
        """The voice has ended."""
        await self.state_mgr.stop_speaking()

    async def on_vad_event(self, vad_event: object = None) -> bool:
        """Return whether to interrupt the agent. Never raises, except CancelledError.

        Words that do not come in time, or a recogniser that fails, interrupt (`on_stt_failure`). Words
        that come when the agent has finished meanwhile are ordinary input.
        """
        if not self.state_mgr.get_state().is_speaking:
            return self._decided(False, "the agent is not speaking: ordinary input", "")
        if not self.config.allow_interruptions:
            return self._decided(False, "interruptions are switched off", "")
        try:
            async with asyncio.timeout(self.config.stt_timeout_ms / 1000):
                text = await self.stt.transcribe()
        except TimeoutError:
            return self._without_words(f"no words within {self.config.stt_timeout_ms:g} ms")
        except Exception as error:  # whatever a recogniser fails with, the person is to be heard
            return self._without_words(f"the recogniser failed ({type(error).__name__})")
        return self._decided(*self.filter.should_interrupt(text, self.state_mgr.get_state().to_dict()), text)

    def _without_words(self, why: str) -> bool:
        interrupt = self.config.on_stt_failure == "interrupt"
        return self._decided(interrupt, f"{why}: {'interrupt to be safe' if interrupt else 'continue'}", "")

    def _decided(self, interrupt: bool, reason: str, text: object) -> bool:
        self.last_reason = reason
        if self.config.log_all_decisions:
            about = {"interrupt": interrupt, "reason": reason, "words": str(text)[:200]}
            _log.info("interruption.decided", extra=about)
        return interrupt

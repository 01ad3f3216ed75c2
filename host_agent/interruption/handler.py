"""The word-list handler of a LiveKit `AgentSession`: what a transcript means while its agent speaks.

Pure but for its log. The session's side is in `handler_session`, the agent's in `handler_agent`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from host_agent.interruption.config import load_config
from host_agent.interruption.judging import readers_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from host_agent.interruption.lexicon import Reading
    from host_agent.interruption.settings import InterruptionHandlerConfig

__all__ = ("HandlerAction", "HandlerDecision", "InterruptionHandler")

_log = logging.getLogger(__name__)


class HandlerAction(StrEnum):
    """What a transcript does."""

    IGNORE = "ignore"
    """Backchanneling over the agent: it goes on."""
    INTERRUPT = "interrupt"
    """The agent stops at once and listens."""
    WAIT = "wait"
    """Not known yet: more words, or the session's own detector, will tell."""
    RESPOND = "respond"
    """The agent is silent: ordinary input."""


@dataclass(frozen=True, slots=True)
class HandlerDecision:
    """What to do, and why."""

    action: HandlerAction
    reason: str


class InterruptionHandler:
    """Tells backchanneling from interruptions, with the agent's state and the word lists.

    While the agent speaks, or its audio is paused for a false alarm, acknowledging words alone are ignored,
    a command word or phrase anywhere interrupts, and other words interrupt as `sensitivity` says. While it
    is silent everything is input.
    """

    def __init__(
        self,
        config: InterruptionHandlerConfig | None = None,
        *,
        backchanneling_words: Iterable[str] | None = None,
        interruption_words: Iterable[str] | None = None,
    ) -> None:
        """Compile the lists; what is not given comes from `config`, by default from `load_config()`.

        That reads LIVEKIT_BACKCHANNELING_WORDS and LIVEKIT_INTERRUPTION_WORDS, comma-separated.

        Raises:
            InterruptionSettingError: a setting is wrong, or both lists hold the same word; names the key.
        """
        self.config = config or load_config()
        if backchanneling_words is not None or interruption_words is not None:
            ignored = self.config.ignore_words if backchanneling_words is None else backchanneling_words
            commands = self.config.command_words if interruption_words is None else interruption_words
            self.config = replace(
                self.config,
                ignore_words=cast("tuple[str, ...]", ignored),
                command_words=cast("tuple[str, ...]", commands),
            )
        self._readers = readers_of(self.config)
        self._lexicon = self.config.lexicon()
        self._speaking = False
        self._over_agent = False
        self._asked = False

    # What the session tells.

    @property
    def agent_speaking(self) -> bool:
        """Whether the agent is speaking, or paused amid its speech."""
        return self._speaking

    def note_agent_state(self, state: str, *, paused: bool = False) -> None:
        """The agent's state changed; `paused` says that a speech of its is held and may go on."""
        self._speaking = state == "speaking" or paused
        if state == "speaking":
            self._asked = False

    def note_user_state(self, state: str) -> None:
        """The person began or ceased to speak."""
        if state == "speaking":
            self._over_agent = self._speaking

    def note_agent_said(self, text: str) -> None:
        """The agent finished saying `text`: a question wants an answer, also one that came early."""
        self._asked = _text(text).rstrip("\"'”’) ").endswith(("?", "？", "؟"))

    # What words mean.

    def is_backchanneling(self, transcript: str, *, language: str = "") -> bool:
        """Return whether there are acknowledging words in it and nothing else."""
        reading = self._read(transcript, language)
        return bool(reading.backchannels) and not reading.commands and not reading.others

    def contains_interruption(self, transcript: str, *, language: str = "") -> bool:
        """Return whether a command word or phrase is in it, as whole words."""
        return bool(self._read(transcript, language).commands)

    def analyze(
        self,
        transcript: str,
        *,
        is_final: bool = True,
        confidence: float | None = None,
        language: str = "",
    ) -> HandlerDecision:
        """Return what a transcript, interim or final, does now. Never raises.

        With a `confidence` below `min_confidence` acknowledging words are not taken for such. `language` is
        the transcript's ("pl", "pt-BR"); one that is not known is read as the setting says.
        """
        decision = self._analyze(transcript, is_final, confidence, language)
        if self.config.log_all_decisions:
            _log.info(
                "interruption.decided",
                extra={
                    "action": decision.action.value,
                    "reason": decision.reason,
                    "words": str(transcript)[:200],
                    "final": is_final,
                },
            )
        return decision

    def should_skip_reply(
        self, transcript: str, *, confidence: float | None = None, language: str = ""
    ) -> bool:
        """Return whether a finished turn wants no reply: backchanneling that began over the agent.

        A "yeah" that runs into the end of the agent's question is its answer.
        """
        if not (self._speaking or self._over_agent) or (self._asked and not self._speaking):
            return False
        return self._sure(confidence) and self.is_backchanneling(transcript, language=language)

    def _read(self, transcript: str, language: str) -> Reading:
        """What the words are, by the lists of their language; lists of one's own are for all languages."""
        transcript, language = _text(transcript), _text(language)
        if self._readers is None:
            return self._lexicon.read(transcript)
        return self._readers.reader(self._readers.language(language, transcript)).read(transcript)

    def _analyze(
        self, transcript: str, is_final: bool, confidence: float | None, language: str
    ) -> HandlerDecision:
        if not self._speaking:
            return HandlerDecision(HandlerAction.RESPOND, "the agent is not speaking: ordinary input")
        if not self.config.allow_interruptions:
            return HandlerDecision(HandlerAction.IGNORE, "interruptions are switched off")
        if not isinstance(transcript, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
            return HandlerDecision(
                HandlerAction.INTERRUPT, f"no text but {type(transcript).__name__}: interrupt to be safe"
            )
        reading = self._read(transcript, language)
        if reading.empty:
            return HandlerDecision(HandlerAction.WAIT, "no words")
        if reading.commands:
            return HandlerDecision(HandlerAction.INTERRUPT, f"command word {reading.commands[0]!r}")
        if not reading.others:
            if self._sure(confidence):
                words = " ".join(reading.backchannels[:5])
                return HandlerDecision(HandlerAction.IGNORE, f"only acknowledging words: {words}")
            return HandlerDecision(HandlerAction.WAIT, "acknowledging words that are not sure")
        return self._by_other_words(reading, is_final)

    def _by_other_words(self, reading: Reading, is_final: bool) -> HandlerDecision:
        beyond = f"words beyond an acknowledgement: {' '.join(reading.others[:5])}"
        match self.config.sensitivity:
            case "high":
                return HandlerDecision(HandlerAction.INTERRUPT, beyond)
            case "low":
                return HandlerDecision(HandlerAction.IGNORE, "no command word")
            case _:
                enough = len(reading.others) >= self.config.judge.unknown_words
                action = HandlerAction.INTERRUPT if is_final or enough else HandlerAction.WAIT
                return HandlerDecision(action, beyond)

    def _sure(self, confidence: float | None) -> bool:
        if confidence is None:
            return True
        return isinstance(confidence, int | float) and confidence >= self.config.judge.min_confidence  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

"""The word-list filter: does this transcript stop the agent? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from host_agent.interruption.agent_state import AgentState
from host_agent.interruption.lexicon import DEFAULT_COMMAND_WORDS, DEFAULT_IGNORE_WORDS, Lexicon, WordReader


class InterruptionFilter:
    """Tells acknowledgements from interruptions by two lists of words.

    While the agent speaks: a command word anywhere interrupts, acknowledging words alone do not, and
    words of neither list do. While it is silent nothing is filtered.
    """

    def __init__(
        self,
        ignore_words: Iterable[str] | None = None,
        command_words: Iterable[str] | None = None,
        *,
        lexicon: WordReader | None = None,
        commands_only: bool = False,
    ) -> None:
        """Compile the lists; a list that is not given is the shipped one. Or take a `lexicon` as it is.

        With `commands_only` words of neither list do not interrupt.

        Raises:
            InterruptionSettingError: a list is empty or holds what is no word, or both hold the same one.
        """
        self._lexicon: WordReader = lexicon or Lexicon(
            DEFAULT_IGNORE_WORDS if ignore_words is None else ignore_words,
            DEFAULT_COMMAND_WORDS if command_words is None else command_words,
        )
        self._commands_only = commands_only

    def should_interrupt(
        self, text: str, agent_state: AgentState | Mapping[str, object] | None
    ) -> tuple[bool, str]:
        """Return whether to stop the agent, and why. Never raises: what cannot be read interrupts."""
        speaking = _is_speaking(agent_state)
        if speaking is None:
            return True, f"no state but {type(agent_state).__name__}: interrupt to be safe"
        if not speaking:
            return False, "the agent is not speaking: ordinary input"
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
            return True, f"no text but {type(text).__name__}: interrupt to be safe"
        reading = self._lexicon.read(text)
        if reading.commands:
            return True, f"command word {reading.commands[0]!r}"
        if reading.others:
            if self._commands_only:
                return False, "no command word"
            return True, f"words beyond an acknowledgement: {' '.join(reading.others[:5])}"
        if reading.backchannels:
            return False, f"only acknowledging words: {' '.join(reading.backchannels[:5])}"
        return False, "no words"


def _is_speaking(agent_state: object) -> bool | None:
    """Whether an agent of this state speaks; one without a state does not. None: it is no state."""
    match agent_state:
        case AgentState():
            return agent_state.is_speaking
        case Mapping():
            return bool(cast("Mapping[str, object]", agent_state).get("is_speaking", False))
        case None:
            return False
        case _:
            return None

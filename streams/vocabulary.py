"""Words that adapters, hosts and the swarm share. Plain values, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ParticipantKind(StrEnum):
    """Whether a participant is a person or an agent."""

    PERSON = "person"
    AGENT = "agent"


class BargeInMode(StrEnum):
    """What the gate does at START_OF_SPEECH while its agent is speaking."""

    IMMEDIATE = "immediate"
    """Drop what is unplayed and tell the model at once (seed 003)."""
    CONFIRM = "confirm"
    """Hold what is unplayed until the judge says Interrupt or Resume."""
    OVERLAP = "overlap"
    """Leave the playout alone until the judge says Interrupt."""


class Decision(StrEnum):
    """What the judge says about a person's speech over an agent's."""

    CONTINUE = "continue"
    """Not an interruption so far; revisable."""
    HOLD = "hold"
    """Not decidable yet."""
    INTERRUPT = "interrupt"
    """The person takes the floor. Final."""
    RESUME = "resume"
    """A false alarm or a backchannel; the agent goes on. Revisable for a short while."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known about one stretch of a person's speech at one moment."""

    elapsed_ms: float
    """Since the onset, up to now."""
    voiced_ms: float
    """Speech in it so far, pauses left out."""
    silence_ms: float
    """Silence at its end; 0 while the person is speaking."""
    level_dbfs: float
    """Loudness of the voiced part (RMS over full scale)."""
    words: str = ""
    """The recogniser's words so far, lower case; empty while it has none."""
    final: bool = False
    """Whether the recogniser will say no more."""
    confidence: float | None = None
    """Of the words, 0 to 1; None where the recogniser does not say."""
    ended: bool = False
    """END_OF_SPEECH was reported, or the person left or muted."""
    recogniser_failed: bool = False
    agent_words: str = ""
    """What the agent was saying around the onset."""
    agent_thinking: bool = False
    """The agent prepares its turn and is not audible yet."""
    language: str = ""
    """Of the words ("pl", "pt-BR"), where the recogniser says it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, why, and on which words."""

    decision: Decision
    reason: str
    words: str = ""
    confidence: float | None = None
    """How likely the decision is right, 0 to 1; None where the judge does not say."""


@dataclass(frozen=True, slots=True)
class Playout:
    """How much of an utterance was made and how much was really played into the room."""

    generated_ms: float
    heard_ms: float
    complete: bool
    """All that was made was played, and no more will come."""


@dataclass(frozen=True, slots=True)
class WordsHeard:
    """The recogniser's whole hypothesis so far for one speech; each replaces the one before."""

    speech_id: str
    person: str
    text: str
    final: bool
    confidence: float | None = None
    failed: bool = False
    """The recogniser gave up on this speech; `final` is then true too."""
    language: str = ""
    """Of the text ("pl", "pt-BR"), where the recogniser says it."""

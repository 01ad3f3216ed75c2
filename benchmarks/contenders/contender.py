"""What the harness asks of a contender, and what a contender says of a trial. Times are monotonic seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

PERSON = "person"
"""Identity of the only person in a contender's room."""
AGENT = "agent"
"""Identity of the contender in its room."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What a contender knows of the interruption of its last utterance; None where it did not happen."""

    detected_s: float | None = None
    """Its speech detector reported START."""
    gate_s: float | None = None
    """It decided to be silent."""
    decided_s: float | None = None
    """It decided that this is an interruption, where that is not the moment of the gate."""
    model_s: float | None = None
    """Its model's `interrupted` came back."""
    said: str = ""
    """What its conversation holds as said."""
    changed_ms: float | None = None
    """How much of the speech it handed over other than it was to be said: left out, repeated, faded."""


class Contender(Protocol):
    """An agent that can be cut off by a person, in a room that it has joined as AGENT.

    One that is told what the person says also has `hear(text, final=...)`.
    """

    async def start(self, url: str, token: str) -> None:
        """Join the room and be ready; PERSON is or will be there."""
        ...

    async def speak(self) -> None:
        """Begin to say the agent's speech, from its start."""
        ...

    async def finish(self) -> Notes:
        """Come to rest, silent, and tell what happened to the utterance."""
        ...

    async def aclose(self) -> None:
        """Leave the room."""
        ...


def make(name: str) -> Contender:
    """Return the contender of this name; its libraries are imported here and not before.

    Raises:
        KeyError: there is none.
    """
    match name:
        case "agent_session" | "agent_session_tuned":
            from contenders.agent_session import AgentSessionContender

            return AgentSessionContender(tuned=name.endswith("_tuned"))
        case "livekit_runner" | "livekit_runner_bare":
            from contenders.livekit_runner import LiveKitRunnerContender

            return LiveKitRunnerContender(tells_onset=not name.endswith("_bare"))
        case "ours_confirm" | "ours_immediate":
            from contenders.ours import OurContender

            return OurContender(mode=name.removeprefix("ours_"))
        case "told_immediate" | "told_confirm" | "told_overlap":
            from contenders.ours_told import OurToldContender

            return OurToldContender(mode=name.removeprefix("told_"))
        case "resuming" | "resuming_tuned" | "resuming_told" | "resuming_min_words":
            from contenders.agent_session_resuming import ResumingContender

            return ResumingContender(name.removeprefix("resuming").removeprefix("_"))
        case _:
            raise KeyError(name)

"""Whether an agent is speaking, and which utterance. Pure; for the thread of one event loop."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class AgentState:
    """What an agent is doing at one moment."""

    is_speaking: bool = False
    utterance_id: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the state as plain values, as `InterruptionFilter.should_interrupt` takes it."""
        return asdict(self)


class AgentStateManager:
    """Holds the speaking state of one agent."""

    def __init__(self) -> None:
        self._state = AgentState()

    async def start_speaking(self, utterance_id: str) -> None:
        """Note that the agent speaks `utterance_id` from now on."""
        self._state = AgentState(is_speaking=True, utterance_id=utterance_id)

    async def stop_speaking(self) -> None:
        """Note that the agent is silent from now on."""
        self._state = AgentState()

    def get_state(self) -> AgentState:
        """Return the state as it is now; the value does not change afterwards."""
        return self._state

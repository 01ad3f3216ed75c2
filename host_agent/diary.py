"""What a host tells the record: its state, its turns, its failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.states import HostState, next_state
from streams.events import AgentFailed, StateChanged, Usage

if TYPE_CHECKING:
    from host_agent.ports import Record
    from host_agent.states import Cause
    from host_agent.turn import Turn
    from streams.events import Event

REOPENED = "reopened the model session with the heard history"


class Diary:
    """Keeps one host's state and reports everything under its name. Never waits."""

    def __init__(self, name: str, record: Record) -> None:
        self.name = name
        self.state = HostState.IDLE
        self._record = record

    def move(self, cause: Cause, turn: Turn | None = None) -> None:
        """Change the state, and report it if that changes anything.

        Raises:
            IllegalTransitionError: `cause` cannot happen in the present state.
        """
        old, self.state = self.state, next_state(self.state, cause)
        if self.state is not old:
            changed = StateChanged(
                participant=self.name, old=old.value, new=self.state.value, cause=cause.value
            )
            self.report(changed, turn)

    def failed(self, what: str, recovery: str, turn: Turn | None = None) -> None:
        """Report that this agent could not do its part, and what it did instead."""
        self.report(AgentFailed(participant=self.name, what=what, recovery=recovery), turn)

    def session_lost(self, why: str) -> None:
        """Report that the model session ended by itself."""
        self.failed(f"model session lost: {why}", REOPENED)

    def not_stored(self, why: str) -> None:
        """Report that the session service's store is behind or refuses."""
        self.failed(f"the session could not be stored: {why}", "the conversation goes on")

    def used(self, *, input_tokens: int = 0, output_tokens: int = 0, audio_out_s: float = 0.0) -> None:
        """Report tokens that a model says it counted, or audio that was made."""
        self.report(
            Usage(
                participant=self.name,
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                audio_out_s=round(audio_out_s, 3),
            )
        )

    def report(self, event: Event, turn: Turn | None = None, *, occurred_s: float | None = None) -> None:
        """Report an event under the token of `turn`."""
        token = turn.grant.token if turn is not None else None
        self._record.report(event, source=self.name, token=token, occurred_s=occurred_s)

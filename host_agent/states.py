"""The states of a host and what moves it from one to another. A table, nothing else.

Theory of operation: a granted host is SPEAKING; a cut makes it LISTENING (the stick is gone); the end of
the person's speech makes it PROCESSING; the next grant makes it SPEAKING again. A turn that was played out,
failed, or went to somebody else leaves the host IDLE. A cause that a state takes note of without moving is
listed with that state as its own successor; what is not listed is misuse.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from host_agent.errors import IllegalTransitionError

if TYPE_CHECKING:
    from collections.abc import Mapping


class HostState(StrEnum):
    """What a host is doing."""

    IDLE = "idle"
    SPEAKING = "speaking"
    LISTENING = "listening"
    PROCESSING = "processing"


class Cause(StrEnum):
    """What happened to a host."""

    GRANTED = "granted"
    """It holds the stick and its turn begins."""
    PLAYED_OUT = "played_out"
    """Its turn was heard to the end."""
    CUT = "cut"
    """Its turn was cut off: a person, another agent, or the loss of its grant."""
    FAILED = "failed"
    """Its turn could not be said, or not all of it."""
    WINDOW_OPENED = "window_opened"
    """A person's speech goes to its model."""
    SPEECH_ENDED = "speech_ended"
    """END_OF_SPEECH of a person."""
    GIVEN_AWAY = "given_away"
    """The turn that it may have been waiting for went to another agent."""


_STAYS_IDLE = {
    Cause.SPEECH_ENDED: HostState.IDLE,
    Cause.GIVEN_AWAY: HostState.IDLE,
    Cause.FAILED: HostState.IDLE,
}

TRANSITIONS: Mapping[HostState, Mapping[Cause, HostState]] = MappingProxyType(
    {
        HostState.IDLE: MappingProxyType(
            {
                Cause.GRANTED: HostState.SPEAKING,
                Cause.WINDOW_OPENED: HostState.LISTENING,
                **_STAYS_IDLE,
            }
        ),
        HostState.SPEAKING: MappingProxyType(
            {
                Cause.CUT: HostState.LISTENING,
                Cause.PLAYED_OUT: HostState.IDLE,
                Cause.FAILED: HostState.IDLE,
                Cause.WINDOW_OPENED: HostState.SPEAKING,
                Cause.SPEECH_ENDED: HostState.SPEAKING,
                Cause.GIVEN_AWAY: HostState.SPEAKING,
            }
        ),
        HostState.LISTENING: MappingProxyType(
            {
                Cause.SPEECH_ENDED: HostState.PROCESSING,
                Cause.GRANTED: HostState.SPEAKING,
                Cause.GIVEN_AWAY: HostState.IDLE,
                Cause.WINDOW_OPENED: HostState.LISTENING,
                Cause.FAILED: HostState.IDLE,
            }
        ),
        HostState.PROCESSING: MappingProxyType(
            {
                Cause.GRANTED: HostState.SPEAKING,
                Cause.WINDOW_OPENED: HostState.LISTENING,
                Cause.SPEECH_ENDED: HostState.PROCESSING,
                Cause.GIVEN_AWAY: HostState.IDLE,
                Cause.FAILED: HostState.IDLE,
            }
        ),
    }
)


def next_state(state: HostState, cause: Cause) -> HostState:
    """Return the state after `cause`.

    Raises:
        IllegalTransitionError: `cause` cannot happen in `state`.
    """
    if (new := TRANSITIONS[state].get(cause)) is None:
        raise IllegalTransitionError(state=state.value, cause=cause.value)
    return new

"""Who takes part in a conversation, and how urgently it may ask for the floor. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from streams.keys import checked_name
from streams.vocabulary import ParticipantKind

HOST = "host"
CHAIR = "chair"
EXPERT = "expert"
GUEST = "guest"
OBSERVER = "observer"


class Priority(IntEnum):
    """How much a request for the floor matters. Every level is served: each is worth a wait."""

    LOWEST = 0
    LOW = 1
    NORMAL = 2
    HIGH = 3
    URGENT = 4
    """May pre-empt an agent that was granted the floor at a lower priority."""


_CAPS = {
    HOST: Priority.URGENT,
    CHAIR: Priority.URGENT,
    EXPERT: Priority.URGENT,
    GUEST: Priority.NORMAL,
    OBSERVER: Priority.LOWEST,
}
_CHAIRS = frozenset((HOST, CHAIR))


@dataclass(frozen=True, slots=True)
class Participant:
    """One participant of a room.

    The role caps the priority: host, chair and expert may ask for URGENT, a guest for NORMAL, an observer
    for LOWEST, every other role for HIGH. Host and chair may use the chair's commands.

    Raises:
        streams.InvalidEventError: the identity or the role is no name (1 to 128 characters, no white space,
            no braces); the role may be empty.
        ValueError: the kind is neither person nor agent.
    """

    identity: str
    kind: ParticipantKind = ParticipantKind.AGENT
    role: str = ""

    def __post_init__(self) -> None:
        checked_name(self.identity, "participant")
        if self.role:
            checked_name(self.role, "role")
        object.__setattr__(self, "kind", ParticipantKind(self.kind))

    @property
    def cap(self) -> Priority:
        """The highest priority that this role may ask for."""
        return _CAPS.get(self.role.lower(), Priority.HIGH)

    @property
    def chairs(self) -> bool:
        """Whether this role may revoke, close and open."""
        return self.role.lower() in _CHAIRS

    def capped(self, priority: Priority | int) -> Priority:
        """Return what a request at `priority` counts as.

        Raises:
            ValueError: no such priority.
        """
        return min(Priority(priority), self.cap)

"""Whether the agent that was chosen for a turn is heard; if not, somebody else has to answer. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streams import events as ev

if TYPE_CHECKING:
    from streams.events import Recorded
    from swarm.speech_notes import Turn

MOST_TRIES = 3
"""Agents that are asked to answer one turn, one after another."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for the floor on account of a turn."""

    turn: Turn
    tried: tuple[str, ...] = ()
    """Agents that were asked before, in vain."""
    token: int | None = None
    """Of the grant, once there is one."""
    joined: str = ""
    """The agent that waited already for what it asked itself: that is served for the turn."""

    @property
    def request_id(self) -> str:
        """The turn's own id, and for each further try one that follows from it."""
        return f"{self.turn.request_id}:{len(self.tried) + 1}" if self.tried else self.turn.request_id


class Answers:
    """Follows the last request for an answer that this process made, until its agent is heard."""

    def __init__(self) -> None:
        self._asked: Asked | None = None

    def asked(self, asked: Asked) -> None:
        """Follow a request; to repeat it changes nothing."""
        if self._asked is None or self._asked.request_id != asked.request_id:
            self._asked = asked

    def lost_by(self, entry: Recorded) -> Asked | None:
        """Take an event of the room; return what is to be asked next where the one asked will not be heard.

        That is: it did not take its grant up, it died with it or while it waited, or it was silent for too
        long. Not where somebody cut in, or where it gave the floor back by itself.
        """
        asked = self._asked
        if asked is None:
            return None
        ours = entry.token is not None and entry.token == asked.token
        match entry.event:
            case ev.FloorGranted(participant=who, request_id=request_id) if (
                request_id == asked.request_id or who == asked.joined
            ):
                self._asked = replace(asked, token=entry.token, joined="")
            case ev.FloorWithdrawn(participant=who, request_id=request_id, reason="joined") if (
                request_id == asked.request_id
            ):
                self._asked = replace(asked, joined=who)
            case ev.FloorExpired(participant=who) | ev.FloorRevoked(by="", participant=who) if ours:
                return self._next(asked, who)
            case ev.FloorWithdrawn(participant=who, request_id=request_id, reason="gone") if (
                request_id == asked.request_id or who == asked.joined
            ):
                return self._next(asked, who)
            case ev.FloorWithdrawn(participant=who) | ev.FloorDenied(participant=who) if who == asked.joined:
                self._asked = None  # it thought better of what it asked, or somebody decided otherwise
            case ev.FloorTaken() | ev.FloorReleased() | ev.FloorRevoked() if ours:
                self._asked = None
            case _:
                pass
        return None

    def _next(self, asked: Asked, who: str) -> Asked | None:
        self._asked = None
        tried = (*asked.tried, who)
        return Asked(asked.turn, tried) if len(tried) < MOST_TRIES else None

"""Who answers when a person has ended a turn: exactly one agent, by a rule that can be read off the record.

No I/O. One Protocol, six rules; a room uses one of them (`swarm.allocation_settings`). A rule is given the
turn's words, the agents that may answer, and what the room's record says; it returns who answers, and why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from swarm.allocation_bids import best
from swarm.participant import HOST, Participant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from swarm.allocation_history import History


class Policy(StrEnum):
    """The rules by name."""

    ADDRESSED = "addressed"
    """Who was named; else who held the floor last; else the host; else who joined first. The default."""
    FIFO = "fifo"
    """Who has waited for the floor longest; else who joined first."""
    PRIORITY = "priority"
    """Who waits for the floor at the highest priority; else whose role may ask for the highest."""
    BIDS = "bids"
    """Who wants to speak most; where nobody bids, as ADDRESSED."""
    ROUND_ROBIN = "round_robin"
    """Whose last answer is longest ago; who never answered first."""
    CHAIR = "chair"
    """Whom the chair grants the floor; the host where the chair does not decide in time."""


class Gathering(StrEnum):
    """What has to be found out before a rule can choose."""

    NOTHING = "nothing"
    QUEUE = "queue"
    """Who waits for the floor (`History.waiting`)."""
    BIDS = "bids"
    """How much each agent wants to speak (`History.offers`)."""
    CHAIR = "chair"
    """Whether the chair has let its time pass (`History.overdue`)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that could answer."""

    identity: str
    role: str = ""
    names: tuple[str, ...] = ()
    """Further names it is called by, beside its identity."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The agent that answers, and why it was chosen, in words for the record."""

    identity: str
    reason: str


class TurnAllocation(Protocol):
    """A rule for who answers a turn. Pure: the same arguments give the same choice."""

    @property
    def gathers(self) -> Gathering:
        """What `history` has to be completed by."""
        ...

    def choose(self, text: str, agents: Sequence[Candidate], history: History) -> Choice | None:
        """Return who of `agents`, given in the order of joining, answers `text`; None for nobody (yet)."""
        ...


class Addressed:
    """The default: named, last holder, host, first who joined."""

    gathers = Gathering.NOTHING

    def choose(self, text: str, agents: Sequence[Candidate], history: History) -> Choice | None:
        if not agents:
            return None
        named = first_named(text, agents)
        if named is not None:
            return Choice(named, "addressed")
        last = history.last_holder
        if last is not None and any(agent.identity == last for agent in agents):
            return Choice(last, "last_holder")
        return host_or_first(agents)


class Fifo:
    """First come, first served."""

    gathers = Gathering.QUEUE

    def choose(self, text: str, agents: Sequence[Candidate], history: History) -> Choice | None:
        among = {agent.identity for agent in agents}
        waiting = [each for each in history.waiting if each.participant in among]
        if waiting:
            first = min(waiting, key=lambda each: (each.arrived_us, each.participant))
            return Choice(first.participant, "waited_longest")
        return Choice(agents[0].identity, "first_joined") if agents else None


class ByPriority:
    """The most urgent request, else the most senior role."""

    gathers = Gathering.QUEUE

    def choose(self, text: str, agents: Sequence[Candidate], history: History) -> Choice | None:
        among = {agent.identity for agent in agents}
        waiting = [each for each in history.waiting if each.participant in among]
        if waiting:
            first = min(waiting, key=lambda each: (-each.priority, each.arrived_us, each.participant))
            return Choice(first.participant, f"waits_at_priority_{first.priority}")
        if not agents:
            return None
        senior = max(agents, key=lambda agent: Participant(agent.identity, role=agent.role).cap)
        return Choice(senior.identity, "role")


class RoundRobin:
    """Everybody in turn, also while agents come and go."""

    gathers = Gathering.NOTHING

    def choose(self, text: str, agents: Sequence[Candidate], history: History) -> Choice | None:
        if not agents:
            return None
        last = {who: at for at, who in enumerate(history.answered)}
        following = min(agents, key=lambda agent: last.get(agent.identity, -1))
        return Choice(following.identity, "next_in_round")


class ByBids:
    """The highest bid of an agent that is still there."""

    gathers = Gathering.BIDS

    def choose(self, text: str, agents: Sequence[Candidate], history: History) -> Choice | None:
        offer = best(history.offers, [agent.identity for agent in agents])
        if offer is None:
            return DEFAULT.choose(text, agents, history)
        return Choice(offer.participant, bid_reason(offer.score, offer.reason))


class ByChair:
    """Nobody until the chair has let its time pass; then the host."""

    gathers = Gathering.CHAIR

    def choose(self, text: str, agents: Sequence[Candidate], history: History) -> Choice | None:
        if not history.overdue or not agents:
            return None
        return Choice(host_or_first(agents).identity, "chair_undecided")


DEFAULT: TurnAllocation = Addressed()
POLICIES: Mapping[Policy, TurnAllocation] = {
    Policy.ADDRESSED: DEFAULT,
    Policy.FIFO: Fifo(),
    Policy.PRIORITY: ByPriority(),
    Policy.BIDS: ByBids(),
    Policy.ROUND_ROBIN: RoundRobin(),
    Policy.CHAIR: ByChair(),
}


def bid_reason(score: float, reason: str) -> str:
    """Return how a won bid stands on the record."""
    return f"bid {score:g}: {reason}" if reason else f"bid {score:g}"


def host_or_first(agents: Sequence[Candidate]) -> Choice:
    """Return the host of `agents` (at least one), or else whoever joined first."""
    for agent in agents:
        if agent.role.casefold() == HOST:
            return Choice(agent.identity, "host")
    return Choice(agents[0].identity, "first_joined")


def first_named(text: str, agents: Iterable[Candidate]) -> str | None:
    """Return the identity of the agent whose name is said first in `text`; None where none is named.

    Names count as whole words, whatever their case; dashes, dots and underscores in a name count as spaces.
    Where two names begin together the longer one counts.
    """
    words = f" {_words(text)} "
    found: list[tuple[int, int, str]] = []
    for agent in agents:
        for name in (agent.identity, *agent.names):
            said = _words(name)
            at = words.find(f" {said} ") if said else -1
            if at >= 0:
                found.append((at, -len(said), agent.identity))
    return min(found)[2] if found else None


def says(text: str, phrase: str) -> bool:
    """Return whether `phrase` occurs in `text` as whole words, whatever the case."""
    said = _words(phrase)
    return bool(said) and f" {said} " in f" {_words(text)} "


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.casefold()))

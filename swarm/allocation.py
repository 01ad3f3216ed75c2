"""Who answers when a person has ended a turn: exactly one agent, by a rule that can be read off the record.

No I/O. The rule, in this order: the agent that was addressed by name; the agent that was interrupted, or that
held the floor last; the host; whoever joined first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swarm.participant import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that could answer."""

    identity: str
    role: str = ""
    names: tuple[str, ...] = ()
    """Further names it is called by, beside its identity."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The agent that answers, and the rule that chose it."""

    identity: str
    reason: str
    """"addressed", "last_holder", "host" or "first_joined"."""


def choose(text: str, agents: Sequence[Candidate], *, last_holder: str | None = None) -> Choice | None:
    """Return who answers `text`; None where there is no agent.

    `agents` come in the order in which they joined. `last_holder` is the agent that was interrupted, or else
    the one that held the floor last. Names count as whole words, whatever their case; dashes, dots and
    underscores in a name count as spaces. Of several names the one that is said first wins.
    """
    if not agents:
        return None
    addressed = first_named(text, agents)
    if addressed is not None:
        return Choice(addressed, "addressed")
    if any(agent.identity == last_holder for agent in agents):
        return Choice(str(last_holder), "last_holder")
    for agent in agents:
        if agent.role.casefold() == HOST:
            return Choice(agent.identity, "host")
    return Choice(agents[0].identity, "first_joined")


def first_named(text: str, agents: Iterable[Candidate]) -> str | None:
    """Return the identity of the agent whose name is said first in `text`; None where none is named.

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


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.casefold()))

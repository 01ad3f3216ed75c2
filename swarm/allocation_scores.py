"""How much an agent wants to answer, where it brings no scorer of its own. No I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from swarm.allocation import first_named, says

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swarm.allocation import Candidate

Heard = tuple[tuple[str, str], ...]
"""Who said what lately, the latest last; of agents what was heard of it."""
Scored = tuple[float, str]
"""0 to 10, and why."""
Scorer = Callable[[str, Heard], Scored | Awaitable[Scored]]
"""Takes a turn's words and what was said before. A plain function must be quick: it runs on the loop."""

ADDRESSED, ON_TOPIC, LISTENING = 10.0, 6.0, 2.0


def default_score(text: str, me: Candidate, agents: Sequence[Candidate]) -> Scored:
    """Return 10 where `me` is the first of `agents` to be named, 6 where its role or name is said, else 2."""
    if first_named(text, agents) == me.identity:
        return ADDRESSED, "addressed"
    for phrase in (me.role, me.identity, *me.names):
        if says(text, phrase):
            return ON_TOPIC, f"{phrase} was mentioned"
    return LISTENING, "listening"

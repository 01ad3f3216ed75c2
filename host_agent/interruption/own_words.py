"""Whether words heard over an agent's speech are the agent's own, coming back. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from host_agent.interruption.lexicon import words_of

if TYPE_CHECKING:
    from host_agent.interruption.lexicon import Reading
    from host_agent.interruption.settings import JudgeSettings


def is_echo(words: str, reading: Reading, agent_words: str, settings: JudgeSettings) -> bool:
    """Whether `words` are a passage of the agent's own; a command that it did not say is a person's."""
    heard = words_of(words)
    if len(heard) < settings.echo_min_words or not agent_words:
        return False
    heard, agent_words = heard[-_ECHO_HEARD:], agent_words[-_ECHO_CHARS:]
    needed = settings.echo_share * len(heard)
    if agent_words.isascii() and _among(heard, agent_words.lower()) < needed:
        return False
    said, spoken = _spoken(agent_words)
    if sum(word in spoken for word in heard) < needed:
        return False
    if any(word not in spoken for command in reading.commands for word in command.split()):
        return False
    width = len(heard) + _ECHO_GAPS
    starts = [at for at, word in enumerate(said) if word in heard[:2]]
    return any(_common_in_order(heard, said[at : at + width]) >= needed for at in starts)


@lru_cache(maxsize=8)
def _spoken(agent_words: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The agent's newest words, in order and as a set; the same for many observations."""
    said = words_of(agent_words)[-_ECHO_WINDOW:]
    return said, frozenset(said)


def _among(words: tuple[str, ...], text: str) -> int:
    """At most so many of `words` stand in `text`: cheaper than to part it."""
    return sum([word in text for word in words])


def _common_in_order(heard: tuple[str, ...], said: tuple[str, ...]) -> int:
    """Length of the longest run of words that both hold in the same order, gaps allowed."""
    row = [0] * (len(said) + 1)
    for word in heard:
        before = 0
        for index, other in enumerate(said):
            above = row[index + 1]
            row[index + 1] = before + 1 if word == other else max(above, row[index])
            before = above
    return row[-1]


_ECHO_GAPS = 1
"""So many of the agent's words may be lost in a passage of them."""
_ECHO_CHARS = 500
_ECHO_WINDOW = 60
_ECHO_HEARD = 12

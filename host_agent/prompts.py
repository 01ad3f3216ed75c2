"""What a granted agent's model is told, as text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.marker import floor_line, say_line

if TYPE_CHECKING:
    from collections.abc import Iterable

NOT_UNDERSTOOD = "The person said something that was not understood. Ask them to say it again."


def heard_lines(heard: Iterable[tuple[str, str]]) -> str:
    """Return what others said, a line each; empty for nothing."""
    return "\n".join(say_line(who, words) for who, words in heard if words.strip())


def turn_text(heard: Iterable[tuple[str, str]], task: str, *, note: str = "") -> str:
    """Return the content that begins a turn: a correction if there is one, what others said, the task."""
    return "\n".join(filter(None, (note, heard_lines(heard), floor_line(task))))


def correction(heard: str, unheard: str) -> str:
    """Return the note that tells an open native session what was really heard of its last turn."""
    if not heard.strip():
        return "[Nothing of your last answer was heard. Do not rely on it.]"
    return (
        f'[Of your last answer the listeners heard only this: "{" ".join(heard.split())}". '
        f'They did not hear: "{" ".join(unheard.split())}".]'
    )

"""Which fields of an event are somebody's words, and whose they are. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

OF_PARTICIPANT = ("text", "generated_text", "heard_text", "unheard_text")
"""Fields that hold words of the participant whom the event is about."""

OF_OTHER = "words"
"""Field that holds words of the other one; of the participant where there is no other one."""

WORD_FIELDS = (*OF_PARTICIPANT, OF_OTHER)

Transcripts = Literal["keep", "redact", "omit"]
"""What becomes of words in a record: kept, a star for each, or left out."""

_ABOUT = ("participant", "interrupted", "speaker")
_OTHER = ("interruptor", "by")


def about(data: Mapping[str, Any]) -> str | None:
    """Return the participant whom an event's data is about."""
    return _first(data, _ABOUT)


def other(data: Mapping[str, Any]) -> str | None:
    """Return the other one: who interrupted, took the floor away, spoke over."""
    return _first(data, _OTHER)


def speaks(participant: str, data: Mapping[str, Any]) -> bool:
    """Whether the data holds words of `participant`; empty texts are no words."""
    who, by = about(data), other(data)
    if who == participant and any(data.get(field) for field in OF_PARTICIPANT):
        return True
    return bool(data.get(OF_OTHER)) and (who if by is None else by) == participant


def recorded_as(text: str, transcripts: Transcripts) -> str:
    """Return what a record keeps of a text."""
    if transcripts == "keep":
        return text
    return " ".join("*" for _ in re.findall(r"[^ \n\r\t\f]+", text)) if transcripts == "redact" else ""


def spoken(data: Mapping[str, Any]) -> bool:
    """Whether the data holds anybody's words."""
    return any(data.get(field) for field in WORD_FIELDS)


def erased(data: Mapping[str, Any], participant: str) -> dict[str, Any] | None:
    """Return the data with empty texts in place of the participant's words; None where it holds none."""
    if not speaks(participant, data):
        return None
    who, by = about(data), other(data)
    own = OF_PARTICIPANT if who == participant else ()
    others = (OF_OTHER,) if (who if by is None else by) == participant else ()
    return {name: "" if name in own or name in others else value for name, value in data.items()}


def _first(data: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = data.get(name)
        if isinstance(value, str) and value:
            return value
    return None

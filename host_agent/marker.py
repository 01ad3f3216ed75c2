"""The notes that a host writes into its model's context, and how a model reads them back.

Pure text. Here are the forms of three notes: where an utterance was cut off, what somebody else
said, and what an agent is asked to do with the floor. What is written is decided elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

INTERRUPTED_MARKER = "[interrupted here by {who}; the rest was not heard]"

_INTERRUPTED = re.compile(r"\s*\[interrupted here by (?P<who>[^;\[\]\n]*); the rest was not heard\]\s*\Z")
_SAID = re.compile(r'^(?P<who>[^\n"\[\]]{1,120}?) said: "(?P<words>.*)"\s*$', re.MULTILINE)
_FLOOR = re.compile(r"^\[You have the floor\.(?: (?P<task>.*))?\]\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CutOff:
    """What a marked utterance says: the words that were heard, and who cut in."""

    heard: str
    who: str


@dataclass(frozen=True, slots=True)
class Said:
    """One speaker's words as they were heard."""

    who: str
    words: str


def mark_interrupted(heard: str, who: str) -> str:
    """Return `heard` with the marker behind it; only the marker where nothing was heard."""
    marker = INTERRUPTED_MARKER.format(who=re.sub(r"[;\[\]\n]+", " ", who).strip() or "somebody")
    return f"{heard.rstrip()} {marker}" if heard.strip() else marker


def read_interrupted(text: str) -> CutOff | None:
    """Return what the marker at the end of `text` says, or None where there is none."""
    if (found := _INTERRUPTED.search(text)) is None:
        return None
    return CutOff(heard=text[: found.start()].rstrip(), who=found["who"].strip())


def say_line(who: str, words: str) -> str:
    """Return the line that tells a model what somebody said. Line breaks become spaces."""
    name = re.sub(r'[\n"\[\]]+', " ", who).strip() or "somebody"
    return f'{name} said: "{" ".join(words.split())}"'


def read_said(text: str) -> tuple[Said, ...]:
    """Return what the `say_line` lines of `text` tell, in order."""
    return tuple(Said(who=line["who"].strip(), words=line["words"]) for line in _SAID.finditer(text))


def floor_line(task: str = "") -> str:
    """Return the line by which a model learns that it has the floor, and what for."""
    task = " ".join(task.replace("[", "(").replace("]", ")").split())
    return f"[You have the floor. {task}]" if task else "[You have the floor.]"


def read_floor(text: str) -> str | None:
    """Return the task of the last `floor_line` in `text` (empty without one), None where there is no line."""
    tasks = [line["task"] or "" for line in _FLOOR.finditer(text)]
    return tasks[-1] if tasks else None


def without_notes(text: str) -> str:
    """Return what remains of `text` without the notes of this module."""
    return _INTERRUPTED.sub("", _FLOOR.sub("", _SAID.sub("", text))).strip()

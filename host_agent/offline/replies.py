"""What the rule-based model says next, from the conversation so far. Pure and deterministic."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host_agent.marker import read_floor, read_interrupted, read_said, without_notes
from host_agent.offline.topics import CORRECTION, NOT_CAUGHT, OPENING, TOPICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from host_agent.marker import CutOff

QUOTED_WORDS = 6
_STOPS = frozenset(("stop", "wait", "no", "hold", "halt", "quiet", "pause"))
_HAND_OVER = re.compile(r"\bhand (?:over|back) to (?P<who>[\w-]+)", re.IGNORECASE)
_WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True, slots=True)
class Line:
    """One content of the conversation."""

    mine: bool
    text: str


@dataclass(frozen=True, slots=True)
class Persona:
    """Who speaks."""

    name: str
    role: str


def reply(history: Sequence[Line], me: Persona) -> str:
    """Return the next turn of `me`; never empty."""
    last_mine = max((n for n, line in enumerate(history) if line.mine), default=-1)
    new = [line.text for line in history[last_mine + 1 :]]
    cut = read_interrupted(history[last_mine].text) if last_mine >= 0 else None
    task = next((found for text in reversed(new) if (found := read_floor(text)) is not None), None)
    said = [each for text in new for each in read_said(text)]
    words = " ".join(filter(None, (without_notes(text) for text in new)))
    turns = sum(line.mine for line in history)

    if "not understood" in (task or ""):
        return f"{_resumed_at(cut)} {NOT_CAUGHT}".strip()
    if words:
        return f"{_resumed_at(cut)} {_to_person(words, turns)}".strip()
    if cut is not None and said and not (task or "").startswith("Correct"):
        heard = " ".join(cut.heard.split()[-3:]).rstrip(".,!?")
        return f"Thank you. I had got as far as: {heard}. {_topic(turns)}"
    return _by_task(task or "", said[-1].who if said else "", turns, me)


def _resumed_at(cut: CutOff | None) -> str:
    """Return the sentence that shows what was heard of the turn that was cut off; empty without one."""
    if cut is None:
        return ""
    heard = " ".join(cut.heard.split()[-QUOTED_WORDS:]).rstrip(".,!?")
    return f"You heard me up to: {heard}." if heard else "You heard nothing of what I was going to say."


def _to_person(words: str, turns: int) -> str:
    """Return the answer to what a person said."""
    known = set(_WORD.findall(words.lower()))
    answer = f"You said: {words.rstrip('.')}."
    topic = _best_topic(known)
    if known & _STOPS:
        return f"{answer} I stop here. What would you like to know?"
    if topic is not None:
        return f"{answer} {topic}"
    return f"{answer} I take that up. {_sentences(_topic(turns), 1)}"


def _by_task(task: str, last_speaker: str, turns: int, me: Persona) -> str:
    """Return a turn that nobody's words asked for."""
    found = _HAND_OVER.search(task)
    to = found["who"] if found else ""
    subject = _best_topic(set(_WORD.findall(task.lower()))) or _topic(turns)
    if task.startswith("Open"):
        text = OPENING.format(name=me.name, topic=subject)
    elif task.startswith("Correct"):
        text = CORRECTION
    elif last_speaker and me.role != "host":
        text, to = f"Gladly. {_topic(turns + 1)}", to or last_speaker
    elif last_speaker:
        text = f"Thank you. {_topic(turns + 2)} {_topic(turns + 3)}"
    else:
        text = subject
    return f"{text} Over to you, {to}." if to else text


def _topic(turns: int) -> str:
    return TOPICS[turns % len(TOPICS)].text


def _best_topic(words: set[str]) -> str | None:
    best = max(TOPICS, key=lambda topic: len(topic.keywords & words))
    return best.text if best.keywords & words else None


def _sentences(text: str, count: int) -> str:
    return ". ".join(text.split(". ")[:count]).rstrip(".") + "."

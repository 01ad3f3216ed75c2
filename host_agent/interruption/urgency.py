"""How urgent, upset or opposed some words are, from 0 to 1. English; pure."""

from __future__ import annotations

import re
from itertools import pairwise

from host_agent.interruption.lexicon import LONGEST_TEXT_CHARS, words_of

__all__ = ("urgency_of",)

_BY_WEIGHT = {
    0.9: "emergency, ambulance, urgent, urgently, shut up",
    0.8: "help me, danger, stop it, be quiet",
    0.7: "hurry, asap, stop, furious",
    0.6: "help, fire, dangerous, immediately, enough, cancel, not what i, ridiculous",
    0.5: "right now, wait, hold on, hang on, quiet, wrong, not true, hate, terrible, awful, angry, annoying",
    0.45: "excuse me, sorry but, listen, don't, mistake",
    0.4: "no, quick, quickly",
    0.3: "never, actually",
    0.2: "but",
    0.1: "please",
}
_PHRASES = {
    words_of(phrase): weight for weight, phrases in _BY_WEIGHT.items() for phrase in phrases.split(",")
}
_LONGEST = max(map(len, _PHRASES))
_CALM_PHRASES = frozenset(words_of(each) for each in ("no problem", "no worries", "don't worry", "no rush"))
_REPEATED = 0.35
_SHOUTED = 0.3
_EXCLAIMED = 0.2
_SHOUT = re.compile(r"\b[A-Z]{3,}\b")


def urgency_of(text: str) -> float:
    """Return how urgent `text` is: words that press or oppose, repetition, shouting. Never raises."""
    words = words_of(text)
    calm = 1.0
    at = 0
    while at < len(words):
        length, weight = _weight_at(words, at)
        calm *= 1.0 - weight
        at += length
    if any(one == other for one, other in pairwise(words)):
        calm *= 1.0 - _REPEATED
    seen = text[:LONGEST_TEXT_CHARS]
    if _SHOUT.search(seen):
        calm *= 1.0 - _SHOUTED
    if "!" in seen:
        calm *= 1.0 - _EXCLAIMED
    return 1.0 - calm


def _weight_at(words: tuple[str, ...], at: int) -> tuple[int, float]:
    """How many words the phrase at a place has, and its weight; the longest phrase counts."""
    for length in range(min(_LONGEST, len(words) - at), 0, -1):
        phrase = words[at : at + length]
        if phrase in _CALM_PHRASES:
            return length, 0.0
        if (weight := _PHRASES.get(phrase)) is not None:
            return length, weight
    return 1, 0.0

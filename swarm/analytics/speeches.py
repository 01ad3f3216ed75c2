"""Stretches of speech, and what lies between them: gaps, pauses, overlaps. Pure; see docs/analytics.md.

A stretch begins and ends by entries of the record. Stretches are taken in the order of the entries that began
them; each is compared with the one among those before it, in its session, that ends last.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST_SPEECH_MS = 600_000
"""A stretch whose end is recorded later than this after its beginning is left out."""


@dataclass(frozen=True, slots=True)
class Speech:
    """One stretch of somebody's speech; times on Redis's clock."""

    participant: str
    is_person: bool
    from_ms: int
    to_ms: int


@dataclass(slots=True)
class _Begun:
    participant: str
    is_person: bool
    from_ms: int
    at_ms: int
    to_ms: int | None = None
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """How a stretch lies to the one before it that ends last."""

    name: str
    """"gap", "overlap" (the speaker changes, and the new one ends last), "overlap_within" (it ends within
    the other's) or "pause" (the same speaker goes on)."""
    ms: int
    answers_person: bool
    """A gap between a person's speech and an agent's."""


def relation(before: Speech, speech: Speech) -> Relation:
    """Return how `speech` lies to `before`."""
    if before.participant == speech.participant:
        return Relation("pause", max(0, speech.from_ms - before.to_ms), answers_person=False)
    if speech.from_ms >= before.to_ms:
        answers = before.is_person and not speech.is_person
        return Relation("gap", speech.from_ms - before.to_ms, answers)
    if speech.to_ms > before.to_ms:
        return Relation("overlap", before.to_ms - speech.from_ms, answers_person=False)
    return Relation("overlap_within", speech.to_ms - speech.from_ms, answers_person=False)


class Speeches:
    """Pairs beginnings and ends of one session, and hands each stretch over once all begun before it are.

    Holds what began in the last LONGEST_SPEECH_MS and is not handed over. `take` gets each stretch and the
    one before it that ends last (None for the session's first).
    """

    def __init__(self, take: Callable[[Speech, Speech | None], None]) -> None:
        self._take = take
        self._begun: deque[_Begun] = deque()
        self._open: dict[str | int | None, _Begun] = {}
        self._last: Speech | None = None

    def begin(self, key: str | int, participant: str, *, is_person: bool, from_ms: int, at_ms: int) -> None:
        """Note the beginning of the stretch `key` (a speech id, or a token); recorded at `at_ms`."""
        replaced = self._open.get(key)
        if replaced is not None:
            replaced.dropped = True
        begun = _Begun(participant, is_person, from_ms, at_ms)
        self._open[key] = begun
        self._begun.append(begun)
        self._hand_over(at_ms)

    def end(self, key: str | int | None, at_ms: int, to_ms: int | None, lasted_ms: int = 0) -> None:
        """Note its end, at `to_ms` or `lasted_ms` after it began; recorded at `at_ms`.

        What did not begin, or has ended, is ignored.
        """
        begun = self._open.pop(key, None)
        if begun is None:
            return
        if at_ms - begun.at_ms > LONGEST_SPEECH_MS:
            begun.dropped = True
        else:
            begun.to_ms = begun.from_ms + lasted_ms if to_ms is None else max(begun.from_ms, to_ms)
        self._hand_over(at_ms)

    def _hand_over(self, at_ms: int) -> None:
        while self._begun:
            first = self._begun[0]
            if first.to_ms is None and not first.dropped:
                if at_ms - first.at_ms <= LONGEST_SPEECH_MS:
                    return
                self._forget(first)
            self._begun.popleft()
            if first.to_ms is not None:
                self._last = _after(self._last, _speech(first, first.to_ms), self._take)

    def _forget(self, lost: _Begun) -> None:
        for key, begun in tuple(self._open.items()):
            if begun is lost:
                del self._open[key]

    def rest(self, take: Callable[[Speech, Speech | None], None]) -> None:
        """Hand to `take` the stretches that have ended but wait for one begun before them; they stay."""
        last = self._last
        for speech in self._ended():
            last = _after(last, speech, take)

    def _ended(self) -> Iterator[Speech]:
        for begun in self._begun:
            if begun.to_ms is not None:
                yield _speech(begun, begun.to_ms)


def _speech(begun: _Begun, to_ms: int) -> Speech:
    return Speech(begun.participant, begun.is_person, begun.from_ms, to_ms)


def _after(last: Speech | None, speech: Speech, take: Callable[[Speech, Speech | None], None]) -> Speech:
    take(speech, last)
    return speech if last is None or speech.to_ms >= last.to_ms else last

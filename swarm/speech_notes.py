"""What one process has heard of people's speech, ready to be written by whoever is the scribe. No I/O.

Times ending in `_s` are of the process's monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.ports import SpeechEnded, SpeechStarted, WordsHeard

MOST_NOTES = 500


@dataclass(frozen=True, slots=True)
class SpeechNote:
    """One stretch of speech as this process heard it."""

    speech_id: str
    person: str
    onset_s: float
    touched_s: float
    """When more of it was last heard."""
    ended_s: float | None = None
    duration_ms: float = 0.0
    interim: str = ""
    """The recogniser's words so far."""
    final: str | None = None
    """Its last word on the matter."""
    words_s: float | None = None
    confidence: float | None = None
    version: int = 0
    """Grows with each change."""

    def settled(self, now_s: float, words_limit_s: float) -> SpeechNote:
        """Return the note as it is to be written: words that do not come in time will not come."""
        due_s = self.due_s(words_limit_s)
        if due_s is None or now_s < due_s:
            return self
        return replace(self, final=self.interim, words_s=self.words_s or due_s)

    def due_s(self, words_limit_s: float) -> float | None:
        """Return when the wait for the final words is over; None where there is nothing to wait for."""
        return None if self.ended_s is None or self.final is not None else self.ended_s + words_limit_s


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of a person's speech, as the record has it. Times in ms on Redis's clock."""

    speech_id: str
    person: str
    text: str
    """Empty where no words were recognised."""
    onset_ms: int
    ended_ms: int

    @property
    def request_id(self) -> str:
        """The id under which the answer's floor is asked for: the same whoever asks."""
        return f"turn:{self.speech_id}"


@dataclass(frozen=True, slots=True)
class GivenUp:
    """How many notes were lost, and the onsets of the first and the last of them."""

    count: int
    from_s: float
    to_s: float


class SpeechNotes:
    """The notes by speech id, in the order of their onsets; at most MOST_NOTES, the oldest give way."""

    def __init__(self) -> None:
        self._notes: dict[str, SpeechNote] = {}
        self.given_up: GivenUp | None = None
        """Notes that gave way before they were done with; set to None once that has been told."""

    def __iter__(self) -> Iterator[SpeechNote]:
        return iter(tuple(self._notes.values()))

    def get(self, speech_id: str) -> SpeechNote | None:
        """Return the note of a speech."""
        return self._notes.get(speech_id)

    def started(self, event: SpeechStarted) -> None:
        """Take note of an onset."""
        if len(self._notes) >= MOST_NOTES:
            self._give_up(next(iter(self._notes.values())))
        self._notes[event.speech_id] = SpeechNote(
            speech_id=event.speech_id, person=event.person, onset_s=event.onset_s, touched_s=event.detected_s
        )

    def words(self, event: WordsHeard, at_s: float) -> bool:
        """Take note of words; False where they change nothing, or the speech is not known."""
        note = self._notes.get(event.speech_id)
        if note is None or note.final is not None or (event.text == note.interim and not event.final):
            return False
        text = event.text or (note.interim if event.failed else "")
        self._change(
            note,
            interim=text,
            final=text if event.final else None,
            words_s=at_s,
            confidence=event.confidence,
            touched_s=at_s,
        )
        return True

    def ended(self, event: SpeechEnded) -> bool:
        """Take note of an end; False where the speech is not known or has ended before."""
        note = self._notes.get(event.speech_id)
        if note is None or note.ended_s is not None:
            return False
        self._change(note, ended_s=event.at_s, duration_ms=round(event.duration_ms, 1), touched_s=event.at_s)
        return True

    def drop(self, speech_id: str) -> None:
        """Be done with a speech."""
        self._notes.pop(speech_id, None)

    def forget_before(self, at_s: float) -> None:
        """Drop the speeches of which nothing was heard since `at_s`, and that are over."""
        for note in tuple(self._notes.values()):
            if note.ended_s is not None and note.touched_s < at_s:
                self.drop(note.speech_id)

    def _give_up(self, note: SpeechNote) -> None:
        self.drop(note.speech_id)
        before = self.given_up or GivenUp(0, note.onset_s, note.onset_s)
        self.given_up = GivenUp(before.count + 1, before.from_s, note.onset_s)

    def _change(self, note: SpeechNote, **changes: object) -> None:
        changed = replace(note, version=note.version + 1, **changes)  # pyright: ignore[reportArgumentType] (fields by name)
        self._notes[note.speech_id] = changed

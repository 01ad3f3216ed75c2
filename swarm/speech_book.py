"""Which stretch of speech in the record is which one of this process's ears. No I/O.

Every process names the speeches that it hears; the record has the names of whichever process wrote it. They
are the same speech if it is one person's and the onsets differ by little.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

KEPT = 64
SAME_ONSET_MS = 600


@dataclass(frozen=True, slots=True)
class _Onset:
    person: str
    speech_id: str
    at_ms: float


class SpeechBook:
    """Remembers the last KEPT onsets of both kinds; times in ms on Redis's clock."""

    def __init__(self) -> None:
        self._ours: deque[_Onset] = deque(maxlen=KEPT)
        self._recorded: deque[_Onset] = deque(maxlen=KEPT)

    def heard(self, person: str, speech_id: str, at_ms: float) -> None:
        """Note an onset that our ears reported."""
        self._ours.append(_Onset(person, speech_id, at_ms))

    def recorded(self, person: str, speech_id: str, at_ms: float) -> None:
        """Note an onset from the record."""
        self._recorded.append(_Onset(person, speech_id, at_ms))

    def ours(self, recorded_id: str) -> str:
        """Return our name for a speech of the record; empty where our ears missed it."""
        for recorded in reversed(self._recorded):
            if recorded.speech_id == recorded_id:
                near = [
                    (abs(each.at_ms - recorded.at_ms), each.speech_id)
                    for each in self._ours
                    if each.person == recorded.person
                ]
                distance_ms, speech_id = min(near, default=(float("inf"), ""))
                return speech_id if distance_ms <= SAME_ONSET_MS else ""
        return ""

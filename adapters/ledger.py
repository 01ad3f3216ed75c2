"""How much of one utterance was queued, handed to the transport, dropped and really heard. Pure.

Positions count the samples that were ever pushed on the outgoing track, silence included. What the
transport still holds is the end of that count, so heard is what was handed over before
`sent_position` = pushed so far - held by the transport. A ledger belongs to one utterance: one that
counts across utterances over-reports what was heard of the later ones.
"""

from __future__ import annotations

from collections import deque

from streams.vocabulary import Playout

_RUNS_KEPT = 32
"""More separate runs than any transport holds at once; older ones have been sent."""


class Ledger:
    """Accounts for every sample of one utterance: queued = handed + dropped + waiting, always."""

    __slots__ = ("_runs", "dropped", "ended", "handed", "queued", "sample_rate_hz")

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.queued = 0
        """Samples made so far, refused ones included."""
        self.handed = 0
        """Samples given to the transport and not recalled."""
        self.dropped = 0
        """Samples that will never be heard: refused, muted, cut or recalled."""
        self.ended = False
        """No more samples will be queued."""
        self._runs: deque[tuple[int, int]] = deque()

    @property
    def waiting(self) -> int:
        """Samples queued that are neither handed over nor dropped."""
        return self.queued - self.handed - self.dropped

    def queue(self, samples: int) -> None:
        """Count samples that wait to be played."""
        self.queued += samples

    def refuse(self, samples: int) -> None:
        """Count samples that were made and discarded at once: unheard."""
        self.queued += samples
        self.dropped += samples

    def hand_over(self, samples: int, position: int) -> None:
        """Count `samples` waiting ones as pushed at `position` of the track."""
        self.handed += samples
        if self._runs and sum(self._runs[-1]) == position:
            start, length = self._runs[-1]
            self._runs[-1] = (start, length + samples)
        else:
            self._runs.append((position, samples))
            if len(self._runs) > _RUNS_KEPT:
                self._runs.popleft()

    def drop_waiting(self) -> int:
        """Count all that waits as never heard, and say how many samples that was."""
        lost = self.waiting
        self.dropped += lost
        return lost

    def recall(self, sent_position: int) -> int:
        """Count what was handed over but lies at or after `sent_position` as never heard."""
        lost = self._unsent(sent_position)
        self.handed -= lost
        self.dropped += lost
        while self._runs and self._runs[-1][0] >= sent_position:
            self._runs.pop()
        if self._runs:
            start, length = self._runs[-1]
            self._runs[-1] = (start, min(length, sent_position - start))
        return lost

    def heard(self, sent_position: int) -> int:
        """Samples played: handed over before `sent_position`."""
        return self.handed - self._unsent(sent_position)

    def playout(self, sent_position: int) -> Playout:
        """How much was made and how much was played into the room, in ms."""
        heard = self.heard(sent_position)
        per_ms = self.sample_rate_hz / 1000
        return Playout(
            generated_ms=self.queued / per_ms,
            heard_ms=heard / per_ms,
            complete=self.ended and heard == self.queued,
        )

    def settled(self, sent_position: int) -> bool:
        """Whether nothing more of it will ever be played."""
        return self.ended and self.waiting == 0 and self._unsent(sent_position) == 0

    def _unsent(self, sent_position: int) -> int:
        unsent = 0
        for start, length in reversed(self._runs):
            if start + length <= sent_position:
                break
            unsent += length - max(0, min(length, sent_position - start))
        return unsent

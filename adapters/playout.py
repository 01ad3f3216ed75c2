"""The utterances of one agent on their way to the track: a bounded queue of frames. Pure.

Utterances are played in the order in which they began. What is heard of one is always a beginning
of it: once a part of an utterance is refused, muted or cut, the rest of it is too, so that its heard
text is a prefix and never has a hole.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from adapters.errors import UnknownUtteranceError
from adapters.ledger import Ledger

if TYPE_CHECKING:
    from streams.vocabulary import Playout

BYTES_PER_SAMPLE = 2
_FINISHED_KEPT = 256
"""Finished utterances whose playout can still be asked for."""


class Stage(Enum):
    """Where an utterance is."""

    LIVE = "live"
    PLAYED = "played"
    CUT = "cut"


@dataclass(slots=True)
class Utterance:
    """One utterance: its audio that waits, and its account."""

    utterance_id: str
    ledger: Ledger
    stage: Stage = Stage.LIVE
    clipped: bool = False
    """A part was refused: what still comes is too."""
    audible: bool = False
    """Its first frame was handed over."""
    chunks: deque[memoryview] = field(default_factory=deque[memoryview])
    starved: bool = False
    """Less than a frame waits, for the second pull in a row."""


class PlayoutQueue:
    """Takes chunks, gives frames, keeps each utterance's ledger. int16 mono at `sample_rate_hz`.

    Holds at most `limit_s` of audio; the newest chunk that does not fit is refused.
    """

    def __init__(self, sample_rate_hz: int, *, frame_ms: float, limit_s: float) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.frame_samples = round(sample_rate_hz * frame_ms / 1000)
        self.pushed = 0
        """Samples pushed on the track so far, silence included."""
        self._limit = int(limit_s * sample_rate_hz)
        self._waiting = 0
        self._live: OrderedDict[str, Utterance] = OrderedDict()
        self._finished: OrderedDict[str, tuple[Stage, Playout]] = OrderedDict()
        self.silence = bytes(self.frame_samples * BYTES_PER_SAMPLE)

    @property
    def live(self) -> tuple[Utterance, ...]:
        """Utterances begun and not yet played out or cut, in order."""
        return tuple(self._live.values())

    @property
    def is_live(self) -> bool:
        return bool(self._live)

    @property
    def waiting_samples(self) -> int:
        """Samples of all utterances that wait to be played."""
        return self._waiting

    def begin(self, utterance_id: str) -> None:
        """Start an utterance; again for a known id is harmless."""
        if utterance_id not in self._live and utterance_id not in self._finished:
            self._live[utterance_id] = Utterance(utterance_id, Ledger(self.sample_rate_hz))

    def stage(self, utterance_id: str) -> Stage:
        """Where an utterance is.

        Raises:
            UnknownUtteranceError: it never began, or finished very long ago.
        """
        if utterance_id in self._live:
            return Stage.LIVE
        if utterance_id in self._finished:
            return self._finished[utterance_id][0]
        raise UnknownUtteranceError(utterance_id)

    def add(self, utterance_id: str, pcm: bytes) -> bool:
        """Queue audio of a live utterance. False where it was refused, and counted as unheard."""
        utterance = self._live[utterance_id]
        samples = len(pcm) // BYTES_PER_SAMPLE
        if utterance.clipped or utterance.ledger.ended or self._waiting + samples > self._limit:
            utterance.clipped = True
            utterance.ledger.refuse(samples)
            return False
        if samples:
            utterance.chunks.append(memoryview(pcm))
            utterance.ledger.queue(samples)
            self._waiting += samples
        return True

    def refuse(self, utterance_id: str, samples: int) -> None:
        """Count audio of a live utterance that was discarded unheard; the rest of it will be too."""
        utterance = self._live[utterance_id]
        utterance.clipped = True
        utterance.ledger.refuse(samples)

    def end(self, utterance_id: str) -> None:
        """No more audio will come for it."""
        if utterance_id in self._live:
            self._live[utterance_id].ledger.ended = True

    def ready(self) -> Utterance | None:
        """The utterance whose frame comes next; None where nothing can be played now.

        A remainder shorter than a frame waits one pull for more audio, unless its utterance ended.
        """
        for utterance in self._live.values():
            waiting = utterance.ledger.waiting
            if waiting >= self.frame_samples or (waiting and (utterance.ledger.ended or utterance.starved)):
                return utterance
            if not utterance.ledger.ended:
                utterance.starved = waiting > 0
                return None
        return None

    def take(self, utterance: Utterance) -> bytes:
        """Hand over the next frame of `utterance`, padded with silence at its end."""
        size = self.frame_samples * BYTES_PER_SAMPLE
        parts: list[memoryview] = []
        taken = 0
        while utterance.chunks and taken < size:
            chunk = utterance.chunks.popleft()
            room = size - taken
            if len(chunk) > room:
                utterance.chunks.appendleft(chunk[room:])
                chunk = chunk[:room]
            parts.append(chunk)
            taken += len(chunk)
        samples = taken // BYTES_PER_SAMPLE
        utterance.ledger.hand_over(samples, self.pushed)
        utterance.starved = False
        utterance.audible = True
        self._waiting -= samples
        return b"".join(parts).ljust(size, b"\0")

    def playout(self, utterance_id: str, held: int) -> Playout:
        """What was made and heard of an utterance, with `held` samples still in the transport.

        Raises:
            UnknownUtteranceError: it never began, or finished very long ago.
        """
        if self.stage(utterance_id) is Stage.LIVE:
            return self._live[utterance_id].ledger.playout(self.pushed - held)
        return self._finished[utterance_id][1]

    def recall(self, samples: int) -> None:
        """The transport was emptied of the last `samples` pushed: they will not be heard."""
        self.pushed -= samples
        for utterance in self._live.values():
            utterance.ledger.recall(self.pushed)

    def cut(self, utterance_id: str) -> Playout:
        """Finish a live utterance now, dropping what waits. What is in the transport will be heard."""
        utterance = self._live[utterance_id]
        self._waiting -= utterance.ledger.drop_waiting()
        utterance.chunks.clear()
        return self._finish(utterance, Stage.CUT, self.pushed)

    def finish_played(self, held: int) -> list[tuple[str, Playout]]:
        """Finish the utterances of which nothing more will be played, in order."""
        done: list[tuple[str, Playout]] = []
        sent = self.pushed - held
        for utterance in self.live:
            if not utterance.ledger.settled(sent):
                break
            done.append((utterance.utterance_id, self._finish(utterance, Stage.PLAYED, sent)))
        return done

    def _finish(self, utterance: Utterance, stage: Stage, sent: int) -> Playout:
        playout = utterance.ledger.playout(sent)
        del self._live[utterance.utterance_id]
        utterance.stage = stage
        self._finished[utterance.utterance_id] = (stage, playout)
        if len(self._finished) > _FINISHED_KEPT:
            self._finished.popitem(last=False)
        return playout

"""One granted turn of a host: what was made, what was heard, and how it ended."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from host_agent.heard import Heard, SpokenTimeline
from host_agent.marker import mark_interrupted
from host_agent.ports import TurnResult
from streams.vocabulary import Decision, ParticipantKind, Playout, Verdict

if TYPE_CHECKING:
    from host_agent.ports import FloorGrant, Prompt


class Speech(Protocol):
    """The speech that cut an utterance off. Seconds of the host's clock."""

    @property
    def onset_s(self) -> float: ...
    @property
    def detected_s(self) -> float: ...


class Cut(Protocol):
    """An utterance was cut off for good, as the output tells it."""

    @property
    def utterance_id(self) -> str: ...
    @property
    def by(self) -> str: ...
    @property
    def by_kind(self) -> ParticipantKind: ...
    @property
    def playout(self) -> Playout: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def speech(self) -> Speech | None: ...
    @property
    def gate_s(self) -> float: ...
    @property
    def decided_s(self) -> float: ...


_TOLD = Verdict(Decision.INTERRUPT, "the model was told of activity")


@dataclass(frozen=True, slots=True)
class UnreportedCut:
    """A cut that only the model session told of: somebody signalled activity past the output."""

    utterance_id: str
    playout: Playout
    gate_s: float
    by: str = "somebody"
    by_kind: ParticipantKind = ParticipantKind.PERSON
    verdict: Verdict = _TOLD
    speech: None = None

    @property
    def decided_s(self) -> float:
        return self.gate_s


FLOOR = "floor"
"""Who cuts an utterance whose grant has ended, as outputs tell it."""

NOTHING_PLAYED = Playout(generated_ms=0.0, heard_ms=0.0, complete=False)


@dataclass(slots=True)
class Turn:
    """The account of one turn. Written by the host and by what connects it to the model."""

    utterance_id: str
    grant: FloorGrant
    prompt: Prompt
    timeline: SpokenTimeline = field(default_factory=SpokenTimeline)
    begun: bool = False
    """The output knows the utterance."""
    ready: bool = False
    """Its prompt is complete: the model may be called."""
    answered: bool = False
    """A native model's answer to it has begun."""
    model_open: bool = False
    """The model is answering: neither complete nor interrupted."""
    cut: Cut | None = None
    lost: bool = False
    """It ended unheard to the end without being cut: the grant or the audio was lost."""
    playout: Playout | None = None
    """What was heard, once that is settled."""
    failed: str = ""
    model_ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The model has nothing more to say for it, whatever the reason."""
    made: int = 0
    """Pieces of audio and text that a cascade's connection gave out."""
    made_ms: float = 0.0
    """Audio among them."""
    taken: int = 0
    """Pieces of audio and text that came out of the model session, wherever they went."""
    generation_done: bool = False
    audio_ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The output was told that no more audio will come."""
    caught_up: asyncio.Event = field(default_factory=asyncio.Event)
    """All that was made so far was taken."""
    recorded_segments: int = 0
    """Segments of the timeline that are in the model's context already."""
    recorded: bool = False
    """Its words are in the context and on the way to the persisted session."""
    reported: bool = False
    flushed: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """Persisted before the truth was known: (timestamp, text)."""

    @property
    def stopped(self) -> bool:
        """No more of it will be heard."""
        return self.cut is not None or self.lost or bool(self.failed)

    @property
    def live(self) -> bool:
        """The model may go on with it."""
        return self.ready and not self.stopped and self.grant.valid()

    @property
    def who_cut(self) -> str:
        return self.cut.by if self.cut is not None else ""

    def lose(self, why: str, playout: Playout | None = None) -> None:
        """Note that it ends unheard to the end and that nobody cut it."""
        self.lost = True
        self.failed = self.failed or why
        self.playout = self.playout or playout

    def heard(self, *, first_segment: int = 0) -> Heard:
        """Return what was heard of it by the settled playout; nothing while that is not settled."""
        playout = self.playout or NOTHING_PLAYED
        return self.timeline.split(playout.heard_ms, complete=playout.complete, first_segment=first_segment)

    def context_text(self) -> str:
        """Return what the model's context says of it: the words heard, marked where it was broken off.

        Empty where nothing was heard and nobody cut it: a reply that never got the floor leaves no trace.
        """
        heard = self.heard(first_segment=self.recorded_segments).heard
        if self.cut is None and (not self.stopped or not heard.strip()):
            return heard.strip() and heard
        return mark_interrupted(heard, self.who_cut)

    def result(self) -> TurnResult:
        playout = self.playout or NOTHING_PLAYED
        return TurnResult(
            utterance_id=self.utterance_id,
            generated_text=self.timeline.generated_text.strip(),
            heard_text=self.heard().heard.strip(),
            generated_ms=max(playout.generated_ms, self.timeline.accepted_ms),
            heard_ms=playout.heard_ms,
            interrupted=self.cut is not None or (self.lost and playout.heard_ms > 0),
            failed=self.failed,
        )

"""Whether the next frame of an agent may be heard: people's speech, and the floor. Pure.

Two independent questions, both of which have to be answered with yes.

People. Each stretch of speech over the agent is undecided, released (no interruption so far) or has
interrupted. The gate drops while a speech that interrupted goes on, else holds (mode `confirm`)
while any speech is undecided, else is open. So with several people at once one Interrupt is enough
to drop, and the last undecided one ends a hold.

    mode       START over the agent   Interrupt   Continue, Resume   Hold
    immediate  drop                   -           -                  -
    confirm    hold                   drop        release            hold on
    overlap    (goes on)              drop        (goes on)          (goes on)

A speech that interrupted and then pauses lets a new utterance through (its agent was granted the
floor meanwhile), and blocks again when it goes on. In `immediate` it blocks from START to END.

Floor. A frame may be handed over only inside the grant, the frame's end and what the transport
still holds included. Before the grant's start (the guard) audio waits; without a grant, or so close
to its end that the frame would not fit, it is muted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from streams.vocabulary import BargeInMode, Decision

DECIDE_WITHIN_S = 0.5
"""From START to Interrupt or Resume."""
WORDLESS_FOR_S = 1.0
"""The same, at the latest, for speech that goes on while no word of it is known."""
REVISABLE_FOR_S = 1.2
"""After a Resume in which the same speech may still interrupt."""


class GateState(StrEnum):
    """What happens to the next frame of an utterance."""

    OPEN = "open"
    HELD = "held"
    DROPPING = "dropping"


class Effect(StrEnum):
    """What a transition of the gate asks of the playout."""

    NONE = "none"
    HOLD = "hold"
    RELEASE = "release"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Gate:
    """The speeches that keep an agent from being heard."""

    mode: BargeInMode
    undecided: frozenset[str] = frozenset()
    """Speeches over the agent that the judge has not decided."""
    interrupted: frozenset[str] = frozenset()
    """Speeches that took the floor and have not ended."""
    pausing: frozenset[str] = frozenset()
    """Those of `interrupted` that are silent for the moment."""

    @property
    def state(self) -> GateState:
        if self.interrupted - self.pausing:
            return GateState.DROPPING
        if self.undecided and self.mode is BargeInMode.CONFIRM:
            return GateState.HELD
        return GateState.OPEN

    def started(self, speech_id: str) -> tuple[Gate, Effect]:
        """A person speaks over the agent (`immediate`: whether or not it speaks)."""
        if speech_id in self.interrupted:
            return self, Effect.NONE
        match self.mode:
            case BargeInMode.IMMEDIATE:
                return replace(self, interrupted=self.interrupted | {speech_id}), Effect.DROP
            case BargeInMode.CONFIRM:
                return replace(self, undecided=self.undecided | {speech_id}), Effect.HOLD
            case BargeInMode.OVERLAP:
                return replace(self, undecided=self.undecided | {speech_id}), Effect.NONE

    def judged(self, speech_id: str, decision: Decision, *, over: bool) -> tuple[Gate, Effect]:
        """The judge spoke; `over` says that the speech has ended.

        A released speech may still interrupt; one that interrupted may not resume.
        """
        if speech_id in self.interrupted:
            return self, Effect.NONE
        match decision:
            case Decision.HOLD:
                return self, Effect.NONE
            case Decision.INTERRUPT:
                after = replace(
                    self,
                    undecided=self.undecided - {speech_id},
                    interrupted=self.interrupted if over else self.interrupted | {speech_id},
                )
                return after, Effect.DROP
            case Decision.CONTINUE | Decision.RESUME:
                after = replace(self, undecided=self.undecided - {speech_id})
                released = self.state is GateState.HELD and after.state is GateState.OPEN
                return after, Effect.RELEASE if released else Effect.NONE

    def voice(self, speech_id: str, *, speaking: bool) -> tuple[Gate, Effect]:
        """A speech that interrupted pauses, or goes on after a pause."""
        if speech_id not in self.interrupted or self.mode is BargeInMode.IMMEDIATE:
            return self, Effect.NONE
        if not speaking:
            return replace(self, pausing=self.pausing | {speech_id}), Effect.NONE
        if speech_id not in self.pausing:
            return self, Effect.NONE
        return replace(self, pausing=self.pausing - {speech_id}), Effect.DROP

    def ended(self, speech_id: str) -> Gate:
        """END_OF_SPEECH. An undecided speech stays so until the judge speaks."""
        return replace(self, interrupted=self.interrupted - {speech_id}, pausing=self.pausing - {speech_id})


class FloorRight(StrEnum):
    """What the floor says about the next frame."""

    PLAY = "play"
    WAIT = "wait"
    MUTE = "mute"


def floor_right(
    now_s: float, *, speak_from_s: float, speak_until_s: float, transport_ms: float, frame_ms: float
) -> FloorRight:
    """Whether a frame of `frame_ms`, behind `transport_ms` that are still held, may be handed over now.

    Times are seconds of one monotonic clock. Without a grant `speak_from_s` is infinity and
    `speak_until_s` minus infinity.
    """
    if math.isinf(speak_from_s) and speak_from_s > 0:
        return FloorRight.MUTE
    start_s = max(now_s, speak_from_s)
    if start_s + (transport_ms + frame_ms) / 1000 > speak_until_s:
        return FloorRight.MUTE
    return FloorRight.WAIT if now_s < speak_from_s else FloorRight.PLAY

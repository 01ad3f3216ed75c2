"""The steps of an interruption as stretches of time, from the report of it. Pure.

Times are those of the clock that `occurred_s` is of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.events import Backchannel, FalseInterruption, Interruption

if TYPE_CHECKING:
    from streams.events import Event

__all__ = ("Step", "judged", "steps")

Judged = Interruption | FalseInterruption | Backchannel


@dataclass(frozen=True, slots=True)
class Step:
    """What one part of the swarm did, from when to when."""

    name: str
    from_s: float
    to_s: float


def judged(event: Event) -> Judged | None:
    """Return `event` if it reports what became of speech over an agent's."""
    return event if isinstance(event, Interruption | FalseInterruption | Backchannel) else None


def steps(event: Judged, occurred_s: float, reported_s: float) -> tuple[Step, ...]:
    """Return the steps in their order: detector, gate, judge, model, host; those that did not happen apart.

    An INTERRUPTION occurred when the gate closed, the two others when the judge let go. The host's step ends
    with the report, at `reported_s`.
    """
    it = event.latency
    if isinstance(event, Interruption):
        gate_s = occurred_s
    else:
        gate_s = occurred_s - (it.gate_to_decision_ms or 0.0) / 1000
    detected_s = gate_s - (it.detector_to_gate_ms or 0.0) / 1000
    found: list[Step] = []
    if it.onset_to_detector_ms is not None:
        found.append(Step("detector", detected_s - it.onset_to_detector_ms / 1000, detected_s))
        found.append(Step("gate", detected_s, gate_s))
    at_s = gate_s
    for name, lasted_ms in (("judge", it.gate_to_decision_ms), ("model", it.decision_to_model_ms)):
        if lasted_ms is not None:
            found.append(Step(name, at_s, at_s + lasted_ms / 1000))
            at_s = found[-1].to_s
    return (*found, Step("host", at_s, max(at_s, reported_s)))

"""When a judge's word counts, and what happens when it says nothing. Pure.

    stage     Interrupt   Resume              Continue   Hold
    open      closed      released for 1.2 s  released   at 0.5 s: Interrupt if it goes on, else Resume
    released  closed      once: 1.2 s more    -          -
    closed    -           -                   -          -

Interrupt is final. A released speech may interrupt while it goes on, and for `revise_s` after the
Resume. A Continue whose speech ends is a Resume. An undecided judge
has `decide_s`: then speech that goes on is an interruption (safe), and speech that has stopped was
a cough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from adapters.gate import DECIDE_WITHIN_S, REVISABLE_FOR_S
from streams.vocabulary import Decision, Verdict

if TYPE_CHECKING:
    from streams.vocabulary import Observation

PAUSE_MS = 100.0
"""A speech that has been silent for so long does not go on, for now."""


class Stage(Enum):
    """How far the judgement of one speech has got."""

    OPEN = "open"
    RELEASED = "released"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Case:
    """The judgement of one speech."""

    decide_by_s: float
    stage: Stage = Stage.OPEN
    resumed: bool = False
    """Released by a Resume, not by a Continue."""
    revisable_until_s: float = float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a judgement may take."""

    decide_s: float = DECIDE_WITHIN_S
    """From START to a decision."""
    revise_s: float = REVISABLE_FOR_S
    """After a Resume in which the same speech may still interrupt."""


def goes_on(seen: Observation) -> bool:
    """Whether the person is still speaking, short pauses aside."""
    return not seen.ended and seen.silence_ms < PAUSE_MS


def weigh(
    case: Case, verdict: Verdict, seen: Observation, now_s: float, limits: Limits
) -> tuple[Case, Verdict | None]:
    """What a judge's verdict at `now_s` changes: the case, and the verdict to act on, if any."""
    match case.stage, verdict.decision:
        case Stage.CLOSED, _:
            return case, None
        case Stage.RELEASED, _ if seen.ended and now_s > case.revisable_until_s:
            return replace(case, stage=Stage.CLOSED), None
        case _, Decision.INTERRUPT:
            return replace(case, stage=Stage.CLOSED), verdict
        case Stage.OPEN, Decision.RESUME:
            return _resume(case, now_s, limits), verdict
        case Stage.OPEN, Decision.CONTINUE:
            if seen.ended:
                return _resume(case, now_s, limits), replace(verdict, decision=Decision.RESUME)
            return replace(case, stage=Stage.RELEASED), verdict
        case Stage.OPEN, Decision.HOLD:
            return _undecided(case, verdict, seen, now_s, limits)
        case Stage.RELEASED, _:
            if case.resumed or (verdict.decision is not Decision.RESUME and not seen.ended):
                return case, None
            return _resume(case, now_s, limits), replace(verdict, decision=Decision.RESUME)


def _resume(case: Case, now_s: float, limits: Limits) -> Case:
    return replace(case, stage=Stage.RELEASED, resumed=True, revisable_until_s=now_s + limits.revise_s)


def _undecided(
    case: Case, verdict: Verdict, seen: Observation, now_s: float, limits: Limits
) -> tuple[Case, Verdict | None]:
    if now_s >= case.decide_by_s and goes_on(seen):
        return replace(case, stage=Stage.CLOSED), replace(
            verdict, decision=Decision.INTERRUPT, reason="undecided while the speech goes on"
        )
    if now_s >= case.decide_by_s or (seen.ended and seen.final):
        return _resume(case, now_s, limits), replace(
            verdict, decision=Decision.RESUME, reason="the speech stopped undecided"
        )
    return case, None

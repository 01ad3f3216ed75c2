"""When a judge's word counts, and what happens when it says nothing. Pure.

    stage     Interrupt   Resume              Continue   Hold
    open      closed      released for 1.2 s  released   in time: Interrupt if it goes on, else Resume
    released  closed      once: 1.2 s more    -          -
    closed    -           -                   -          -

Interrupt is final. A released speech may interrupt while it goes on, and for `revise_s` after the
Resume. A Continue whose speech ends is a Resume. An undecided judge has `decide_s`: then speech that
goes on is an interruption (safe), and speech that has stopped was a cough. As long as no word has come,
though one still may, speech that goes on has `wordless_s`: a recogniser tells a word only after its end,
so by `decide_s` nothing is known of every third acknowledgement. A judge with thresholds of its own that
reach further (`PatientJudge`) is not overruled before them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from adapters.gate import DECIDE_WITHIN_S, REVISABLE_FOR_S, WORDLESS_FOR_S
from streams.vocabulary import Decision, Verdict

if TYPE_CHECKING:
    from streams.vocabulary import Observation

PAUSE_MS = 100.0
"""A speech that has been silent for so long does not go on, for now."""
STOPPED_MS = 200.0
"""One that has been silent for so long was no longer than it was."""


class Stage(Enum):
    """How far the judgement of one speech has got."""

    OPEN = "open"
    RELEASED = "released"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Case:
    """The judgement of one speech."""

    decide_by_s: float
    wordless_by_s: float
    """The same for speech that goes on without a word."""
    patient_until_s: float = 0.0
    """Before, speech that goes on interrupts only where the judge says so."""
    stage: Stage = Stage.OPEN
    resumed: bool = False
    """Released by a Resume, not by a Continue."""
    revisable_until_s: float = float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a judgement may take."""

    decide_s: float = DECIDE_WITHIN_S
    """From START to a decision."""
    wordless_s: float = WORDLESS_FOR_S
    """The same for speech that goes on without a word; at least `decide_s`."""
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
    may_be_told = not seen.words and not seen.final and not seen.recogniser_failed
    limit_s = max(case.wordless_by_s if may_be_told else case.decide_by_s, case.patient_until_s)
    if now_s >= limit_s and goes_on(seen):
        return replace(case, stage=Stage.CLOSED), replace(
            verdict, decision=Decision.INTERRUPT, reason="undecided while the speech goes on"
        )
    silent_ms = STOPPED_MS if may_be_told and now_s < case.wordless_by_s else PAUSE_MS
    stopped = seen.ended or seen.silence_ms >= silent_ms
    if (now_s >= case.decide_by_s and stopped) or (seen.ended and seen.final):
        return _resume(case, now_s, limits), replace(
            verdict, decision=Decision.RESUME, reason="the speech stopped undecided"
        )
    return case, None

"""An observation of a stretch of speech in numbers that can be compared. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host_agent.interruption.settings import JudgeSettings
    from streams.vocabulary import Observation


@dataclass(frozen=True, slots=True)
class Measured:
    """What a judge compares with its thresholds."""

    elapsed_ms: float
    voiced_ms: float
    silence_ms: float
    ended: bool
    complete: bool
    """All words are known."""
    settled: bool
    """Nothing more will be heard, or `quiet_ms` of silence have passed."""
    patience: float
    """So many times as long as usual may speech without sure words take."""


def measured(seen: Observation, settings: JudgeSettings) -> Measured | None:
    """Return the numbers of `seen`, or None where they are none."""
    if not math.isfinite(seen.elapsed_ms + seen.voiced_ms + seen.silence_ms):
        return None
    silence_ms = max(0.0, seen.silence_ms)
    patience = settings.faint_factor if seen.level_dbfs < settings.faint_dbfs else 1.0
    return Measured(
        elapsed_ms=max(0.0, seen.elapsed_ms),
        voiced_ms=max(0.0, seen.voiced_ms),
        silence_ms=silence_ms,
        ended=seen.ended,
        complete=seen.ended and seen.final,
        settled=seen.ended or silence_ms >= settings.quiet_ms,
        patience=patience * settings.thinking_factor if seen.agent_thinking else patience,
    )

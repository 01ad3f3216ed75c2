"""What a host reports about a turn, as events. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.events import Interruption, Latency, Utterance

if TYPE_CHECKING:
    from host_agent.turn import Cut, Turn


def utterance(host: str, turn: Turn) -> Utterance:
    """Return what `host` said in `turn`, and what was heard of it."""
    result = turn.result()
    return Utterance(
        participant=host,
        utterance_id=turn.utterance_id,
        generated_text=result.generated_text,
        heard_text=result.heard_text,
        heard_ms=result.heard_ms,
        generated_ms=result.generated_ms,
        interrupted=result.interrupted,
    )


def interruption(
    host: str, turn: Turn, cut: Cut, *, interrupted_s: float | None, now_s: float
) -> Interruption:
    """Return the report of a cut; `interrupted_s` is when the model confirmed it, None where it had ended."""
    result = turn.result()
    speech = cut.speech
    return Interruption(
        interrupted=host,
        interruptor=cut.by,
        interruptor_kind=cut.by_kind,
        utterance_id=turn.utterance_id,
        heard_text=result.heard_text,
        unheard_text=turn.heard().unheard.strip(),
        heard_ms=result.heard_ms,
        generated_ms=result.generated_ms,
        reason=cut.verdict.reason,
        words=cut.verdict.words,
        latency=Latency(
            onset_to_detector_ms=_ms(speech.onset_s, speech.detected_s) if speech else None,
            detector_to_gate_ms=_ms(speech.detected_s, cut.gate_s) if speech else None,
            gate_to_decision_ms=_ms(cut.gate_s, cut.decided_s),
            decision_to_model_ms=_ms(cut.decided_s, interrupted_s),
            model_to_publish_ms=_ms(interrupted_s, now_s),
        ),
    )


def _ms(from_s: float | None, to_s: float | None) -> float | None:
    if from_s is None or to_s is None:
        return None
    return round(max(0.0, to_s - from_s) * 1000, 3)

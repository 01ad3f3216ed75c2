"""What the fields of events mean: the texts beneath them in the models, else by their name. Pure."""

from __future__ import annotations

import ast
import inspect
from functools import cache

from streams import events, vocabulary

__all__ = ("BY_NAME", "note_of")

BY_NAME = {
    "participant": "Identity in the room of whom it is about.",
    "participant_kind": "Whether that is a person or an agent.",
    "by": "Identity of who did it.",
    "to": "To whom the floor was passed on; null where to nobody in particular.",
    "reason": "Why, in a word or a few.",
    "request_id": "The floor request; the same for all that becomes of it.",
    "priority": "0 (lowest) to 4 (highest).",
    "on_behalf_of": "Whom the participant asks for; null: for itself.",
    "position": "Place in the queue, from 1.",
    "lease_ms": "So long the grant lasts unless it is renewed.",
    "waited_ms": "From the request to the grant.",
    "held_ms": "How long the floor was held.",
    "due_ms": "When the lease ended, on Redis's clock.",
    "grace_ms": "So long the holder may still finish.",
    "limit_ms": "The longest that it may last.",
    "granted_to_audio_ms": "From the grant to the first audio; null where a person took it by speaking.",
    "utterance_id": "One turn of an agent's speech.",
    "speech_id": "One stretch of a person's speech.",
    "turn_id": "The speech that is to be answered.",
    "duration_ms": "From its onset to its end.",
    "interrupted": "Who was cut off.",
    "interruptor": "Who cut in.",
    "interruptor_kind": "Whether that is a person or an agent.",
    "speaker": "The agent that was speaking.",
    "heard_text": "What of the text was played out before the silence.",
    "unheard_text": "What was made and never heard.",
    "generated_text": "All that was made.",
    "heard_ms": "Audio that was played out.",
    "generated_ms": "Audio that was made.",
    "words": "What the person was recognised to say at the decision.",
    "latency": "The steps, each in ms since the one before; null where one did not happen.",
    "text": "The words.",
    "final": "False while the recogniser may still change its mind.",
    "confidence": "Of the words, 0 to 1.",
    "language": "Language tag, where the recogniser tells.",
    "decision": "What was decided about this speech, where it came over an agent's.",
    "score": "How much it wants to speak, 0 to 10.",
    "old": "State before.",
    "new": "State after.",
    "cause": "What moved it.",
    "settings": "Name to new value.",
    "role": "Part that it plays: host, expert, or any other.",
    "muted": "True for muted, false for unmuted.",
    "what": "What it could not do.",
    "recovery": "What it did instead.",
    "up_to_id": "The last entry id that was removed.",
    "events": "How many.",
    "passed_groups": "Consumer groups that had not read all of them.",
    "lost": "How many.",
    "from_ms": "When the first of them happened, on Redis's clock.",
    "to_ms": "When the last of them happened, on Redis's clock.",
    "seqs": "The entries that have gone.",
    "input_tokens": "Tokens that the model read.",
    "output_tokens": "Tokens that the model wrote.",
    "audio_in_s": "Audio that the model heard.",
    "audio_out_s": "Audio that was made.",
    "onset_to_detector_ms": "From the onset of speech to the detector's START_OF_SPEECH.",
    "detector_to_gate_ms": "From there to the agent's silence.",
    "gate_to_decision_ms": "From there to the decision.",
    "decision_to_model_ms": "From there to the model's confirmation that it stopped.",
    "model_to_publish_ms": "From there to the report.",
}
"""Meaning of a field where its model says nothing of its own."""


def note_of(model: str, field: str) -> str:
    """Return what `field` of the model named `model` means; empty where nobody says."""
    return _beneath().get(model, {}).get(field) or BY_NAME.get(field, "")


@cache
def _beneath() -> dict[str, dict[str, str]]:
    """Return class to field to the text beneath it."""
    notes: dict[str, dict[str, str]] = {}
    for module in (events, vocabulary):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                notes[node.name] = _texts_beneath(node)
    return notes


def _texts_beneath(node: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, after in zip(node.body, node.body[1:], strict=False):
        target = field.target if isinstance(field, ast.AnnAssign) else None
        match after:
            case ast.Expr(value=ast.Constant(value=str(text))) if isinstance(target, ast.Name):
                found[target.id] = inspect.cleandoc(text).replace("\n", " ")
            case _:
                pass
    return found

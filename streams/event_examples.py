"""One made-up example of every event: what the documents show. Pure.

They tell one story: Ann cuts in while the agent `host` explains why rivers bend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams import events as ev
from streams.vocabulary import Decision, ParticipantKind

if TYPE_CHECKING:
    from streams.events import Event

_REQUEST = "1795254689012-5f1c2a7be3d94c06"
_SPEECH = "host-3f9a1c:ann:7"
_UTTERANCE = "host-12"
_LATENCY = ev.Latency(
    onset_to_detector_ms=64.0,
    detector_to_gate_ms=0.21,
    gate_to_decision_ms=212.4,
    decision_to_model_ms=38.9,
    model_to_publish_ms=1.3,
)

_EXAMPLES: tuple[Event, ...] = (
    ev.Interruption(
        interrupted="host",
        interruptor="ann",
        interruptor_kind=ParticipantKind.PERSON,
        utterance_id=_UTTERANCE,
        heard_text="A river bends because the outer bank",
        unheard_text="is worn away faster than the inner one.",
        heard_ms=2140.0,
        generated_ms=4860.0,
        reason="min words",
        words="yes but wait",
        latency=_LATENCY,
    ),
    ev.FalseInterruption(
        speaker="host",
        by="ann",
        utterance_id=_UTTERANCE,
        reason="no words",
        held_ms=340.0,
        latency=ev.Latency(onset_to_detector_ms=64.0, gate_to_decision_ms=340.0),
    ),
    ev.Backchannel(
        speaker="host",
        by="ann",
        utterance_id=_UTTERANCE,
        reason="backchannel",
        words="uh-huh",
        held_ms=280.0,
        latency=ev.Latency(onset_to_detector_ms=64.0, gate_to_decision_ms=280.0),
    ),
    ev.FloorRequested(participant="expert", priority=2, request_id=_REQUEST, on_behalf_of="host"),
    ev.FloorQueued(participant="expert", priority=2, request_id=_REQUEST, position=1),
    ev.FloorGranted(participant="expert", request_id=_REQUEST, lease_ms=2000, waited_ms=418, position=1),
    ev.FloorDenied(participant="expert", request_id=_REQUEST, reason="queue full"),
    ev.FloorReleased(participant="host", held_ms=5230, to="expert"),
    ev.FloorRevoked(participant="host", by="ann", held_ms=2310, reason="min words"),
    ev.FloorExpired(participant="host", held_ms=2000, due_ms=1_795_254_691_197),
    ev.FloorWithdrawn(participant="expert", request_id=_REQUEST, reason="not needed any more", position=1),
    ev.FloorOpened(by="host"),
    ev.FloorClosed(by="host", reason="the lecture is over"),
    ev.FloorTaken(participant="expert", granted_to_audio_ms=182.0),
    ev.FloorRevoking(participant="expert", by="host", grace_ms=500, reason="revoked by the chair"),
    ev.FloorLent(participant="expert", limit_ms=700),
    ev.Bid(participant="expert", score=7.5, reason="named in the question", turn_id=_SPEECH),
    ev.SpeechStarted(participant="ann", speech_id=_SPEECH),
    ev.SpeechEnded(participant="ann", speech_id=_SPEECH, duration_ms=1180.0),
    ev.StateChanged(participant="host", old="speaking", new="listening", cause="cut"),
    ev.SettingsChanged(by="host", settings={"lease_ms": 3000, "backchannel_ms": 700}),
    ev.RoomOpened(),
    ev.RoomClosed(reason="everybody has gone"),
    ev.ParticipantJoined(participant="ann", participant_kind=ParticipantKind.PERSON),
    ev.ParticipantLeft(participant="ann", reason="left the room"),
    ev.ParticipantMuted(participant="ann", by="host", muted=True),
    ev.AgentFailed(
        participant="host",
        what="model session lost: connection reset",
        recovery="reopened the model session with the heard history",
    ),
    ev.RetentionTrimmed(up_to_id="1795250000000-0", events=4211, passed_groups=["dashboard"]),
    ev.RecordGap(lost=17, from_ms=1_795_254_689_100, to_ms=1_795_254_693_480, reason="outbox full"),
    ev.WordsForgotten(participant="ann", seqs=[41, 44, 52]),
    ev.Transcript(
        participant="ann",
        speech_id=_SPEECH,
        text="yes but wait, why the outer one?",
        final=True,
        confidence=0.93,
        language="en",
        decision=Decision.INTERRUPT,
    ),
    ev.Utterance(
        participant="host",
        utterance_id=_UTTERANCE,
        generated_text="A river bends because the outer bank is worn away faster than the inner one.",
        heard_text="A river bends because the outer bank",
        heard_ms=2140.0,
        generated_ms=4860.0,
        interrupted=True,
    ),
    ev.Usage(participant="host", input_tokens=812, output_tokens=96, audio_out_s=4.86),
)

EXAMPLES: dict[str, Event] = {str(getattr(event, "type", "")): event for event in _EXAMPLES}
"""An example of each event by its type."""

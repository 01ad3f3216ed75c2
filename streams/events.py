"""The events of a room: frozen pydantic models, a union discriminated by `type`.

An event is what happened; the envelope around it (`Recorded`) is where, when and by whom it was
recorded. Unknown types and newer versions become `UnknownEvent` and are passed through.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from streams.vocabulary import Decision, ParticipantKind

SCHEMA_VERSION = 1

Kind = Literal["SYSTEM_SIGNAL", "TRANSCRIPT", "UTTERANCE", "USAGE"]


class Event(BaseModel):
    """Base of every event. Fields that a newer version added are kept, not refused."""

    model_config = ConfigDict(frozen=True, extra="allow", ser_json_inf_nan="strings")
    kind: ClassVar[Kind] = "SYSTEM_SIGNAL"


class Latency(BaseModel):
    """Steps of an interruption in ms, each since the step before; None where a step did not happen."""

    model_config = ConfigDict(frozen=True, extra="allow")
    onset_to_detector_ms: float | None = None
    detector_to_gate_ms: float | None = None
    gate_to_decision_ms: float | None = None
    decision_to_model_ms: float | None = None
    model_to_publish_ms: float | None = None


class Interruption(Event):
    """A speaker was cut off."""

    type: Literal["INTERRUPTION"] = "INTERRUPTION"
    interrupted: str
    interruptor: str
    interruptor_kind: ParticipantKind
    utterance_id: str
    heard_text: str
    unheard_text: str
    heard_ms: float
    generated_ms: float
    reason: str
    words: str = ""
    latency: Latency = Latency()


class FalseInterruption(Event):
    """A gate held or dropped audio for what turned out to be no interruption."""

    type: Literal["FALSE_INTERRUPTION"] = "FALSE_INTERRUPTION"
    speaker: str
    by: str
    utterance_id: str
    reason: str
    words: str = ""
    held_ms: float
    """Silence that it cost the listeners."""
    latency: Latency = Latency()


class Backchannel(Event):
    """A person acknowledged without wanting the floor."""

    type: Literal["BACKCHANNEL"] = "BACKCHANNEL"
    speaker: str
    by: str
    utterance_id: str
    reason: str = ""
    words: str = ""
    held_ms: float = 0.0
    latency: Latency = Latency()


class FloorRequested(Event):
    """Somebody asked for the floor."""

    type: Literal["FLOOR_REQUESTED"] = "FLOOR_REQUESTED"
    participant: str
    priority: int
    request_id: str
    on_behalf_of: str | None = None
    reason: str = ""


class FloorQueued(Event):
    """A request waits; `position` counts from 1."""

    type: Literal["FLOOR_QUEUED"] = "FLOOR_QUEUED"
    participant: str
    priority: int
    request_id: str
    position: int
    was: int | None = None
    """Its position before, where a waiting request was moved."""


class FloorGranted(Event):
    """A participant holds the floor from now on, by the envelope's token."""

    type: Literal["FLOOR_GRANTED"] = "FLOOR_GRANTED"
    participant: str
    request_id: str
    lease_ms: int
    waited_ms: int
    guard_ms: int = 0
    """How long the new holder stays silent, so that the tail of a holder who was cut off has died away."""
    reason: str = ""
    position: int | None = None
    """1 where it waited in the queue."""


class FloorDenied(Event):
    """A request was refused."""

    type: Literal["FLOOR_DENIED"] = "FLOOR_DENIED"
    participant: str
    request_id: str
    reason: str
    by: str | None = None
    """The chair that did it; None where a rule did."""
    position: int | None = None
    """The place in the queue that it had, if it waited."""


class FloorReleased(Event):
    """The holder gave the floor back."""

    type: Literal["FLOOR_RELEASED"] = "FLOOR_RELEASED"
    participant: str
    held_ms: int
    to: str | None = None
    reason: str = ""


class FloorRevoked(Event):
    """The holder lost the floor to somebody else, or to the chair."""

    type: Literal["FLOOR_REVOKED"] = "FLOOR_REVOKED"
    participant: str
    by: str
    held_ms: int
    reason: str


class FloorExpired(Event):
    """The holder's lease lapsed; `due_ms` is when it did, on Redis's clock."""

    type: Literal["FLOOR_EXPIRED"] = "FLOOR_EXPIRED"
    participant: str
    held_ms: int
    due_ms: int
    reason: str = ""


class FloorWithdrawn(Event):
    """A waiting request was taken back."""

    type: Literal["FLOOR_WITHDRAWN"] = "FLOOR_WITHDRAWN"
    participant: str
    request_id: str
    reason: str = ""
    position: int | None = None
    """The place in the queue that it had."""


class FloorOpened(Event):
    """Requests are served again."""

    type: Literal["FLOOR_OPENED"] = "FLOOR_OPENED"
    by: str


class FloorClosed(Event):
    """No request is served until the floor is opened."""

    type: Literal["FLOOR_CLOSED"] = "FLOOR_CLOSED"
    by: str
    reason: str = ""


class FloorTaken(Event):
    """The holder's first audio went out, or a person took the idle floor by speaking."""

    type: Literal["FLOOR_TAKEN"] = "FLOOR_TAKEN"
    participant: str
    participant_kind: ParticipantKind = ParticipantKind.AGENT
    granted_to_audio_ms: float | None = None


class FloorRevoking(Event):
    """The holder was told to stop and has `grace_ms` to do so."""

    type: Literal["FLOOR_REVOKING"] = "FLOOR_REVOKING"
    participant: str
    by: str
    grace_ms: int
    reason: str


class FloorLent(Event):
    """An agent may be audible for an acknowledgement, without the floor, for `limit_ms`."""

    type: Literal["FLOOR_LENT"] = "FLOOR_LENT"
    participant: str
    limit_ms: int


class Bid(Event):
    """An agent scored how much it wants to speak; `late` in the envelope if that came too late to count."""

    type: Literal["BID"] = "BID"
    participant: str
    score: float = Field(ge=0.0, le=10.0)
    reason: str
    turn_id: str = ""
    """The speech that is to be answered."""


class SpeechStarted(Event):
    """A person began to speak."""

    type: Literal["SPEECH_STARTED"] = "SPEECH_STARTED"
    participant: str
    speech_id: str


class SpeechEnded(Event):
    """A person stopped speaking."""

    type: Literal["SPEECH_ENDED"] = "SPEECH_ENDED"
    participant: str
    speech_id: str
    duration_ms: float


class StateChanged(Event):
    """A host moved from one state to another."""

    type: Literal["STATE_CHANGED"] = "STATE_CHANGED"
    participant: str
    old: str
    new: str
    cause: str


class SettingsChanged(Event):
    """Room-level settings changed."""

    type: Literal["SETTINGS_CHANGED"] = "SETTINGS_CHANGED"
    by: str
    settings: dict[str, Any]


class RoomOpened(Event):
    """First event of a session."""

    type: Literal["ROOM_OPENED"] = "ROOM_OPENED"


class RoomClosed(Event):
    """Last event of a session."""

    type: Literal["ROOM_CLOSED"] = "ROOM_CLOSED"
    reason: str = ""


class ParticipantJoined(Event):
    """A participant came."""

    type: Literal["PARTICIPANT_JOINED"] = "PARTICIPANT_JOINED"
    participant: str
    participant_kind: ParticipantKind
    role: str = ""


class ParticipantLeft(Event):
    """A participant went, or its heartbeat stopped."""

    type: Literal["PARTICIPANT_LEFT"] = "PARTICIPANT_LEFT"
    participant: str
    reason: str = ""


class ParticipantMuted(Event):
    """The chair muted or unmuted a participant."""

    type: Literal["PARTICIPANT_MUTED"] = "PARTICIPANT_MUTED"
    participant: str
    by: str
    muted: bool


class AgentFailed(Event):
    """An agent could not do its part; what it did instead."""

    type: Literal["AGENT_FAILED"] = "AGENT_FAILED"
    participant: str
    what: str
    recovery: str = ""


class RetentionTrimmed(Event):
    """Old events were removed from the stream."""

    type: Literal["RETENTION_TRIMMED"] = "RETENTION_TRIMMED"
    up_to_id: str
    events: int
    passed_groups: list[str] = Field(default_factory=list[str])


class RecordGap(Event):
    """Events were lost before they could be recorded."""

    type: Literal["RECORD_GAP"] = "RECORD_GAP"
    lost: int
    from_ms: int
    to_ms: int
    reason: str


class WordsForgotten(Event):
    """A participant's words were erased; the listed seq have gone from the stream."""

    type: Literal["WORDS_FORGOTTEN"] = "WORDS_FORGOTTEN"
    participant: str
    seqs: list[int]
    session: str | None = None
    """The session that the seq belong to; None for the session of this event."""


class Transcript(Event):
    """What a person said."""

    kind: ClassVar[Kind] = "TRANSCRIPT"
    type: Literal["TRANSCRIPT"] = "TRANSCRIPT"
    participant: str
    speech_id: str
    text: str
    final: bool
    confidence: float | None = None
    language: str | None = None
    decision: Decision | None = None


class Utterance(Event):
    """What an agent said: what was made, and what was heard of it."""

    kind: ClassVar[Kind] = "UTTERANCE"
    type: Literal["UTTERANCE"] = "UTTERANCE"
    participant: str
    utterance_id: str
    generated_text: str
    heard_text: str
    heard_ms: float
    generated_ms: float
    interrupted: bool


class Usage(Event):
    """Tokens and audio seconds of one agent's turn."""

    kind: ClassVar[Kind] = "USAGE"
    type: Literal["USAGE"] = "USAGE"
    participant: str
    input_tokens: int = 0
    output_tokens: int = 0
    audio_in_s: float = 0.0
    audio_out_s: float = 0.0


class UnknownEvent(Event):
    """An event of a type or version that this reader does not know; passed through untouched."""

    type: Literal["UNKNOWN"] = "UNKNOWN"
    original_kind: str
    original_type: str
    original_v: int = SCHEMA_VERSION
    data: dict[str, Any] = Field(default_factory=dict[str, Any])


KnownEvent = Annotated[
    Interruption
    | FalseInterruption
    | Backchannel
    | FloorRequested
    | FloorQueued
    | FloorGranted
    | FloorDenied
    | FloorReleased
    | FloorRevoked
    | FloorExpired
    | FloorWithdrawn
    | FloorOpened
    | FloorClosed
    | FloorTaken
    | FloorRevoking
    | FloorLent
    | Bid
    | SpeechStarted
    | SpeechEnded
    | StateChanged
    | SettingsChanged
    | RoomOpened
    | RoomClosed
    | ParticipantJoined
    | ParticipantLeft
    | ParticipantMuted
    | AgentFailed
    | RetentionTrimmed
    | RecordGap
    | WordsForgotten
    | Transcript
    | Utterance
    | Usage,
    Field(discriminator="type"),
]


class Recorded(BaseModel):
    """One entry of the stream: an event with its envelope."""

    model_config = ConfigDict(frozen=True)
    id: str
    """Redis entry id."""
    kind: str
    type: str
    room: str
    session: str
    seq: int
    """Gap-free within a session, from 1."""
    prev: str
    """Entry id before this one in the session; empty for the first."""
    source: str
    at_ms: int
    """Redis time of writing."""
    occurred_ms: int
    """When it happened, on Redis's clock, as the source estimates it."""
    v: int = SCHEMA_VERSION
    token: int | None = None
    late: bool = False
    """A report with a token that was no longer the current one."""
    traceparent: str | None = None
    unknown_fields: dict[str, str] = Field(default_factory=dict[str, str])
    """Fields of the entry that this reader does not know; passed through untouched."""
    event: KnownEvent | UnknownEvent

"""A room inside one process, behind the same Protocol as a real one.

A pushed frame reaches every other participant in the same call, in order, and is recorded on the
room's timeline. Nothing is queued in between: `queued_ms` is 0.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from adapters.audio import mono_samples
from adapters.errors import NotConnectedError
from adapters.ports import AudioFrame
from adapters.track_format import TrackFormat
from adapters.track_record import TrackRecord, mixed

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from adapters.ports import RoomListener

_log = logging.getLogger(__name__)

RECORD_LIMIT_S = 1800.0
"""What is said later is not recorded."""


class InMemoryRoom:
    """The hub: hands out participants, records what everybody pushes.

    Joining again with an identity that is there takes its place, as in a LiveKit room.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        record_limit_s: float = RECORD_LIMIT_S,
    ) -> None:
        self.name = name
        self._clock = clock
        self._record_limit_s = record_limit_s
        self._opened_s = clock()
        self._present: dict[str, InMemoryParticipant] = {}
        self._records: dict[str, list[TrackRecord]] = {}

    @property
    def opened_s(self) -> float:
        """Time of the recording's first sample, on the room's clock."""
        return self._opened_s

    def join(self, identity: str) -> InMemoryParticipant:
        """A participant of this room, to be connected."""
        return InMemoryParticipant(self, identity)

    def recording(self, sample_rate_hz: int = 24_000) -> dict[str, NDArray[np.int16]]:
        """What each participant was heard to say: equally long, sample n is n / rate after `opened_s`."""
        return mixed(self._records, sample_rate_hz)

    def close(self, reason: str = "room closed") -> None:
        """End the room for everybody."""
        for participant in tuple(self._present.values()):
            self.leave(participant, reason)

    def enter(self, newcomer: InMemoryParticipant) -> None:
        """A participant connects."""
        before = self._present.get(newcomer.identity)
        if before is newcomer:
            return
        if before is not None:
            self.leave(before, "identity joined again")
        others = tuple(self._present.values())
        self._present[newcomer.identity] = newcomer
        for other in others:
            newcomer.tell(lambda listener, other=other: listener.on_joined(other.identity))
            other.tell(lambda listener: listener.on_joined(newcomer.identity))

    def leave(self, leaver: InMemoryParticipant, reason: str) -> None:
        """A participant's connection ends."""
        if self._present.get(leaver.identity) is not leaver:
            return
        del self._present[leaver.identity]
        for other in tuple(self._present.values()):
            other.tell(lambda listener: listener.on_left(leaver.identity))
        leaver.tell(lambda listener: listener.on_closed(reason))

    def others(self, participant: InMemoryParticipant) -> tuple[InMemoryParticipant, ...]:
        """Who else is connected."""
        return tuple(other for other in self._present.values() if other is not participant)

    def has(self, participant: InMemoryParticipant) -> bool:
        """Whether it is connected."""
        return self._present.get(participant.identity) is participant

    def new_record(self, identity: str, sample_rate_hz: int) -> TrackRecord:
        """Room on the timeline for a new track."""
        record = TrackRecord(sample_rate_hz)
        self._records.setdefault(identity, []).append(record)
        return record

    def deliver(self, speaker: InMemoryParticipant, frame: AudioFrame, record: TrackRecord) -> None:
        """Record a frame and let everybody else hear it."""
        at_s = self._clock() - self._opened_s
        if at_s <= self._record_limit_s:
            record.add(mono_samples(frame), at_s)
        for other in self.others(speaker):
            other.tell(lambda listener: listener.on_audio(speaker.identity, frame))

    def muted(self, speaker: InMemoryParticipant) -> None:
        """Tell everybody else that no more audio comes for now."""
        for other in self.others(speaker):
            other.tell(lambda listener: listener.on_muted(speaker.identity))


class InMemoryParticipant:
    """One participant's connection: a `Room`. Usable as an async context manager."""

    def __init__(self, hub: InMemoryRoom, identity: str) -> None:
        self._hub = hub
        self._identity = identity
        self._listeners: list[RoomListener] = []

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def name(self) -> str:
        return self._hub.name

    def add_listener(self, listener: RoomListener) -> None:
        """Tell `listener` from now on, first of all who is already there."""
        self._listeners.append(listener)
        if self._hub.has(self):
            for other in self._hub.others(self):
                listener.on_joined(other.identity)

    def remove_listener(self, listener: RoomListener) -> None:
        """Tell it no more; no harm if it never listened."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def connect(self) -> None:
        """Join; at once, and again after `aclose` is allowed."""
        self._hub.enter(self)

    async def publish_audio(self, sample_rate_hz: int, *, channels: int = 1) -> InMemorySink:
        """A new outgoing track.

        Raises:
            NotConnectedError: before `connect` or after the connection has ended.
            UnsupportedAudioError: a format that is not taken.
        """
        track_format = TrackFormat(sample_rate_hz, channels)
        if not self._hub.has(self):
            raise NotConnectedError(self.name, self._identity)
        return InMemorySink(self._hub, self, track_format)

    async def aclose(self) -> None:
        """Leave. Harmless when not there."""
        self._hub.leave(self, "left")

    async def __aenter__(self) -> InMemoryParticipant:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def tell(self, call: Callable[[RoomListener], None]) -> None:
        """Tell every listener; one that raises is logged and the others are told all the same."""
        for listener in tuple(self._listeners):
            try:
                call(listener)
            except Exception:
                _log.exception("room_listener_failed")


class InMemorySink:
    """One outgoing track. What is pushed has been delivered when `push` returns."""

    def __init__(self, hub: InMemoryRoom, owner: InMemoryParticipant, track_format: TrackFormat) -> None:
        self._hub = hub
        self._owner = owner
        self._format = track_format
        self._record = hub.new_record(owner.identity, track_format.sample_rate_hz)
        self._muted = False

    @property
    def sample_rate_hz(self) -> int:
        return self._format.sample_rate_hz

    @property
    def queued_ms(self) -> float:
        return 0.0

    def push(self, pcm: bytes) -> None:
        """Deliver one frame of FRAME_MS; nobody hears it while muted or after leaving.

        Raises:
            UnsupportedAudioError: not exactly one frame.
        """
        self._format.check_frame(pcm)
        if self._muted or not self._hub.has(self._owner):
            return
        frame = AudioFrame(pcm, self._format.sample_rate_hz, self._format.channels)
        self._hub.deliver(self._owner, frame, self._record)

    def clear(self) -> None:
        """Nothing is ever held."""

    def set_muted(self, muted: bool) -> None:
        """Let the others hear nothing of this track from now on, or hear it again."""
        if muted and not self._muted:
            self._hub.muted(self._owner)
        self._muted = muted

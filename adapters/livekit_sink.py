"""One outgoing LiveKit track that is fed without waiting."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from adapters.ports import FRAME_MS

if TYPE_CHECKING:
    from asyncio import Task, TaskGroup

    from livekit import rtc

    from adapters.track_format import TrackFormat

_log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 8
"""Frames that the engine has not acknowledged; the newest that comes on top is discarded. Pacer stops
short of it."""


class LiveKitSink:
    """An `AudioSink` over an AudioSource without a queue: what is pushed goes to the encoder at once.

    The engine's acknowledgement is not waited for (it takes up to 9 ms under load); frames without
    one count as queued. They cannot be called back.
    """

    def __init__(
        self,
        source: rtc.AudioSource,
        track: rtc.LocalAudioTrack,
        track_format: TrackFormat,
        tasks: TaskGroup,
    ) -> None:
        from livekit import rtc

        self._source: rtc.AudioSource | None = source
        self._track = track
        self._format = track_format
        self._tasks = tasks
        self._frame = rtc.AudioFrame
        self._in_flight: set[Task[None]] = set()
        self._muted = False
        self.discarded_frames = 0
        """Frames that came while MAX_IN_FLIGHT were on their way."""

    @property
    def sample_rate_hz(self) -> int:
        return self._format.sample_rate_hz

    @property
    def queued_ms(self) -> float:
        return float(len(self._in_flight) * FRAME_MS)

    def push(self, pcm: bytes) -> None:
        """Send one frame of FRAME_MS; discarded while muted, and after the room has gone.

        Raises:
            UnsupportedAudioError: not exactly one frame.
        """
        self._format.check_frame(pcm)
        if self._source is None or self._muted:
            return
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            self.discarded_frames += 1
            return
        frame = self._frame(
            pcm, self._format.sample_rate_hz, self._format.channels, self._format.frame_samples
        )
        task = self._tasks.create_task(self._capture(self._source, frame))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    def clear(self) -> None:
        """Nothing is held that could be called back."""

    def set_muted(self, muted: bool) -> None:
        """Let the others hear nothing of this track from now on, or hear it again."""
        if self._source is not None and muted != self._muted:
            self._track.mute() if muted else self._track.unmute()
        self._muted = muted

    async def aclose(self) -> None:
        """Send no more. Has to come before the room is left: a source cannot be let go of afterwards."""
        source, self._source = self._source, None
        for task in tuple(self._in_flight):
            task.cancel()
        if source is not None:
            with suppress(AssertionError):  # the engine has let go of it already: the room was lost
                await source.aclose()
            with suppress(AssertionError):  # at the exit the engine is gone before it
                self._track._ffi_handle.dispose()  # pyright: ignore[reportPrivateUsage]

    async def _capture(self, source: Any, frame: Any) -> None:
        try:
            await source.capture_frame(frame)
        except Exception:
            _log.exception("capture_failed")

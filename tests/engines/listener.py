"""A participant that records every remote track by itself, and what can be read off such a recording.

Times are monotonic seconds. A frame is 10 ms; its time is when its last sample had arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import wave
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from livekit import rtc

FRAME_S = 0.010
LOUD_RMS = 200.0
"""RMS of 10 ms of int16 samples from which a frame counts as audible (-44 dBFS)."""
CLOSE_LIMIT_S = 1.0
_LOOK_AHEAD = 50
_GAP_S = 0.25
"""Frames that are further apart are no continuous stretch: the track was not delivered in between."""


@dataclass(slots=True)
class TrackRecording:
    """What was heard of one participant: int16 mono frames of 10 ms with their arrival times."""

    identity: str
    sample_rate_hz: int
    arrivals_s: list[float] = field(default_factory=list[float])
    frames: list[bytes] = field(default_factory=list[bytes])
    levels: list[float] = field(default_factory=list[float])
    """RMS of each frame."""

    def add(self, arrival_s: float, pcm: bytes) -> None:
        """Append one frame."""
        self.arrivals_s.append(arrival_s)
        self.frames.append(pcm)
        self.levels.append(rms(pcm))

    def clear(self) -> None:
        """Forget what was heard so far."""
        self.arrivals_s.clear()
        self.frames.clear()
        self.levels.clear()

    def times_s(self) -> list[float]:
        """When each frame's last sample had arrived, the reader's own lateness taken out.

        Frames are made in steps of 10 ms: none can have come later than a later one's arrival minus the
        sound in between.
        """
        times = list(self.arrivals_s)
        for i in range(len(times) - 2, -1, -1):
            if times[i + 1] - times[i] < _GAP_S:
                times[i] = min(times[i], times[i + 1] - FRAME_S)
        return times

    def samples(
        self, from_s: float = -math.inf, to_s: float = math.inf
    ) -> np.ndarray[Any, np.dtype[np.int16]]:
        """What arrived between two times, frames put end to end."""
        kept = [pcm for at, pcm in zip(self.times_s(), self.frames, strict=True) if from_s < at <= to_s]
        return np.frombuffer(b"".join(kept), dtype=np.int16)


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of time."""

    from_s: float
    to_s: float

    @property
    def ms(self) -> float:
        return (self.to_s - self.from_s) * 1000


def rms(pcm: bytes) -> float:
    """Root mean square of int16 samples; 0 for none."""
    samples = np.frombuffer(pcm, dtype=np.int16).astype(np.float64)
    return float(np.sqrt(np.mean(samples * samples))) if len(samples) else 0.0


def audible_intervals(
    recording: TrackRecording, *, threshold: float = LOUD_RMS, bridge_ms: float = 0.0
) -> list[Interval]:
    """Return when the track was audible, in order; silences up to `bridge_ms` are taken as part of it."""
    intervals: list[Interval] = []
    for at, level in zip(recording.times_s(), recording.levels, strict=True):
        if level < threshold:
            continue
        begin = at - FRAME_S
        if intervals and (begin - intervals[-1].to_s) * 1000 <= bridge_ms + 5.0:
            intervals[-1] = Interval(intervals[-1].from_s, at)
        else:
            intervals.append(Interval(begin, at))
    return intervals


def first_loud_s(
    recording: TrackRecording, *, after_s: float = -math.inf, threshold: float = LOUD_RMS
) -> float | None:
    """Return when the first audible frame after a time had arrived, or None."""
    for at, level in zip(recording.times_s(), recording.levels, strict=True):
        if at > after_s and level >= threshold:
            return at
    return None


def last_loud_s(
    recording: TrackRecording, *, before_s: float = math.inf, threshold: float = LOUD_RMS
) -> float | None:
    """Return when the last audible frame before a time had arrived, or None."""
    for at, level in zip(reversed(recording.times_s()), reversed(recording.levels), strict=True):
        if at <= before_s and level >= threshold:
            return at
    return None


def overlap_ms(one: Sequence[Interval], other: Sequence[Interval]) -> float:
    """Return the time that lies in both."""
    return sum(max(0.0, min(a.to_s, b.to_s) - max(a.from_s, b.from_s)) for a in one for b in other) * 1000


def write_wav(path: Path, recordings: Sequence[TrackRecording]) -> None:
    """Write what was heard, a channel for each track, laid out by arrival time. All of one sample rate.

    Raises:
        ValueError: nothing was heard, or the sample rates differ.
    """
    rates = {recording.sample_rate_hz for recording in recordings if recording.frames}
    if len(rates) != 1:
        raise ValueError(f"one sample rate is needed, not {sorted(rates)!r}")
    rate = rates.pop()
    times = [recording.times_s() for recording in recordings]
    start = min(at[0] for at in times if at) - FRAME_S
    end = max(at[-1] for at in times if at)
    sound = np.zeros((round((end - start) * rate) + rate, len(recordings)), dtype=np.int16)
    for channel, (recording, at) in enumerate(zip(recordings, times, strict=True)):
        for arrival, pcm in zip(at, recording.frames, strict=True):
            samples = np.frombuffer(pcm, dtype=np.int16)
            begin = round((arrival - FRAME_S - start) * rate)
            sound[begin : begin + len(samples), channel] = samples
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(recordings))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound.tobytes())


class Listener:
    """A participant that only listens; `async with Listener(url, token) as listener`.

    Each remote audio track goes into `tracks[identity]`, from its subscription on. Nothing is mixed.
    While `recording` is False, what arrives is dropped.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        sample_rate_hz: int = 48_000,
        only: Callable[[str], bool] = lambda identity: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tracks: dict[str, TrackRecording] = {}
        self.recording = True
        self._url = url
        self._token = token
        self._rate = sample_rate_hz
        self._only = only
        self._clock = clock
        self._news = asyncio.Event()
        self._stack = contextlib.AsyncExitStack()
        self._streams: list[rtc.AudioStream] = []

    async def __aenter__(self) -> Self:
        from livekit import rtc

        async with contextlib.AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            room = rtc.Room()

            def subscribed(track: Any, publication: Any, participant: Any) -> None:
                if track.kind == rtc.TrackKind.KIND_AUDIO and self._only(participant.identity):
                    tasks.create_task(self._record(track, participant.identity))

            room.on("track_subscribed", subscribed)  # pyright: ignore[reportUnknownMemberType]
            stack.push_async_callback(self._leave, room)
            await room.connect(self._url, self._token)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def clear(self) -> None:
        """Forget what was heard so far, of everybody."""
        for track in self.tracks.values():
            track.clear()

    async def wait_track(self, identity: str, *, limit_s: float) -> None:
        """Return when frames of `identity`'s track arrive, silent ones too.

        Raises:
            TimeoutError: none did within `limit_s`.
        """
        async with asyncio.timeout(limit_s):
            while identity not in self.tracks or not self.tracks[identity].frames:
                self._news.clear()
                await self._news.wait()

    async def wait_audible(self, identity: str, *, after_s: float, limit_s: float) -> float:
        """Return when the first audible frame of `identity` after `after_s` had arrived.

        Raises:
            TimeoutError: there was none within `limit_s`.
        """
        async with asyncio.timeout(limit_s):
            looked = 0
            while True:
                track = self.tracks.get(identity)
                if track is not None:
                    for i in range(min(looked, len(track.frames)), len(track.frames)):
                        if track.arrivals_s[i] > after_s and track.levels[i] >= LOUD_RMS:
                            return track.arrivals_s[i]
                    looked = len(track.frames)
                self._news.clear()
                await self._news.wait()

    async def _record(self, track: Any, identity: str) -> None:
        from livekit import rtc

        stream = rtc.AudioStream(track, sample_rate=self._rate, num_channels=1, frame_size_ms=10)
        self._streams.append(stream)
        heard = self.tracks.setdefault(identity, TrackRecording(identity, self._rate))
        async for event in stream:
            if self.recording:
                heard.add(self._clock(), bytes(event.frame.data))
                self._news.set()

    async def _leave(self, room: Any) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                for stream in self._streams:
                    await stream.aclose()
                await room.disconnect()

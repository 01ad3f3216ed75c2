"""A person at a microphone: publishes recordings in real time, and says when the first loud sample left."""

from __future__ import annotations

import asyncio
import contextlib
import time
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from tests.engines.listener import rms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

FRAME_S = 0.010
ONSET_RMS = 500.0
"""Speech begins with the first of ONSET_FRAMES frames in a row that are at least this loud."""
ONSET_FRAMES = 3
CLOSE_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Speech:
    """A recording as int16 mono at `sample_rate_hz`."""

    name: str
    sample_rate_hz: int
    samples: NDArray[np.int16]

    @property
    def ms(self) -> float:
        return len(self.samples) * 1000 / self.sample_rate_hz

    def onset_frame(self) -> int:
        """Return the index of the 10 ms frame in which the speech begins.

        Raises:
            ValueError: nothing in it is loud enough.
        """
        size = round(self.sample_rate_hz * FRAME_S)
        loud = [
            rms(self.samples[i : i + size].tobytes()) >= ONSET_RMS
            for i in range(0, len(self.samples) - size + 1, size)
        ]
        for i in range(len(loud) - ONSET_FRAMES + 1):
            if all(loud[i : i + ONSET_FRAMES]):
                return i
        raise ValueError(f"no speech in {self.name!r}")

    def room_tone(self) -> Speech:
        """Return the sound of the room before the speech, made so that it can be played round and round."""
        size = round(self.sample_rate_hz * FRAME_S)
        before = self.samples[: max(1, self.onset_frame() - 3) * size]
        return Speech(f"{self.name} room", self.sample_rate_hz, np.concatenate((before, before[::-1])))

    def cut(self, from_ms: float, to_ms: float) -> Speech:
        """Return a part of it."""
        begin, end = (round(ms * self.sample_rate_hz / 1000) for ms in (from_ms, to_ms))
        return Speech(f"{self.name}[{from_ms:.0f}:{to_ms:.0f}]", self.sample_rate_hz, self.samples[begin:end])


def read_speech(path: Path) -> Speech:
    """Read a WAV file of int16 mono.

    Raises:
        ValueError: it is in another format.
    """
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2 or file.getnchannels() != 1:
            raise ValueError(f"{path.name}: int16 mono is needed")
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        return Speech(path.stem, file.getframerate(), samples)


class Person:
    """A participant with a microphone; `async with Person(url, token) as person`.

    While `live`, it pushes a frame every 10 ms, as a microphone does: where nothing is said, the sound of
    the room, which is silence until `stay_in` gives it one.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        sample_rate_hz: int = 16_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._url = url
        self._token = token
        self._clock = clock
        self.through: Callable[[bytes], bytes] = lambda pcm: pcm
        """What becomes of each frame before it is pushed: an echo that is mixed in, say."""
        self._live = asyncio.Event()
        self._live.set()
        self._room: list[bytes] = [bytes(2 * round(sample_rate_hz * FRAME_S))]
        self._frames: list[bytes] = []
        self._next = 0
        self._onset_frame = 0
        self._onset: asyncio.Future[float] | None = None
        self._said: asyncio.Future[None] | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        from livekit import rtc

        async with contextlib.AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            room = rtc.Room()
            stack.push_async_callback(_leave, room)
            await room.connect(self._url, self._token, rtc.RoomOptions(auto_subscribe=False))
            # No queue between the push and the encoder: the push time is the time at which sound leaves.
            source = rtc.AudioSource(self.sample_rate_hz, 1, queue_size_ms=0)
            # After a room has gone its sources cannot be let go: closed before it.
            stack.push_async_callback(source.aclose)
            track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
            await room.local_participant.publish_track(track, options)
            microphone = tasks.create_task(self._push(source, rtc.AudioFrame))
            stack.callback(microphone.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    @property
    def live(self) -> bool:
        """Whether the microphone is on. Off, nothing is sent at all."""
        return self._live.is_set()

    @live.setter
    def live(self, on: bool) -> None:
        if on:
            self._live.set()
        else:
            self._live.clear()

    def stay_in(self, room: Speech) -> None:
        """Push this round and round from now on, whenever nothing is said.

        Raises:
            ValueError: another sample rate than the microphone's.
        """
        self._check(room)
        self._room = self._cut(room)

    async def say(self, speech: Speech) -> float:
        """Begin to say `speech`; return the time at which its first loud sample was pushed.

        Raises:
            ValueError: another sample rate than the microphone's, or no speech in it.
            RuntimeError: the person is still speaking.
        """
        self._check(speech)
        if self._said is not None and not self._said.done():
            raise RuntimeError("still speaking")
        onset_frame = speech.onset_frame()
        loop = asyncio.get_running_loop()
        self._onset, self._said = loop.create_future(), loop.create_future()
        self._frames = self._cut(speech)
        self._next, self._onset_frame = 0, onset_frame
        return await self._onset

    async def said(self) -> None:
        """Return when what was begun has been said."""
        if self._said is not None:
            await self._said

    def hush(self) -> None:
        """Break off."""
        self._frames = []
        if self._said is not None and not self._said.done():
            self._said.set_result(None)

    def _check(self, speech: Speech) -> None:
        if speech.sample_rate_hz != self.sample_rate_hz:
            raise ValueError(f"{speech.name!r} is not at {self.sample_rate_hz} Hz")

    def _cut(self, speech: Speech) -> list[bytes]:
        pcm, size = speech.samples.tobytes(), 2 * round(self.sample_rate_hz * FRAME_S)
        return [pcm[i : i + size].ljust(size, b"\0") for i in range(0, len(pcm), size)]

    async def _push(self, source: Any, audio_frame: Any) -> None:
        size = round(self.sample_rate_hz * FRAME_S)
        tick = 0
        due_s = self._clock()
        while True:
            if not self._live.is_set():
                await self._live.wait()
                due_s = self._clock()
            pcm = self._room[tick % len(self._room)]
            tick += 1
            if self._next < len(self._frames):
                pcm = self._frames[self._next]
                if self._next == self._onset_frame and self._onset is not None and not self._onset.done():
                    self._onset.set_result(self._clock())
                self._next += 1
                if self._next == len(self._frames) and self._said is not None and not self._said.done():
                    self._said.set_result(None)
            await source.capture_frame(audio_frame(self.through(pcm), self.sample_rate_hz, 1, size))
            due_s = max(due_s + FRAME_S, self._clock() - 0.1)
            await asyncio.sleep(max(0.0, due_s - self._clock()))


async def _leave(room: Any) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_LIMIT_S):
            await room.disconnect()

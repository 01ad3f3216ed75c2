"""What every room has to do: the one in memory, and LiveKit's over WebRTC on loopback."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from adapters.errors import NotConnectedError, UnsupportedAudioError
from adapters.livekit_room import LiveKitRoom
from adapters.memory_room import InMemoryRoom
from adapters.pacer import Pacer
from adapters.ports import FRAME_MS, AudioFrame
from tests.engines.livekit import LiveKitServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from adapters.ports import Room

TONE_HZ = 440
LIMIT_S = 8.0


class Heard:
    """A RoomListener that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.frames: dict[str, list[AudioFrame]] = {}
        self._news = asyncio.Event()

    def on_joined(self, identity: str) -> None:
        self._add("joined", identity)

    def on_left(self, identity: str) -> None:
        self._add("left", identity)

    def on_audio(self, identity: str, frame: AudioFrame) -> None:
        self.frames.setdefault(identity, []).append(frame)
        self._news.set()

    def on_muted(self, identity: str) -> None:
        self._add("muted", identity)

    def on_closed(self, reason: str) -> None:
        self._add("closed", "")

    def samples(self, identity: str) -> np.ndarray[Any, np.dtype[np.int16]]:
        """What was heard of somebody, first channel."""
        return np.concatenate(
            [
                np.frombuffer(frame.pcm, dtype=np.int16)[:: frame.channels]
                for frame in self.frames.get(identity, [])
            ]
            or [np.zeros(0, dtype=np.int16)]
        )

    def loud_ms(self, identity: str) -> int:
        return FRAME_MS * sum(
            int(np.abs(np.frombuffer(frame.pcm, dtype=np.int16).astype(int)).mean() > 500)
            for frame in self.frames.get(identity, [])
        )

    async def until(self, holds: Callable[[Heard], bool]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not holds(self):
                self._news.clear()
                await self._news.wait()

    async def until_told(self, what: str, identity: str = "") -> None:
        await self.until(lambda heard: (what, identity) in heard.told)

    def _add(self, what: str, identity: str) -> None:
        self.told.append((what, identity))
        self._news.set()


class Rooms:
    """Makes participants of one room, and leaves with all of them."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self.make = make
        self._stack = AsyncExitStack()

    async def join(self, identity: str) -> tuple[Any, Heard]:
        room = self.make(identity)
        heard = Heard()
        room.add_listener(heard)
        await room.connect()
        self._stack.push_async_callback(room.aclose)
        return room, heard

    async def aclose(self) -> None:
        await self._stack.aclose()


@pytest.fixture(params=["memory", pytest.param("livekit", marks=[pytest.mark.real, pytest.mark.livekit])])
async def rooms(request: pytest.FixtureRequest) -> AsyncIterator[Rooms]:
    if request.param == "memory":
        yield Rooms(InMemoryRoom("panel").join)
        return
    async with LiveKitServer() as server:
        rooms = Rooms(
            lambda identity: LiveKitRoom(
                server.url,
                api_key=server.key,
                api_secret=server.secret,
                identity=identity,
                room="panel",
            )
        )
        try:
            yield rooms
        finally:
            await rooms.aclose()


def tone(sample_rate_hz: int, channels: int = 1) -> Callable[[float], bytes]:
    """A source of TONE_HZ, frame by frame."""
    samples = sample_rate_hz * FRAME_MS // 1000
    position = 0

    def frame(now_s: float) -> bytes:
        nonlocal position
        n = np.arange(position, position + samples)
        position += samples
        wave = (9000 * np.sin(2 * np.pi * TONE_HZ / sample_rate_hz * n)).astype("<i2")
        return np.repeat(wave, channels).tobytes()

    return frame


@asynccontextmanager
async def sounding(room: Any, sample_rate_hz: int = 16_000, channels: int = 1) -> AsyncIterator[Any]:
    sink = await room.publish_audio(sample_rate_hz, channels=channels)
    pacer = Pacer(sink, tone(sample_rate_hz, channels))
    pacer.start()
    try:
        yield sink
    finally:
        pacer.stop()


def loudest_hz(samples: np.ndarray[Any, np.dtype[np.int16]], sample_rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * sample_rate_hz / len(samples)


async def test_who_is_there_is_told_to_newcomers_and_newcomers_to_who_is_there(rooms: Rooms) -> None:
    ann, ann_heard = await rooms.join("ann")
    ben, ben_heard = await rooms.join("ben")
    await ann_heard.until_told("joined", "ben")
    await ben_heard.until_told("joined", "ann")
    assert (ann.identity, ann.name, ben.identity) == ("ann", "panel", "ben")
    late = Heard()
    ben.add_listener(late)
    assert late.told == [("joined", "ann")]
    assert ann_heard.told.count(("joined", "ben")) == 1
    assert ("joined", "ann") not in ann_heard.told


async def test_leaving_is_told_to_the_others_and_to_oneself(rooms: Rooms) -> None:
    ann, ann_heard = await rooms.join("ann")
    _, ben_heard = await rooms.join("ben")
    await ben_heard.until_told("joined", "ann")
    await ann.aclose()
    await ben_heard.until_told("left", "ann")
    assert ann_heard.told[-1] == ("closed", "")
    await ann.aclose()
    assert ann_heard.told.count(("closed", "")) == 1


@pytest.mark.parametrize(
    ("sample_rate_hz", "channels"), [(8_000, 1), (16_000, 2), (24_000, 1), (44_100, 2), (48_000, 1)]
)
async def test_what_one_pushes_the_others_hear_in_frames(
    rooms: Rooms, sample_rate_hz: int, channels: int
) -> None:
    ann, ann_heard = await rooms.join("ann")
    _, ben_heard = await rooms.join("ben")
    async with sounding(ann, sample_rate_hz, channels):
        await ben_heard.until(lambda heard: heard.loud_ms("ann") >= 600)
    frame = ben_heard.frames["ann"][-1]
    assert len(frame.pcm) == frame.sample_rate_hz * FRAME_MS // 1000 * 2 * frame.channels
    samples = ben_heard.samples("ann")[-frame.sample_rate_hz // 4 :]
    assert loudest_hz(samples, frame.sample_rate_hz) == pytest.approx(TONE_HZ, abs=10)
    assert not ann_heard.frames


async def test_a_muted_track_is_silent_until_it_is_unmuted(rooms: Rooms) -> None:
    ann, _ = await rooms.join("ann")
    _, heard = await rooms.join("ben")
    async with sounding(ann) as sink:
        await heard.until(lambda heard: heard.loud_ms("ann") >= 100)
        sink.set_muted(True)
        await heard.until_told("muted", "ann")
        heard.frames.clear()
        await asyncio.sleep(0.1)
        assert not heard.frames
        sink.set_muted(False)
        await heard.until(lambda heard: heard.loud_ms("ann") >= 100)
    assert heard.told.count(("muted", "ann")) == 1


async def test_somebody_who_leaves_while_speaking_is_told_of_and_heard_no_more(rooms: Rooms) -> None:
    ann, _ = await rooms.join("ann")
    _, heard = await rooms.join("ben")
    async with sounding(ann) as sink:
        await heard.until(lambda heard: heard.loud_ms("ann") >= 100)
        await ann.aclose()
        await heard.until_told("left", "ann")
        heard.frames.clear()
        sink.push(bytes(320))
        await asyncio.sleep(0.05)
    assert not heard.frames


async def test_several_people_are_heard_apart(rooms: Rooms) -> None:
    ann, _ = await rooms.join("ann")
    ben, _ = await rooms.join("ben")
    _, heard = await rooms.join("cyd")
    async with sounding(ann), sounding(ben, 48_000):
        await heard.until(lambda heard: min(heard.loud_ms("ann"), heard.loud_ms("ben")) >= 300)


async def test_an_identity_that_joins_again_takes_the_place(rooms: Rooms) -> None:
    _, first_heard = await rooms.join("ann")
    await rooms.join("ann")
    await first_heard.until_told("closed")


async def test_without_a_connection_nothing_can_be_published(rooms: Rooms) -> None:
    room: Room = rooms.make("ann")
    with pytest.raises(NotConnectedError):
        await room.publish_audio(16_000)


@pytest.mark.parametrize(("sample_rate_hz", "channels"), [(4_000, 1), (96_000, 1), (22_050, 1), (16_000, 3)])
async def test_formats_that_are_not_taken_are_refused(
    rooms: Rooms, sample_rate_hz: int, channels: int
) -> None:
    ann, _ = await rooms.join("ann")
    with pytest.raises(UnsupportedAudioError):
        await ann.publish_audio(sample_rate_hz, channels=channels)


async def test_only_whole_frames_are_taken(rooms: Rooms) -> None:
    ann, _ = await rooms.join("ann")
    sink = await ann.publish_audio(16_000)
    assert sink.sample_rate_hz == 16_000
    assert sink.queued_ms == 0
    for size in (0, 318, 322, 640):
        with pytest.raises(UnsupportedAudioError):
            sink.push(bytes(size))


async def test_a_listener_that_fails_or_has_gone_does_not_disturb_the_others(
    rooms: Rooms, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(Heard):
        def on_audio(self, identity: str, frame: AudioFrame) -> None:
            raise RuntimeError("listener")

    ann, _ = await rooms.join("ann")
    ben, heard = await rooms.join("ben")
    gone = Heard()
    ben.add_listener(gone)
    ben.remove_listener(gone)
    ben.remove_listener(gone)
    ben.remove_listener(heard)
    ben.add_listener(Faulty())
    ben.add_listener(heard)
    async with sounding(ann):
        await heard.until(lambda heard: heard.loud_ms("ann") >= 50)
    assert not gone.frames
    assert "room_listener_failed" in caplog.text

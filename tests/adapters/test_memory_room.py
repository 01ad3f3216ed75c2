"""What the room in memory records, and that importing the package stays cheap."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from adapters import InMemoryRoom
from adapters.pacer import Pacer
from tests.adapters.scripted import numbered
from tests.adapters.virtual_time import VirtualLoop, run_virtual


class Clock:
    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


async def test_the_recording_holds_what_was_pushed_when_it_was_pushed() -> None:
    clock = Clock()
    hub = InMemoryRoom("panel", clock=clock)
    async with hub.join("ann") as ann, hub.join("ben") as ben:
        ann_sink, ben_sink = await ann.publish_audio(16_000), await ben.publish_audio(16_000)
        for n in range(10):
            ann_sink.push(numbered(n * 160, 160))
            clock.now_s += 0.01
        clock.now_s = 51.0
        ben_sink.push(numbered(0, 160))
    recording = hub.recording(16_000)
    assert {len(track) for track in recording.values()} == {16_160}
    assert recording["ann"].tobytes() == numbered(0, 1600) + bytes(2 * (16_160 - 1600))
    assert recording["ben"].tobytes() == bytes(2 * 16_000) + numbered(0, 160)


async def test_jitter_and_catching_up_leave_no_hole_in_the_recording() -> None:
    clock = Clock()
    hub = InMemoryRoom("panel", clock=clock)
    async with hub.join("ann") as ann:
        sink = await ann.publish_audio(16_000)
        position = 0
        for lateness_ms in (0, 4, 25, 0, 9, 0):
            clock.now_s += lateness_ms / 1000
            for _ in range(1 + lateness_ms // 10):
                sink.push(numbered(position, 160))
                position += 160
            clock.now_s += 0.01 - lateness_ms % 10 / 1000
    assert hub.recording(16_000)["ann"].tobytes() == numbered(0, position)


async def test_tracks_of_different_rates_are_recorded_at_one() -> None:
    clock = Clock()
    hub = InMemoryRoom("panel", clock=clock)
    async with hub.join("ann") as ann, hub.join("ben") as ben:
        ann_sink = await ann.publish_audio(8_000)
        ben_sink = await ben.publish_audio(48_000, channels=2)
        for n in range(50):
            t = np.arange(n * 480, (n + 1) * 480) / 48_000
            wave = (8000 * np.sin(2 * np.pi * 440 * t)).astype("<i2")
            ann_sink.push(wave[::6].tobytes())
            ben_sink.push(np.repeat(wave, 2).tobytes())
            clock.now_s += 0.01
    recording = hub.recording(24_000)
    ann_track, ben_track = (recording[name].astype(int) for name in ("ann", "ben"))
    assert len(ann_track) == len(ben_track) == 12_000
    middle = slice(2_000, 10_000)
    assert np.abs(ann_track[middle] - ben_track[middle]).max() < 400


async def test_muted_and_departed_audio_is_not_recorded_and_neither_is_what_exceeds_the_limit() -> None:
    clock = Clock()
    hub = InMemoryRoom("panel", clock=clock, record_limit_s=1.0)
    ann = hub.join("ann")
    await ann.connect()
    sink = await ann.publish_audio(16_000)
    sink.set_muted(True)
    sink.push(numbered(0, 160))
    sink.set_muted(False)
    clock.now_s += 2
    sink.push(numbered(0, 160))
    await ann.aclose()
    sink.push(numbered(0, 160))
    assert len(hub.recording(16_000)["ann"]) == 0


async def test_the_hub_can_end_the_room_for_everybody() -> None:
    hub = InMemoryRoom("panel")
    reasons: list[str] = []

    class Told:
        def on_joined(self, identity: str) -> None: ...
        def on_left(self, identity: str) -> None: ...
        def on_audio(self, identity: str, frame: object) -> None: ...
        def on_muted(self, identity: str) -> None: ...
        def on_closed(self, reason: str) -> None:
            reasons.append(reason)

    for name in ("ann", "ben"):
        participant = hub.join(name)
        participant.add_listener(Told())
        await participant.connect()
    hub.close("over")
    hub.close("over")
    assert reasons == ["over", "over"]


def test_a_frame_is_heard_in_the_call_that_pushes_it() -> None:
    async def test(loop: VirtualLoop) -> None:
        hub = InMemoryRoom("panel", clock=loop.time)
        heard_at: list[float] = []

        class Told:
            def on_joined(self, identity: str) -> None: ...
            def on_left(self, identity: str) -> None: ...
            def on_muted(self, identity: str) -> None: ...
            def on_closed(self, reason: str) -> None: ...
            def on_audio(self, identity: str, frame: object) -> None:
                heard_at.append(loop.time())

        ann, ben = hub.join("ann"), hub.join("ben")
        await ann.connect()
        await ben.connect()
        ben.add_listener(Told())
        sink = await ann.publish_audio(16_000)
        pushed_at: list[float] = []

        def frame(now_s: float) -> bytes:
            pushed_at.append(now_s)
            if len(pushed_at) == 20:
                pacer.stop()
                done.set_result(None)
            return bytes(320)

        pacer = Pacer(sink, frame, clock=loop.time)
        done = loop.create_future()
        pacer.start()
        await done
        assert heard_at == pushed_at[: len(heard_at)]
        assert len(heard_at) >= 19

    run_virtual(test)


def test_importing_the_package_imports_no_engine() -> None:
    script = (
        "import sys, adapters, adapters.ports;"
        "print([m for m in ('livekit', 'onnxruntime', 'google', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

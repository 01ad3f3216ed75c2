from __future__ import annotations

import asyncio

from adapters.pacer import CATCH_UP_FRAMES, MAX_TRANSPORT_MS, Pacer
from tests.adapters.scripted import RATE, RecordingSink
from tests.adapters.virtual_time import VirtualLoop, run_virtual

FRAME_PCM = bytes(320)


def test_frames_leave_at_their_rate_however_late_the_loop_wakes() -> None:
    async def test(loop: VirtualLoop) -> None:
        sink = RecordingSink(RATE)
        pacer = Pacer(sink, lambda _: FRAME_PCM, clock=loop.time)
        pacer.start()
        for _ in range(100):
            await asyncio.sleep(0.01)
            loop.now_s += 0.004
        elapsed_ms = (loop.time() - 1000) * 1000
        assert abs(len(sink.sent) * 10 - elapsed_ms) <= 20
        assert pacer.skipped_ms == 0
        pacer.stop()

    run_virtual(test)


def test_a_stall_of_the_loop_becomes_a_gap_and_no_burst() -> None:
    async def test(loop: VirtualLoop) -> None:
        sink = RecordingSink(RATE)
        pacer = Pacer(sink, lambda _: FRAME_PCM, clock=loop.time)
        pacer.start()
        await asyncio.sleep(0.1)
        before = len(sink.sent)
        loop.now_s += 2
        await asyncio.sleep(0.001)
        assert len(sink.sent) - before <= CATCH_UP_FRAMES
        assert pacer.skipped_ms >= 1900
        before = len(sink.sent)
        await asyncio.sleep(0.1)
        assert len(sink.sent) - before in (10, 11)
        pacer.stop()

    run_virtual(test)


def test_a_transport_that_does_not_drain_is_not_filled() -> None:
    async def test(loop: VirtualLoop) -> None:
        sink = RecordingSink(RATE, depth_frames=1000)
        pacer = Pacer(sink, lambda _: FRAME_PCM, clock=loop.time)
        pacer.start()
        await asyncio.sleep(1)
        assert sink.queued_ms <= MAX_TRANSPORT_MS
        pacer.stop()

    run_virtual(test)


def test_nothing_is_pushed_after_stop() -> None:
    async def test(loop: VirtualLoop) -> None:
        sink = RecordingSink(RATE)
        pacer = Pacer(sink, lambda _: FRAME_PCM, clock=loop.time)
        pacer.start()
        pacer.start()
        await asyncio.sleep(0.05)
        pacer.stop()
        pushed = len(sink.sent)
        await asyncio.sleep(0.05)
        assert len(sink.sent) == pushed
        assert not pacer.running

    run_virtual(test)

"""A person made of recordings: a microphone that is always open, and plays a recording when told to."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from adapters.ports import FRAME_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from adapters.ports import AudioSink


class Microphone:
    """Pushes one frame each FRAME_MS into a sink: the recordings in order, silence between them."""

    def __init__(self, sink: AudioSink, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink = sink
        self._clock = clock
        self._frame = sink.sample_rate_hz * FRAME_MS // 1000
        self._waiting: deque[tuple[NDArray[np.int16], asyncio.Event]] = deque(maxlen=8)

    async def say(self, samples: NDArray[np.int16]) -> None:
        """Play `samples` (int16 mono at the sink's rate) and return when the last one was pushed.

        Raises:
            ValueError: eight recordings are waiting already.
        """
        if len(self._waiting) == self._waiting.maxlen:
            raise ValueError("eight recordings are waiting already")
        done = asyncio.Event()
        self._waiting.append((samples, done))
        await done.wait()

    async def run(self) -> None:
        """Push frames until cancelled; after a stall it goes on from now, without a burst."""
        silence = bytes(2 * self._frame)
        due = self._clock()
        at = 0
        while True:
            if self._waiting:
                samples, done = self._waiting[0]
                piece = samples[at : at + self._frame]
                at += self._frame
                self._sink.push(piece.tobytes().ljust(2 * self._frame, b"\0"))
                if at >= len(samples):
                    self._waiting.popleft()
                    done.set()
                    at = 0
            else:
                self._sink.push(silence)
            due = max(due + FRAME_MS / 1000, self._clock() - 3 * FRAME_MS / 1000)
            await asyncio.sleep(max(0.0, due - self._clock()))

"""Pushes one frame on a track every FRAME_MS, for ever.

A track that stops being fed keeps a listener's concealment busy for about 240 ms; one that is fed
silence is heard silent after about 40 ms. So frames never stop: the source gives silence where there
is nothing to play.

Deadlines are absolute, so that wake-ups that come late do not add up. A tick that comes a few frames
late pushes those frames together; after a longer stall of the loop the schedule starts anew, so that
a stall becomes a gap and never a burst.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from adapters.ports import FRAME_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import AudioSink

CATCH_UP_FRAMES = 3
"""Frames pushed in one tick at most."""
MAX_TRANSPORT_MS = 60.0
"""A transport that holds so much gets no more for a tick: its audio waits here, where it can be dropped."""


class Pacer:
    """Feeds `sink` from `pull(now_s)`, which returns one frame, or None for nothing, and must not block.

    Runs on the event loop's timers from `start()` to `stop()`, and starts no task.
    """

    def __init__(
        self,
        sink: AudioSink,
        pull: Callable[[float], bytes | None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._pull = pull
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._due_s = 0.0
        self.skipped_ms = 0.0
        """Time lost to stalls longer than CATCH_UP_FRAMES."""

    @property
    def running(self) -> bool:
        return self._timer is not None

    def start(self) -> None:
        """Push the first frame in the loop's next turn. Harmless when it runs already."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._due_s = loop.time()
            self._timer = loop.call_at(self._due_s, self._tick, loop)

    def stop(self) -> None:
        """Push no more. Harmless when it does not run."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        frame_s = FRAME_MS / 1000
        late_frames = int((loop.time() - self._due_s) / frame_s)
        if late_frames >= CATCH_UP_FRAMES:
            self.skipped_ms += late_frames * FRAME_MS
            self._due_s = loop.time()
            late_frames = 0
        self._due_s += (late_frames + 1) * frame_s
        self._timer = loop.call_at(self._due_s, self._tick, loop)
        for _ in range(late_frames + 1):
            if self._sink.queued_ms >= MAX_TRANSPORT_MS:
                break
            frame = self._pull(self._clock())
            if frame is not None:
                self._sink.push(frame)

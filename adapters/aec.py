"""WebRTC's echo canceller (AEC3) as livekit's library carries it, block by block on the calling thread."""

from __future__ import annotations

import atexit
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.livekit_exit import let_calls_end
from adapters.ports import EARS_HZ

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DELAY_MS = 0
"""The least that the canceller has to reckon with; it finds the real delay, also a long one, by itself."""


class WebRtcCanceller:
    """Takes blocks of 10 ms at EARS_HZ; about 0.1 ms of work each. Its output is 8 ms behind its input."""

    def __init__(self) -> None:
        from livekit import rtc

        let_calls_end()
        self._frame = rtc.AudioFrame
        self._apm: Any = rtc.AudioProcessingModule(
            echo_cancellation=True,
            noise_suppression=False,
            high_pass_filter=False,
            auto_gain_control=False,
        )
        if not _alive:
            atexit.unregister(_release_all)
            atexit.register(_release_all)
        _alive.add(self)

    def __call__(self, mic: NDArray[np.int16], said: NDArray[np.int16]) -> NDArray[np.int16]:
        """What is left of the microphone when what was said is taken out."""
        self._apm.process_reverse_stream(self._frame(said.tobytes(), EARS_HZ, 1, len(said)))
        self._apm.set_stream_delay_ms(_DELAY_MS)
        frame = self._frame(mic.tobytes(), EARS_HZ, 1, len(mic))
        self._apm.process_stream(frame)
        return np.frombuffer(frame.data, dtype=np.int16)

    def release(self) -> None:
        """Give the library's part back; the canceller cannot be used any more."""
        self._apm = None


_alive: weakref.WeakSet[WebRtcCanceller] = weakref.WeakSet()


def _release_all() -> None:
    """Before the library is unloaded at exit, which happens after this as it was registered earlier."""
    for canceller in tuple(_alive):
        canceller.release()


def load() -> None:
    """Load the library now (about 0.4 s) instead of at the first echo."""
    WebRtcCanceller()

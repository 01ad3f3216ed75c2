"""The input of a host's model: one stable object, whatever becomes of the session behind it.

ADK wants a new LiveRequestQueue for each run_live. This forwards to the current one, keeps account of the
activity windows, and keeps the window that the model has not taken in yet, so that a session that has to be
reopened hears it again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from host_agent.words import SpeechWords, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.adk.agents.live_request_queue import LiveRequestQueue
    from google.genai import types

_EARS_HZ = 16_000
_ANNOUNCED_KEPT = 16


@dataclass(slots=True)
class _Kept:
    """A window and its audio."""

    window: Window
    blobs: deque[types.Blob] = field(default_factory=deque["types.Blob"])
    size: int = 0


class LiveInput:
    """Takes activity signals, audio and content for the model; never blocks. For the event loop's thread.

    At most `kept_s` of a window's audio is kept for a reopened session; the latest wins.
    """

    def __init__(self, words: SpeechWords, *, kept_s: float, on_activity_start: Callable[[], None]) -> None:
        self._words = words
        self._kept_bytes = int(kept_s * _EARS_HZ * 2)
        self._on_activity_start = on_activity_start
        self._queue: LiveRequestQueue | None = None
        self._open: _Kept | None = None
        self._last: _Kept | None = None
        self._announced: deque[str] = deque(maxlen=_ANNOUNCED_KEPT)
        self._unread: deque[Window] = deque()

    @property
    def window_open(self) -> bool:
        """A person's activity is being sent."""
        return self._open is not None

    @property
    def announced(self) -> bool:
        """A speech was announced whose window has not opened yet."""
        return bool(self._announced)

    @property
    def pending(self) -> Window | None:
        """The latest window whose words the model does not have yet."""
        kept = self._open or self._last
        return kept.window if kept is not None and not kept.window.resolved else None

    def bind(self, queue: LiveRequestQueue) -> None:
        """Forward to `queue` from now on, and say an unresolved window again to it."""
        self._queue = queue
        self._unread.clear()
        kept = self._open or self._last
        if kept is None or kept.window.resolved:
            return
        self._unread.append(kept.window)
        queue.send_activity_start()
        for blob in kept.blobs:
            queue.send_realtime(blob)
        if kept.window.ended:
            queue.send_activity_end()

    def unbind(self) -> None:
        """Forward to nothing: the host is closing."""
        self._queue = None

    def announce(self, speech_id: str) -> None:
        """The open window, or else the next one, carries this speech."""
        if self._open is not None:
            self._open.window.add_speech(speech_id)
        elif speech_id not in self._announced:
            self._announced.append(speech_id)
        self._words.wake()

    def take_window(self) -> Window:
        """Return the window of the next activity_start that the session reads."""
        return self._unread.popleft() if self._unread else Window(self._words, [])

    def send_activity_start(self) -> None:
        """Open a window. In an open window it is only forwarded: starts and ends are the adapter's pairs."""
        if self._open is None:
            self._open = _Kept(Window(self._words, list(self._announced)))
            self._announced.clear()
            self._unread.append(self._open.window)
        self._on_activity_start()
        if self._queue is not None:
            self._queue.send_activity_start()
        self._words.wake()

    def send_activity_end(self) -> None:
        """End the window. Without one it is dropped: an unpaired end would finish somebody else's turn."""
        kept, self._open = self._open, None
        if kept is None:
            return
        if kept.window.carried_audio or kept.window.speech_ids:
            self._last = kept
        kept.window.end()
        if self._queue is not None:
            self._queue.send_activity_end()

    def send_realtime(self, blob: object) -> None:
        """Send a person's audio: a genai Blob, or int16 mono PCM at 16 kHz. Dropped outside a window."""
        kept = self._open
        if kept is None:
            return
        audio = _as_blob(blob)
        kept.window.carried_audio = True
        kept.blobs.append(audio)
        kept.size += len(audio.data or b"")
        while kept.size > self._kept_bytes:
            kept.size -= len(kept.blobs.popleft().data or b"")
        if self._queue is not None:
            self._queue.send_realtime(audio)

    def send_text(self, text: str, *, partial: bool = False) -> None:
        """Send content of the user's role; `partial` does not complete a turn."""
        from google.genai import types

        if self._queue is not None:
            content = types.Content(role="user", parts=[types.Part(text=text)])
            self._queue.send_content(content, partial=partial)

    def signal_stop(self) -> None:
        """Make the model stop: an empty window, unless one is open, which has stopped it already."""
        if self._open is None:
            self.send_activity_start()
            self.send_activity_end()

    def resolve(self) -> None:
        """The model has the words of the last ended window: nothing to say again."""
        if self._last is not None:
            self._last.window.resolved = True
            self._words.wake()


def _as_blob(blob: object) -> types.Blob:
    from google.genai import types

    if isinstance(blob, types.Blob):
        return blob
    if isinstance(blob, (bytes, bytearray, memoryview)):
        return types.Blob(data=bytes(cast("Any", blob)), mime_type=f"audio/pcm;rate={_EARS_HZ}")
    raise TypeError(f"audio for a model is a genai Blob or PCM bytes, not {type(blob).__name__}")

"""One speech and its recogniser stream: fed from the pre-roll on, and never able to break the ears."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from adapters.ports import WordsHeard

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import Recogniser, RecogniserStream
    from adapters.ring import SampleRing

_log = logging.getLogger(__name__)


class SpeechWords:
    """Recognition of one speech, by ring position.

    `tell` gets every hypothesis until a final one. A recogniser that raises is reported once, as a final
    `WordsHeard` with `failed`, and left alone. After `cancel` nothing is told.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        speech_id: str,
        person: str,
        *,
        ring: SampleRing,
        from_sample: int,
        tell: Callable[[WordsHeard], None],
    ) -> None:
        self._speech_id = speech_id
        self._person = person
        self._ring = ring
        self._fed_to = from_sample
        self._tell = tell
        self._told_all = False
        self._stream: RecogniserStream | None = None
        try:
            self._stream = recogniser.open(speech_id, person, self._on_words)
        except Exception:
            self._fail("open")
        self.feed()

    def feed(self) -> None:
        """Push what the ring has got since the last time."""
        if self._stream is None:
            return
        stretch = self._ring.read(self._fed_to)
        self._fed_to = stretch.end
        if len(stretch.samples):
            try:
                self._stream.push(stretch.samples.tobytes())
            except Exception:
                self._fail("push")

    def finish(self) -> None:
        """The speech is over; the final words follow."""
        self.feed()
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.finish()
            except Exception:
                self._fail("finish")

    def cancel(self) -> None:
        """Nobody wants the words any more."""
        self._told_all = True
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.cancel()
            except Exception:
                _log.exception("recogniser_failed", extra={"speech_id": self._speech_id, "step": "cancel"})

    def _on_words(self, words: WordsHeard) -> None:
        if self._told_all:
            return
        self._told_all = words.final
        self._tell(words)

    def _fail(self, step: str) -> None:
        _log.exception("recogniser_failed", extra={"speech_id": self._speech_id, "step": step})
        self._stream = None
        self._on_words(WordsHeard(self._speech_id, self._person, "", final=True, failed=True))

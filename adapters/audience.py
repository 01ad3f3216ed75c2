"""Who is told what the ears hear. What one of them raises is logged and stays its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import SpeechEnded, SpeechListener, SpeechProgress, SpeechStarted, WordsHeard

    AudioTap = Callable[[str, bytes, int], None]

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")


class Audience:
    """Listeners and audio taps, told in the order in which they came."""

    def __init__(self) -> None:
        self._listeners: tuple[SpeechListener, ...] = ()
        self._taps: tuple[AudioTap, ...] = ()

    def add_listener(self, listener: SpeechListener) -> None:
        """Tell `listener` from now on."""
        self._listeners += (listener,)

    def remove_listener(self, listener: SpeechListener) -> None:
        """Tell it no more; no harm if it never listened."""
        self._listeners = tuple(each for each in self._listeners if each is not listener)

    def add_tap(self, tap: AudioTap) -> Callable[[], None]:
        """Give it sound from now on, until what is returned is called."""
        self._taps += (tap,)

        def remove() -> None:
            self._taps = tuple(each for each in self._taps if each is not tap)

        return remove

    @property
    def tapped(self) -> bool:
        """Whether anybody takes sound."""
        return bool(self._taps)

    def started(self, event: SpeechStarted) -> None:
        """Tell of START_OF_SPEECH."""
        for listener in self._listeners:
            _tell(listener.on_speech_started, event)

    def progress(self, event: SpeechProgress) -> None:
        """Tell how a speech goes on."""
        for listener in self._listeners:
            _tell(listener.on_speech_progress, event)

    def words(self, event: WordsHeard) -> None:
        """Tell what the recogniser understood."""
        for listener in self._listeners:
            _tell(listener.on_words, event)

    def ended(self, event: SpeechEnded) -> None:
        """Tell of END_OF_SPEECH."""
        for listener in self._listeners:
            _tell(listener.on_speech_ended, event)

    def sound(self, person: str, pcm: bytes, start_sample: int) -> None:
        """Give sound to the taps."""
        for tap in self._taps:
            _tell(tap, person, pcm, start_sample)


def _tell(told: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
    try:
        told(*args, **kwargs)
    except Exception:
        _log.exception("listener_failed")

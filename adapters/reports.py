"""Between an adapter and its surroundings: its listener told safely, the end of its room noticed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import AdapterListener, AudioFrame, Cut, Resumed
    from streams.vocabulary import Playout

_P = ParamSpec("_P")
_log = logging.getLogger(__name__)


class Reports:
    """An `AdapterListener` that never raises, in front of one that may, or of none.

    What the listener raises is logged and stays its own.
    """

    def __init__(self, listener: AdapterListener | None) -> None:
        self._listener = listener

    def on_first_audio(self, utterance_id: str, at_s: float) -> None:
        """The utterance begins to be heard."""
        if self._listener is not None:
            _call(self._listener.on_first_audio, utterance_id, at_s)

    def on_cut(self, cut: Cut) -> None:
        """The utterance was cut off for good."""
        if self._listener is not None:
            _call(self._listener.on_cut, cut)

    def on_resumed(self, resumed: Resumed) -> None:
        """The utterance goes on."""
        if self._listener is not None:
            _call(self._listener.on_resumed, resumed)

    def on_played_out(self, utterance_id: str, playout: Playout) -> None:
        """Nothing more of the utterance will be played."""
        if self._listener is not None:
            _call(self._listener.on_played_out, utterance_id, playout)

    def on_window_opened(self, speech_id: str) -> None:
        """The model is given this speech."""
        if self._listener is not None:
            _call(self._listener.on_window_opened, speech_id)

    def on_window_closed(self) -> None:
        """The model was told that activity has ended."""
        if self._listener is not None:
            _call(self._listener.on_window_closed)


class UntilClosed:
    """A `RoomListener` that only minds the end of the connection: people are the ears' business."""

    def __init__(self, on_closed: Callable[[str], None]) -> None:
        self._on_closed = on_closed

    def on_joined(self, identity: str) -> None:
        """A participant came."""

    def on_left(self, identity: str) -> None:
        """A participant went."""

    def on_audio(self, identity: str, frame: AudioFrame) -> None:
        """A frame came."""

    def on_muted(self, identity: str) -> None:
        """No more frames for now."""

    def on_closed(self, reason: str) -> None:
        """The connection has ended for good."""
        self._on_closed(reason)


def _call(told: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
    try:
        told(*args, **kwargs)
    except Exception:
        _log.exception("adapter_listener_failed")

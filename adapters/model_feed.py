"""Carries out what the activity windows of one model session ask: signals, audio, reports."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING, Protocol

from adapters.ports import EARS_HZ
from adapters.windows import Close, Joined, Open, Send, Windows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapters.ports import ModelInput
    from adapters.windows import Command

MIME_TYPE = f"audio/pcm;rate={EARS_HZ}"
_PIECE_SAMPLES = EARS_HZ // 10
"""Buffered audio goes to the model in pieces of 100 ms."""
_LIVE_SAMPLES = EARS_HZ // 50
"""Live audio goes in pieces of at least 20 ms."""
_CARRIED_KEPT = 64


class PeoplesAudio(Protocol):
    """Where people's audio is kept, by sample position at EARS_HZ."""

    def position(self, person: str) -> int: ...
    def audio(self, person: str, from_sample: int, to_sample: int | None = None) -> bytes: ...


class ModelFeed:
    """The only writer of activity signals and audio to one model session.

    `on_opened(speech_id)` is told of each speech that a window carries, `on_closed` of the window's end.
    """

    def __init__(
        self,
        model: ModelInput,
        people: PeoplesAudio,
        *,
        endpointing_ms: float,
        on_opened: Callable[[str], None],
        on_closed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._model = model
        self._people = people
        self._endpointing_ms = endpointing_ms
        self._on_opened = on_opened
        self._on_closed = on_closed
        self._clock = clock
        self._windows = Windows()
        self._timer: asyncio.TimerHandle | None = None
        self._carried: OrderedDict[str, None] = OrderedDict()

    @property
    def is_open(self) -> bool:
        return self._windows.is_open

    def carried(self, speech_id: str) -> bool:
        """Whether this model was or is being given the speech."""
        return speech_id in self._carried

    def open(self, speech_id: str, person: str, from_sample: int) -> None:
        """Give the model this speech from `from_sample` on, until `end`. Again is harmless."""
        if self.carried(speech_id):
            return
        self._carried[speech_id] = None
        if len(self._carried) > _CARRIED_KEPT:
            self._carried.popitem(last=False)
        positions = {person: self._people.position(person), **self._positions()}
        self._windows, commands = self._windows.join(speech_id, person, from_sample, positions)
        self._carry_out(commands)

    def on_audio(self, person: str) -> None:
        """More of a person's audio has come."""
        if person in self._windows.people:
            self._windows, commands = self._windows.advance(self._positions(), at_least=_LIVE_SAMPLES)
            self._carry_out(commands)

    def end(self, speech_id: str, end_sample: int | None = None, *, at_once: bool = False) -> None:
        """The speech is over, at `end_sample` (by default: now); a window without speech closes in time."""
        turn = next((turn for turn in self._windows.turns if turn.speech_id == speech_id), None)
        if turn is None:
            return
        self._windows, commands = self._windows.ended(
            speech_id,
            self._people.position(turn.person) if end_sample is None else end_sample,
            self._positions(),
            now_s=self._clock(),
            endpointing_ms=0.0 if at_once else self._endpointing_ms,
        )
        self._carry_out(commands)

    def signal(self) -> None:
        """Make the model stop: an empty window, unless one is open (which has stopped it already)."""
        if not self._windows.is_open:
            self._model.send_activity_start()
            self._model.send_activity_end()

    def close(self) -> None:
        """End an open window now."""
        self._windows, commands = self._windows.close()
        self._carry_out(commands)

    def _positions(self) -> dict[str, int]:
        return {person: self._people.position(person) for person in self._windows.people}

    def _carry_out(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case Open():
                    self._model.send_activity_start()
                case Joined(speech_id):
                    self._on_opened(speech_id)
                case Send(person, start, end):
                    self._send(self._people.audio(person, start, end))
                case Close():
                    self._model.send_activity_end()
                    self._on_closed()
        self._arm()

    def _send(self, pcm: bytes) -> None:
        blob = blob_factory()
        step = _PIECE_SAMPLES * 2
        for at in range(0, len(pcm), step):
            self._model.send_realtime(blob(pcm[at : at + step]))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_s = self._windows.closes_at_s
        if due_s is not None:
            delay_s = max(0.0, due_s - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_due, due_s)

    def _on_due(self, due_s: float) -> None:
        self._timer = None
        self._windows, commands = self._windows.due(due_s)
        self._carry_out(commands)


@cache
def blob_factory() -> Callable[[bytes], object]:
    """What makes a model's audio message. Slow the first time: call it before a START can come."""
    from google.genai import types

    return lambda pcm: types.Blob(data=pcm, mime_type=MIME_TYPE)

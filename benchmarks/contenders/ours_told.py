"""Ours with a recogniser that is told by the harness what the person says, and when it is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from agent_voice import RATE_HZ, agent_speech

from adapters.livekit_room import LiveKitRoom
from adapters.ports import WordsHeard
from contenders.ours import OurContender

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.livekit_sink import LiveKitSink
    from adapters.ports import Recogniser
    from contenders.contender import Notes


class ToldRecogniser:
    """Passes on to the newest speech what it is told."""

    def __init__(self) -> None:
        self._tell: Callable[[str, bool], None] | None = None

    def open(self, speech_id: str, person: str, on_words: Callable[[WordsHeard], None]) -> ToldRecogniser:
        """Listen to a speech."""
        self._tell = lambda text, final: on_words(WordsHeard(speech_id, person, text, final, 0.9))
        return self

    def tell(self, text: str, *, final: bool) -> None:
        """All that is known of the speech so far."""
        if self._tell is not None:
            self._tell(text, final)

    def push(self, pcm: bytes) -> None: ...
    def finish(self) -> None: ...

    def cancel(self) -> None:
        self._tell = None


class _TappedRoom(LiveKitRoom):
    """Keeps every frame that is handed over to its track, silence left out."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token=token)
        self.handed_over: list[bytes] = []

    async def publish_audio(self, sample_rate_hz: int, *, channels: int = 1) -> LiveKitSink:
        sink = await super().publish_audio(sample_rate_hz, channels=channels)
        push = sink.push

        def tapped(pcm: bytes) -> None:
            if any(pcm):
                self.handed_over.append(pcm)
            push(pcm)

        sink.push = tapped  # type: ignore[method-assign]
        return sink


class OurToldContender(OurContender):
    """One host of the swarm that knows what is said as soon as it is told."""

    def __init__(self, *, mode: str) -> None:
        super().__init__(mode=mode)
        self._told = ToldRecogniser()
        self._tapped: _TappedRoom | None = None

    def _room(self, url: str, token: str) -> LiveKitRoom:
        self._tapped = _TappedRoom(url, token)
        return self._tapped

    async def speak(self) -> None:
        if self._tapped is not None:
            self._tapped.handed_over.clear()
        await super().speak()

    async def finish(self) -> Notes:
        notes = await super().finish()
        pcm = b"".join(self._tapped.handed_over) if self._tapped is not None else b""
        said = np.frombuffer(pcm, "<i2")
        made = agent_speech().samples[: len(said)]
        return replace(notes, changed_ms=float(np.count_nonzero(said[: len(made)] != made)) * 1000 / RATE_HZ)

    async def _recogniser(self) -> Recogniser:
        return self._told

    def hear(self, text: str, *, final: bool) -> None:
        """Take what the person has said so far."""
        self._told.tell(text, final=final)

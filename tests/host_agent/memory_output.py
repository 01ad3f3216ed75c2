"""A SpeechOutput in memory, whose playout is moved by the test."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.vocabulary import Playout

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class _Utterance:
    accepted_ms: float = 0.0
    refused_ms: float = 0.0
    heard_ms: float = 0.0
    ended: bool = False
    cut: bool = False
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryOutput:
    """A SpeechOutput whose playout is moved by the test, or plays all at once with `instant`."""

    def __init__(self, *, instant: bool = False) -> None:
        self.instant = instant
        self.open = True
        self.chunks: list[tuple[str, int]] = []
        self._utterances: dict[str, _Utterance] = {}
        self.changed = asyncio.Event()

    @property
    def current(self) -> str:
        return list(self._utterances)[-1]

    def begin_utterance(self, utterance_id: str) -> None:
        self._look(self._utterances.setdefault(utterance_id, _Utterance()))

    def send_audio_chunk(self, pcm: bytes, *, sample_rate_hz: int, utterance_id: str) -> bool:
        utterance = self._utterances[utterance_id]
        duration_ms = len(pcm) / 2 / sample_rate_hz * 1000.0
        taken = self.open and not utterance.cut and not utterance.refused_ms
        if taken:
            utterance.accepted_ms += duration_ms
            self.chunks.append((utterance_id, len(pcm)))
        else:
            utterance.refused_ms += duration_ms
        if self.instant:
            utterance.heard_ms = utterance.accepted_ms
        self._look(utterance)
        return taken

    def end_utterance(self, utterance_id: str) -> None:
        self._utterances[utterance_id].ended = True
        self._look(self._utterances[utterance_id])

    def playout(self, utterance_id: str) -> Playout:
        utterance = self._utterances[utterance_id]
        whole = utterance.ended and not utterance.cut and not utterance.refused_ms
        return Playout(
            generated_ms=utterance.accepted_ms + utterance.refused_ms,
            heard_ms=utterance.heard_ms,
            complete=whole and utterance.heard_ms >= utterance.accepted_ms,
        )

    async def wait_played_out(self, utterance_id: str) -> Playout:
        await self._utterances[utterance_id].settled.wait()
        return self.playout(utterance_id)

    def drop(self, utterance_id: str) -> Playout:
        self._utterances[utterance_id].cut = True
        self._look(self._utterances[utterance_id])
        return self.playout(utterance_id)

    # What tests do with it.

    def play(self, ms: float | None = None) -> None:
        """Move the playout of the latest utterance on, at most to what it has; to the end by default."""
        utterance = self._utterances[self.current]
        to_ms = utterance.accepted_ms if ms is None else utterance.heard_ms + ms
        utterance.heard_ms = min(to_ms, utterance.accepted_ms)
        self._look(utterance)

    async def has(self, ms: float, *, nth: int = 1) -> None:
        """Return when the nth utterance has `ms` of audio."""
        await self._until(lambda: len(self._utterances) >= nth and self._nth(nth).accepted_ms >= ms)

    async def ended(self, *, nth: int = 1) -> None:
        """Return when no more audio will come for the nth utterance."""
        await self._until(lambda: len(self._utterances) >= nth and self._nth(nth).ended)

    def _nth(self, nth: int) -> _Utterance:
        return list(self._utterances.values())[nth - 1]

    async def _until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not true():
                self.changed.clear()
                await self.changed.wait()

    def _look(self, utterance: _Utterance) -> None:
        if utterance.cut or (utterance.ended and utterance.heard_ms >= utterance.accepted_ms):
            utterance.settled.set()
        self.changed.set()

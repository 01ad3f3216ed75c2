"""Ours with a recogniser that is told by the harness what the person says, and when it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.ports import WordsHeard
from contenders.ours import OurContender

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import Recogniser


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


class OurToldContender(OurContender):
    """One host of the swarm that knows what is said as soon as it is told."""

    def __init__(self, *, mode: str) -> None:
        super().__init__(mode=mode)
        self._told = ToldRecogniser()

    async def _recogniser(self) -> Recogniser:
        return self._told

    def hear(self, text: str, *, final: bool) -> None:
        """Take what the person has said so far."""
        self._told.tell(text, final=final)

"""What people said in the activity windows of one model session, as the shared recogniser tells it.

A window carries one or more speeches. Words may come before the window opens, while it is open or after it
ended; final words are waited for by the one who needs them, with a limit of theirs.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

_SPEECHES_KEPT = 64


class Words(Protocol):
    """The recogniser's hypothesis for one speech; each replaces the one before."""

    @property
    def speech_id(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def final(self) -> bool: ...
    @property
    def failed(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Known:
    text: str
    final: bool


class SpeechWords:
    """The latest words of each speech. Keeps the last 64 speeches, the oldest go first."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._changed = asyncio.Event()

    def told(self, words: Words) -> None:
        """Take a hypothesis. A failed recogniser's last words stay the best there are."""
        before = self._known.get(words.speech_id)
        text = words.text or (before.text if before and words.failed else "")
        self._known[words.speech_id] = _Known(text=" ".join(text.split()), final=words.final or words.failed)
        self._known.move_to_end(words.speech_id)
        while len(self._known) > _SPEECHES_KEPT:
            self._known.popitem(last=False)
        self._changed.set()

    def final(self, speech_id: str) -> bool:
        return speech_id in self._known and self._known[speech_id].final

    def text(self, speech_id: str) -> str:
        return self._known[speech_id].text if speech_id in self._known else ""

    def wake(self) -> None:
        """Something else changed on which a waiter may depend."""
        self._changed.set()

    async def changed(self) -> None:
        """Return at the next change."""
        self._changed.clear()
        await self._changed.wait()


class Window:
    """One activity window: its speeches, and whether it has ended."""

    def __init__(self, words: SpeechWords, speech_ids: list[str]) -> None:
        self._words = words
        self.speech_ids = speech_ids
        self.ended = False
        self.carried_audio = False
        self.resolved = False
        """Its words are in the model's context, or there are none."""

    @property
    def text(self) -> str:
        """The words so far, speech by speech."""
        return " ".join(filter(None, map(self._words.text, self.speech_ids)))

    @property
    def final(self) -> bool:
        """The window has ended and its words will not change."""
        known = bool(self.speech_ids) and all(map(self._words.final, self.speech_ids))
        return self.ended and (known or not (self.speech_ids or self.carried_audio))

    def add_speech(self, speech_id: str) -> None:
        if speech_id not in self.speech_ids:
            self.speech_ids.append(speech_id)
            self._words.wake()

    def end(self) -> None:
        self.ended = True
        self._words.wake()

    async def until_final(self) -> None:
        """Return when `final` holds. Without a limit: the caller sets one."""
        while not self.final:
            await self._words.changed()

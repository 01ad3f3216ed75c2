"""One trace for each stretch of speech: what the scribe writes of it, and what is asked for in answer."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streams.tracing import joining, writing

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

_MOST = 64


class SpeechTraces:
    """The traces of the newest stretches of speech, each begun by the first note of it."""

    def __init__(self, room: str, process: str) -> None:
        self._room = room
        self._process = process
        self._begun: OrderedDict[str, str] = OrderedDict()

    @contextmanager
    def noting(self, speech_id: str) -> Generator[str]:
        """Note something of the speech in the body, and yield the `traceparent`; empty without tracing."""
        span = writing("scribe note", room=self._room, source=self._process)
        with self.following(speech_id), span as traceparent:
            if traceparent:
                self._begun.setdefault(speech_id, traceparent)
            while len(self._begun) > _MOST:
                self._begun.popitem(last=False)
            yield traceparent

    def following(self, speech_id: str) -> AbstractContextManager[None]:
        """Do what follows from the speech in its trace."""
        return joining(self._begun.get(speech_id))

    def over(self, speech_id: str) -> None:
        """Forget the speech."""
        self._begun.pop(speech_id, None)

"""The persisted session holds what was heard: replaced while it is written, or repaired afterwards.

ADK persists a model's final transcription when the model has made it, which a native model does long before
it is heard. Where the truth is known by then, the plugin replaces the text; else the repair is an
EventCompaction over just that event, appended through the run's own session object (a second one would make
some session services refuse the run's next write). ADK's rewind_async is never used: it drops a whole live
run, and mid-run it kills the sender.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions, EventCompaction
from google.adk.plugins.base_plugin import BasePlugin
from google.genai import types

from host_agent.marker import mark_interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.adk.agents.invocation_context import InvocationContext

_REPAIRS_WAITING = 64


@dataclass(frozen=True, slots=True)
class Repair:
    """What one persisted event is to say instead."""

    timestamp: float
    text: str


def repairs(flushed: Sequence[tuple[float, str]], heard: str, who: str) -> tuple[Repair, ...]:
    """Return how events persisted before the cut are to be corrected, given the words heard of all of them.

    Words are counted over the events in order; events heard to their end stay. The event in which the cut
    lies says its heard words and the marker; later ones only the marker.
    """
    left = len(heard.split())
    found: list[Repair] = []
    for timestamp, text in flushed:
        words = text.split()
        if left < len(words):
            found.append(Repair(timestamp, mark_interrupted(" ".join(words[:left]), who)))
        left = max(0, left - len(words))
    return tuple(found)


class HeardTruth(BasePlugin):
    """Gives every event its own timestamp and asks `on_final` what a final transcription may say.

    `on_final(text, timestamp)` returns the text to persist; empty for none.
    """

    def __init__(self, on_final: Callable[[str, float], str]) -> None:
        super().__init__(name="heard_truth")
        self._on_final = on_final
        self._last_timestamp = 0.0
        self._context: InvocationContext | None = None
        self._repairs: asyncio.Queue[Event] = asyncio.Queue(_REPAIRS_WAITING)

    async def before_run_callback(self, *, invocation_context: InvocationContext) -> None:
        """Remember the run whose session is written."""
        self._context = invocation_context

    async def on_event_callback(self, *, invocation_context: InvocationContext, event: Event) -> Event | None:
        """Let only what was heard be persisted."""
        if event.timestamp <= self._last_timestamp:
            # A repair hides events by their timestamp: two events must not share one.
            event.timestamp = math.nextafter(self._last_timestamp, math.inf)
        self._last_timestamp = event.timestamp
        said = event.output_transcription
        if said is None or not said.finished or event.partial or not said.text:
            return None
        text = self._on_final(said.text, event.timestamp)
        if text == said.text:
            return None
        said = types.Transcription(text=text, finished=True) if text else None
        return event.model_copy(update={"output_transcription": said})

    def replace(self, repair: Repair) -> None:
        """Have a persisted event say something else in every later history. Dropped when 64 are waiting."""
        content = types.Content(role="model", parts=[types.Part(text=repair.text)])
        compaction = EventCompaction(
            start_timestamp=repair.timestamp, end_timestamp=repair.timestamp, compacted_content=content
        )
        self._enqueue(Event(author="user", actions=EventActions(compaction=compaction)))

    def add(self, author: str, role: str, text: str) -> None:
        """Have the persisted session hold words that no event of the run brought."""
        self._enqueue(Event(author=author, content=types.Content(role=role, parts=[types.Part(text=text)])))

    async def settled(self, limit_s: float) -> bool:
        """Return when all repairs were written, or False after `limit_s`."""
        try:
            async with asyncio.timeout(limit_s):
                await self._repairs.join()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Write repairs until cancelled.

        Raises:
            Exception: what the session service raises; the model session has to be reopened.
        """
        while True:
            event = await self._repairs.get()
            try:
                if (context := self._context) is not None:
                    event.invocation_id = context.invocation_id
                    await context.session_service.append_event(session=context.session, event=event)
            finally:
                self._repairs.task_done()

    def _enqueue(self, event: Event) -> None:
        if not self._repairs.full():
            self._repairs.put_nowait(event)

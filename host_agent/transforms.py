"""What stands before and behind a cascade's connection: one turn a window, a voice that keeps its pace."""

from __future__ import annotations

import contextlib
import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from google.adk.live import LiveEgress, LiveIngress, PartialTranscript, UserTurnFinished

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from google.adk.live import EgressEvent, IngressEvent
    from google.genai import types

    from host_agent.stage import Stage
    from host_agent.words import Window

_log = logging.getLogger(__name__)

WINDOW: ContextVar[Window | None] = ContextVar("host_agent_window", default=None)
"""The window that an ingress is asked about."""


class WindowHolder(Protocol):
    """A connection as its ingress sees it."""

    def resolving(self) -> AbstractAsyncContextManager[None]:
        """Bound the recognition of the next window."""
        ...

    async def deliver(self, event: IngressEvent) -> None: ...
    def told(self) -> str: ...


class SharedTranscripts(LiveIngress):
    """Takes a person's final words as the process's recogniser tells them, instead of decoding twice.

    Final words, else the best so far when the connection's limit for words has passed, else nothing.
    """

    async def __call__(self, audio: AsyncIterator[types.Blob]) -> AsyncGenerator[IngressEvent, None]:
        """Yield the window's words as one turn."""
        async for _ in audio:
            pass
        window = WINDOW.get()
        if window is None:
            return
        await window.until_final()
        yield UserTurnFinished(text=window.text)


class OneTurn(LiveIngress):
    """Makes any ingress say exactly one finished turn for each window, in bounded time."""

    def __init__(self, ingress: LiveIngress, connection: WindowHolder) -> None:
        self._ingress = ingress
        self._connection = connection

    async def __call__(self, audio: AsyncIterator[types.Blob]) -> AsyncGenerator[IngressEvent, None]:
        finals: list[str] = []
        interim = ""
        try:
            async with self._connection.resolving(), contextlib.aclosing(self._ingress(audio)) as events:
                async for event in events:
                    match event:
                        case UserTurnFinished():
                            finals.append(event.text.strip())
                            interim = ""
                        case PartialTranscript():
                            interim = event.text.strip()
                            await self._connection.deliver(event)
                        case _:
                            pass  # the adapter alone says when somebody speaks
        except TimeoutError:
            _log.info("host.words_late")
        except Exception:  # whatever a recogniser fails with, the turn goes on with what it said before
            _log.exception("host.ingress_failed")
        async for _ in audio:
            pass  # what an ingress left unread is not the beginning of the next window
        yield UserTurnFinished(text=" ".join(filter(None, [*finals, interim])) or self._connection.told())


class Paced(LiveEgress):
    """Keeps a voice from running further ahead of the playout than the output can hold."""

    def __init__(self, egress: LiveEgress, stage: Stage) -> None:
        self._egress = egress
        self._stage = stage

    async def __call__(
        self, text: AsyncIterator[str], *, cancel: asyncio.Event
    ) -> AsyncGenerator[EgressEvent, None]:
        try:
            async with contextlib.aclosing(self._egress(text, cancel=cancel)) as events:
                async for event in events:
                    await self._stage.make_room()
                    yield event
        except Exception as error:
            self._stage.model_error = self._stage.model_error or error
            raise

"""Tasks that belong to one object: started while it is entered, gone when it is left."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Self

from streams.background import Background
from streams.errors import StreamError
from swarm.errors import SwarmError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType

logger = logging.getLogger(__name__)


class Spawning:
    """A task group that an object holds open: `async with`, then `spawn`.

    A task that fails cancels the body of the `async with`, and its error comes out there.
    """

    def __init__(self) -> None:
        self._background = Background(self._hold_open, name="spawning")
        self._group: asyncio.TaskGroup | None = None
        self._opened = asyncio.Event()
        self._loose_ends: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._background.__aenter__()
        await self._opened.wait()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._background.__aexit__(exc_type, exc, traceback)

    @property
    def open(self) -> bool:
        """Whether `spawn` works."""
        return self._group is not None

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside the body.

        Raises:
            RuntimeError: not entered, or left.
        """
        if self._group is None:
            work.close()
            raise RuntimeError("use it inside its `async with`")
        return self._group.create_task(work)

    def see_through(self, what: str, call: Callable[[], Awaitable[object]]) -> None:
        """Have `call` made even if the caller is cancelled; a failure is logged as `what`.

        Once this was left nothing is called any more.
        """
        if self._group is None:
            return
        task = self.spawn(_logged(what, call))
        self._loose_ends.add(task)
        task.add_done_callback(self._loose_ends.discard)

    async def settle(self, limit_s: float) -> None:
        """Wait until what is to be seen through is done, at most `limit_s`."""
        if self._loose_ends:
            await asyncio.wait(set(self._loose_ends), timeout=limit_s)

    async def _hold_open(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            self._opened.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None


async def _logged(what: str, call: Callable[[], Awaitable[object]]) -> None:
    try:
        await call()
    except (StreamError, SwarmError) as error:
        logger.warning("swarm.call_failed", extra={"call": what, "error": str(error)})

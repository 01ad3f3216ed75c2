"""One task beside the body of an `async with`: started with it, ended with it, never left behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

_CANCEL_AGAIN_S = 0.1


class Background:
    """Runs one coroutine function while the body of an `async with` runs.

    The body's end cancels the task and waits for it. Where the task fails, the body is cancelled and the
    task's own error comes out of the `async with`.
    """

    def __init__(self, run: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
        self._run = run
        self._name = name
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._task = self._group.create_task(self._run(), name=self._name)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            # Again, where it goes on: redis-py with a socket timeout drops a cancellation now and then.
            while self._task is not None and not self._task.done():
                self._task.cancel()
                await asyncio.wait({self._task}, timeout=_CANCEL_AGAIN_S)
        finally:
            await self._end()

    async def _end(self) -> None:
        try:
            # The body's own error is not handed to the group, which would wrap it; it propagates as it is.
            await self._group.__aexit__(None, None, None)
        except BaseExceptionGroup as group:
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None
            raise

"""An event loop whose time jumps to the next timer."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class _JumpingSelector(selectors.DefaultSelector):
    """Does not wait for a timer: the loop's time jumps to it."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0 if timeout is not None else None)
        if not events and timeout:
            self.loop.now_s += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Its clock moves only by jumping to the next timer, and by what a test adds to `now_s`."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now_s


def run_virtual(test: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    """Run `test(loop)` to its end in virtual time."""
    loop = VirtualLoop()
    try:
        loop.run_until_complete(test(loop))
    finally:
        loop.close()

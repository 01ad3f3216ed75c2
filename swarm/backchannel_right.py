"""The right to be audible for an acknowledgement without the floor, as its owner sees it. No I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class BackchannelRight:
    """May be audible until the right ends. Satisfies `adapters.ports.FloorView`; nothing renews it."""

    def __init__(
        self, participant: str, *, from_s: float, until_s: float, clock: Callable[[], float]
    ) -> None:
        self.participant = participant
        self._from_s = from_s
        self._until_s = until_s
        self._clock = clock
        self._ended = False

    def valid(self) -> bool:
        """Return whether its owner may be audible. Local, no I/O."""
        return not self._ended and self._clock() < self._until_s

    @property
    def ended(self) -> bool:
        """Whether it was ended before its time."""
        return self._ended

    @property
    def may_speak_from_s(self) -> float:
        """Monotonic start of the right to be audible; infinite once it was ended."""
        return math.inf if self._ended else self._from_s

    @property
    def may_speak_until_s(self) -> float:
        """Monotonic end of the right to be audible; minus infinity once it was ended."""
        return -math.inf if self._ended else self._until_s

    def end(self) -> None:
        """End it before its time."""
        self._ended = True

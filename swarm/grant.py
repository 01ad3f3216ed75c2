"""A grant of the floor as its holder sees it: local, monotonic, without I/O.

The local view always ends before the lease does: its deadline counts from the moment before the call was
sent, less a margin. Once it has lapsed or was lost it never comes back.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from streams.keys import checked_name
from swarm.errors import InvalidCommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType
    from typing import Any, Self

    from swarm.floor_commands import Granted


LAPSED = "lease"
"""Reason of a grant that was not renewed in time."""


@dataclass(frozen=True, slots=True)
class Lost:
    """How a grant ended."""

    reason: str
    """The event's reason, or "released", "lease", "superseded", "stale", "stick closed"."""
    by: str = ""
    """Who took it; empty where nobody did."""


class Loss:
    """The end of a grant, to be awaited (`await grant.lost`) or asked for (`grant.lost.is_set()`)."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._lost: Lost | None = None

    def is_set(self) -> bool:
        """Return whether the grant has ended."""
        return self._lost is not None

    @property
    def how(self) -> Lost | None:
        """How the grant ended; None while it lasts."""
        return self._lost

    @property
    def reason(self) -> str:
        """Why the grant ended; empty while it lasts."""
        return self._lost.reason if self._lost else ""

    async def wait(self) -> Lost:
        """Return how the grant ended, as soon as it has."""
        await self._event.wait()
        if self._lost is None:
            raise AssertionError("set without a reason")
        return self._lost

    def __await__(self) -> Generator[Any, Any, Lost]:
        return self.wait().__await__()

    def set(self, lost: Lost) -> bool:
        """Note the end; False where it was noted before."""
        if self._lost is not None:
            return False
        self._lost = lost
        self._event.set()
        return True


class GrantCalls(Protocol):
    """What a grant asks of the stick that it came from."""

    async def give_back(self, grant: Grant, *, to: str, tail_done: bool, reason: str) -> bool: ...
    def report_first_audio(self, grant: Grant) -> None: ...


class Grant:
    """The right to speak, as long as `valid()`. Satisfies `adapters.ports.FloorView`.

    The stick renews it in the background until it is released, lost or lapsed.
    """

    def __init__(
        self,
        granted: Granted,
        *,
        calls: GrantCalls,
        clock: Callable[[], float],
        sent_s: float,
        received_s: float,
        margin_s: float,
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._margin_s = margin_s
        self._from_s = received_s + granted.guard_ms / 1000
        self._until_s = sent_s + granted.remaining_ms / 1000 - margin_s
        self._callbacks: list[Callable[[Lost], None]] = []
        self._given_back = False
        self._sounds: Callable[[], bool] | None = None
        self._played = False
        self.participant = granted.participant
        self.token = granted.token
        self.request_id = granted.request_id
        self.reason = granted.reason
        """What the request said it was for."""
        self.lease_ms = granted.lease_ms
        self.lost = Loss()

    def __repr__(self) -> str:
        state = f"lost={self.lost.reason!r}" if self.lost.is_set() else f"valid={self.valid()}"
        return f"<Grant {self.participant} token={self.token} {state}>"

    def valid(self) -> bool:
        """Return whether the floor is surely still held. Local, no I/O."""
        return not self.lost.is_set() and self._clock() < self._until_s

    @property
    def may_speak_from_s(self) -> float:
        """Monotonic start of the right to be audible, after the guard; infinite once the grant has ended."""
        return math.inf if self.lost.is_set() else self._from_s

    @property
    def may_speak_until_s(self) -> float:
        """Monotonic end of the right to be audible; minus infinity once the grant has ended."""
        return -math.inf if self.lost.is_set() else self._until_s

    def on_lost(self, callback: Callable[[Lost], None]) -> None:
        """Call `callback` at once when the grant ends, from the event loop; now if it has."""
        if self.lost.how is not None:
            callback(self.lost.how)
        else:
            self._callbacks.append(callback)

    def taken(self) -> None:
        """Say that the first audio went out: FLOOR_TAKEN is written. Never waits."""
        if self.valid():
            self._calls.report_first_audio(self)

    def sounds_while(self, sounding: Callable[[], bool]) -> None:
        """Have `sounding` asked at each renewal.

        It says whether audio was played since it was asked last, or is only held back while somebody is
        listened to. Who is silent for the room's `silent_ms` loses the floor.
        """
        self._sounds = sounding

    def played(self) -> None:
        """Say that audio was played, once: what `sounds_while` tells by itself."""
        self._played = True

    def sounding(self) -> bool:
        """Return what the next renewal tells of its audio, and begin anew."""
        played, self._played = self._played, False
        return (self._sounds is not None and self._sounds()) or played

    async def release(self, *, to: str | None = None, tail_done: bool = True, reason: str = "") -> bool:
        """Give the floor back, or hand it to the participant `to` without an idle gap.

        `tail_done` says that what was played has died away at the listeners; otherwise the next holder stays
        silent for the room's guard. Returns False where the floor was not held any more, or Redis did not
        answer: it is told again beside the caller, until the lease has lapsed by itself. The grant has ended
        in every case.

        Raises:
            streams.InvalidEventError: `to` is no name.
            InvalidCommandError: `to` is the holder. In both cases the floor is still held.
        """
        if to is not None and checked_name(to, "to") == self.participant:
            raise InvalidCommandError(command="Release", what="to")
        how = self.lost.how
        if self._given_back or (how is not None and how.reason != LAPSED):
            return False
        self._given_back = True
        self.end(Lost("released"))
        # A lapse was noticed here first: until it is told, the floor is held by nobody who may speak.
        tail_done = tail_done and how is None
        return await self._calls.give_back(self, to=to or "", tail_done=tail_done, reason=reason)

    def extend(self, granted: Granted, sent_s: float) -> bool:
        """Take note of a renewal; False where the grant had lapsed locally before: a lapse is final."""
        if not self.valid():
            self.end(Lost(LAPSED))
            return False
        self.lease_ms = granted.lease_ms
        self._until_s = sent_s + granted.remaining_ms / 1000 - self._margin_s
        return True

    def shorten(self, until_s: float) -> None:
        """End no later than the monotonic `until_s`."""
        self._until_s = min(self._until_s, until_s)

    def end(self, lost: Lost) -> None:
        """Note that the grant has ended, and tell those who wait for it."""
        if not self.lost.set(lost):
            return
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(lost)


class Grants:
    """Async iterator over the grants of one participant, whoever asked for them.

    A grant that is still held when the next one is asked for, or when this is closed, is released.
    """

    def __init__(self, participant: str) -> None:
        self.participant = participant
        self._came = asyncio.Event()
        self._next: Grant | None = None
        self._given: Grant | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it takes no more grants."""
        return self._closed

    def put(self, grant: Grant) -> None:
        """Have `grant` given out next, in the place of one that nobody asked for and that is over by now."""
        self._next = grant
        self._came.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Grant:
        await self._give_back()
        while not self._closed:
            self._came.clear()
            grant, self._next = self._next, None
            if grant is not None and grant.valid():
                self._given = grant
                return grant
            await self._came.wait()
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Take no more grants, release the one held, and end the iteration."""
        self.close()
        await self._give_back()

    def close(self) -> None:
        """Take no more grants and end the iteration."""
        self._closed = True
        self._came.set()

    async def _give_back(self) -> None:
        unused = [grant for grant in (self._given, self._next if self._closed else None) if grant is not None]
        self._given = None
        for grant in unused:
            await grant.release(tail_done=False, reason="not used any more")

"""One room's entries through a consumer's handler: in order, acknowledged after it, tried again, given up."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from streams.errors import InvalidEventError
from streams.gap_check import GapCheck
from streams.intake import decode_of
from streams.sequence import Gap, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.consumer_settings import ConsumerSettings
    from streams.dead_letters import Reason
    from streams.events import Recorded
    from streams.group_calls import GroupCalls, Taken
    from streams.reader import Entry
    from streams.sequence import Fork

logger = logging.getLogger(__name__)

__all__ = ("OwnedRoom", "RoomWork", "Tally")


@dataclass(slots=True)
class Tally:
    """What was done so far."""

    handled: int = 0
    failed: int = 0
    claimed: int = 0
    dead_letters: int = 0
    quarantined: int = 0
    lost: int = 0
    forks: int = 0


@dataclass(slots=True, eq=False)
class OwnedRoom:
    """A room whose lease a consumer has."""

    name: str
    until_s: float
    """Monotonic time at which the lease has to be taken for lost."""
    taken: Taken
    recovers: bool = True
    """What was given out and not acknowledged comes first."""
    recover_idle_ms: int = 0
    """Only what was left for so long."""
    sweep_s: float = 0.0
    """When to look again for what others left."""
    busy: bool = False
    leaving: bool = False
    """It falls to another member: to be given back as soon as nobody works on it."""
    followed: bool = False
    """The reader tells of new entries."""
    read_to: str = "0-0"
    """The last entry that was read."""
    last: Recorded | None = None
    """The last entry that was handled."""
    noted: Recorded | None = None
    """The last one that Redis knows to be handled."""
    unacked: list[str] = field(default_factory=list[str])


class RoomWork:
    """Hands the entries of rooms to the handler of one consumer."""

    def __init__(
        self,
        calls: GroupCalls,
        settings: ConsumerSettings,
        handler: Callable[[Recorded], object],
        *,
        tally: Tally,
        stopping: asyncio.Event,
        on_missed: Callable[[Gap | Fork], None],
        clock: Callable[[], float],
    ) -> None:
        self._calls = calls
        self._settings = settings
        self._handler = handler
        self._tally = tally
        self._stopping = stopping
        self._on_missed = on_missed
        self._clock = clock
        self._check = GapCheck(calls.redis)
        self.sequence = Sequence()

    async def recover(self, room: OwnedRoom) -> bool:
        """Handle what was given out before, each acknowledged by itself; False where it stopped.

        So the entry that its consumers died of, one after the other, is the first one sooner or later.
        """
        calls, name, cursor, first = self._calls, room.name, "0-0", True
        while True:
            idle_ms, count = room.recover_idle_ms, self._settings.batch
            page = await calls.claim(name, cursor, idle_ms=idle_ms, count=count)
            if page.removed:
                await calls.drop_removed(name)  # what is lost by that shows as a gap in seq
            entries = page.entries
            self._tally.claimed += len(entries)
            tried = 0
            if entries and first and self._may_go_on(room):
                first = False
                attempt = uuid.uuid4().hex
                tried = await calls.tried(name, entries[0][0], attempt) - 1
                if not self._may_go_on(room):  # the call waited for Redis, the lease did not
                    await calls.tried_not(name, entries[0][0], attempt)
                elif tried >= self._settings.tries:
                    error = f"its consumers ended {tried} times without an answer"
                    await self._bury(room, entries[0], "unanswered", error, tried)
                    entries, tried = entries[1:], 0
            if not await self.handle(room, entries, singly=True, tried=tried):
                return False
            cursor = page.cursor
            if cursor == "0-0":
                room.recovers = False
                return True

    def _may_go_on(self, room: OwnedRoom) -> bool:
        return not self._stopping.is_set() and self._clock() < room.until_s

    async def handle(self, room: OwnedRoom, entries: list[Entry], *, singly: bool, tried: int = 0) -> bool:
        """Handle entries one after the other; False where it had to stop, and the rest has to be claimed.

        `tried` counts the tries that the first of them is known to have had.
        """
        handler, observe, clock, tally = self._handler, self.sequence.observe, self._clock, self._tally
        ack, stopping, name, every = self._calls.ack, self._stopping, room.name, self._settings.ack_every
        unacked, newest = room.unacked, entries[-1] if entries else None
        for entry in entries:
            if stopping.is_set() or clock() >= room.until_s:
                room.recovers, room.recover_idle_ms = True, 0
                break
            entry_id = entry[0]
            try:
                recorded = decode_of(name, entry_id, entry[1])
            except InvalidEventError as error:
                await self._bury(room, entry, "schema", error.reason, 0)
                continue
            fault = observe(recorded)
            if fault is not None:
                await self._tell(fault, recorded, room)
            try:
                answer = handler(recorded)
                if answer is not None and isawaitable(answer):
                    await answer
            except (Exception, asyncio.CancelledError) as error:
                if not await self._again(room, entry, recorded, _failure(error), tried + 1):
                    room.recovers, room.recover_idle_ms = True, 0
                    break
            else:
                tally.handled += 1
                if singly and entry is not newest:
                    await ack(name, entry_id)
                else:
                    unacked.append(entry_id)
                    if singly or len(unacked) >= every:
                        room.last = recorded
                        await self.flush(room)
            room.last = recorded
            tried = 0
        else:
            return True
        return False

    async def flush(self, room: OwnedRoom) -> None:
        """Acknowledge what was handled, and note how far the group is."""
        ids, last = room.unacked.copy(), room.last
        if not ids and last is room.noted:
            return
        room.unacked.clear()  # before the call: two of them may be under way
        try:
            await self._calls.done(room.name, last, ids)
        except BaseException:
            room.unacked[:0] = ids
            raise
        room.noted = last

    async def _again(
        self, room: OwnedRoom, entry: Entry, recorded: Recorded, error: Exception, tried: int
    ) -> bool:
        """Try until it works or is given up; False where there is no time for that any more."""
        while True:
            self._tally.failed += 1
            extra = {"room": room.name, "entry_id": entry[0], "tries": tried, "error": type(error).__name__}
            if tried >= self._settings.tries:
                logger.error("streams.dead_letter", extra=extra, exc_info=error)
                await self._bury(room, entry, "handler", f"{type(error).__name__}: {error}", tried)
                return True
            logger.warning("streams.handler_failed", extra=extra)
            delay_s = self._settings.delay_ms(tried) * random.uniform(0.5, 1.0) / 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stopping.wait()
            if self._stopping.is_set() or self._clock() >= room.until_s:
                return False
            try:
                answer = self._handler(recorded)
                if answer is not None and isawaitable(answer):
                    await answer
            except (Exception, asyncio.CancelledError) as failure:
                error, tried = _failure(failure), tried + 1
                continue
            self._tally.handled += 1
            await self._calls.ack(room.name, entry[0])
            return True

    async def _bury(self, room: OwnedRoom, entry: Entry, reason: Reason, error: str, tries: int) -> None:
        if reason == "schema":
            extra: dict[str, Any] = {"room": room.name, "entry_id": entry[0], "reason": error}
            logger.warning("streams.quarantined", extra=extra)
        await self._calls.bury(room.name, entry, reason, error, tries)
        if reason == "schema":
            self._tally.quarantined += 1
        else:
            self._tally.dead_letters += 1

    async def _tell(self, fault: Gap | Fork, recorded: Recorded, room: OwnedRoom) -> None:
        try:
            if isinstance(fault, Gap):
                before = self.sequence.before_fault()
                after = None if before is None else before.id
                lost = await self._check.lost(fault, recorded, shared_after=after)
            else:
                lost = (fault,)
        except BaseException:
            self.sequence.take_back()
            raise
        for missed in lost:
            if isinstance(missed, Gap):
                self._tally.lost += missed.missing if missed.exact else 1
            else:
                self._tally.forks += 1
            try:
                self._on_missed(missed)
            except Exception:
                logger.exception("streams.on_missed_failed", extra={"room": room.name})


def _failure(error: Exception | asyncio.CancelledError) -> Exception:
    """Return what the handler failed of; a cancellation that was not its own is passed on.

    Raises:
        asyncio.CancelledError: this task is to end.
    """
    if isinstance(error, Exception):
        return error
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise error
    return RuntimeError("cancelled from within")

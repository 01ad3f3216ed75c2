"""From raw entries to events: decoded, checked for what is missing, selected."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from streams import keys
from streams.codec import decode_entry, decode_listed, text
from streams.connection import TIMEOUT_S, until_available
from streams.errors import InvalidEventError
from streams.gap_check import GapCheck
from streams.sequence import Gap, Position, Sequence, entry_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from redis.asyncio import Redis

    from streams.events import Recorded
    from streams.selection import Selection
    from streams.sequence import Fork

logger = logging.getLogger(__name__)

__all__ = ("Intake", "decode_of", "decoded", "log_invalid")


class Intake:
    """What a subscription does with each entry that it reads."""

    def __init__(
        self,
        redis: Redis,
        *,
        select: Selection,
        on_invalid: Callable[[InvalidEventError], None],
        on_missed: Callable[[Gap | Fork], None],
    ) -> None:
        self._redis = redis
        self._select = select
        self._on_invalid = on_invalid
        self._on_missed = on_missed
        self._check = GapCheck(redis)
        self.sequence = Sequence()
        self.missed = 0
        """Losses and forks so far; 0: every entry since the beginning was read."""

    async def begin(self, room: str, after_id: str) -> None:
        """Note that `room` is read from after `after_id` on; waits while Redis is away.

        Raises:
            redis.exceptions.RedisError: a refusal that waiting does not cure.
        """
        self.sequence.begin(room, after_id)
        if entry_order(after_id) == (0, 0):
            return
        read = cast("Any", self._redis).xrange
        for entry_id, fields in await until_available(
            lambda: read(keys.stream(room), min=after_id, max=after_id), TIMEOUT_S
        ):
            with suppress(InvalidEventError):
                last = decode_of(room, text(entry_id), fields)
                closed = last.type == "ROOM_CLOSED"
                self.sequence.resume(room, Position(last.session, last.seq, last.id, closed))

    async def take(self, room: str, entry_id: str, fields: Any) -> Recorded | None:
        """Return the entry if it is wanted; what is wrong is told first."""
        try:
            recorded = decode_of(room, entry_id, fields)
        except InvalidEventError as error:
            self._on_invalid(error)
            return None
        fault = self.sequence.observe(recorded)
        if fault is not None:
            try:
                lost = await self._check.lost(fault, recorded) if isinstance(fault, Gap) else (fault,)
            except BaseException:
                self.sequence.take_back()
                raise
            for missed in lost:
                self.missed += 1
                self._on_missed(missed)
        return recorded if self._select.takes(recorded) else None


def decode_of(room: str, entry_id: str, fields: Any) -> Recorded:
    """Return the entry of the stream of `room`, from its id as text and its fields as the client gives them.

    Raises:
        InvalidEventError: it breaks the schema, or names another room or another entry than it is.
    """
    recorded: Recorded | None = None
    if isinstance(fields, list):
        recorded = decode_listed(entry_id, cast("list[Any]", fields))
    recorded = recorded or decode_entry(entry_id, cast("Any", fields))
    if recorded.room != room:
        raise InvalidEventError("field room names another room", entry_id=entry_id)
    if recorded.id != entry_id:
        raise InvalidEventError("field entry_id names another entry", entry_id=entry_id)
    return recorded


def decoded(
    room: str, entries: Iterable[tuple[Any, Any]], on_invalid: Callable[[InvalidEventError], None]
) -> list[Recorded]:
    """Return those of a room's entries that keep to the schema; the others are handed to `on_invalid`."""
    events: list[Recorded] = []
    for entry_id, fields in entries:
        try:
            events.append(decode_of(room, text(entry_id), fields))
        except InvalidEventError as error:
            on_invalid(error)
    return events


def log_invalid(error: InvalidEventError) -> None:
    """Log an entry that breaks the schema: its id and what is wrong, nothing of what it says."""
    logger.warning("streams.invalid_entry", extra={"entry_id": error.entry_id, "reason": error.reason})

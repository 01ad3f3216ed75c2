"""Whether a hole in a room's seq is a loss: what was forgotten on purpose, or is there, is none."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from streams import keys
from streams.codec import decode_entry
from streams.entry_pages import entry_pages
from streams.errors import InvalidEventError
from streams.events import WordsForgotten
from streams.sequence import Fork, Gap, without

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from streams.events import Recorded
    from streams.reader import Entry

logger = logging.getLogger(__name__)

__all__ = ("GapCheck", "log_missed")


class GapCheck:
    """Asks the stream itself what became of entries that a reader did not get.

    A WORDS_FORGOTTEN comes after the entries that it names, so what lies ahead is looked through, once a
    room, page by page.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._forgotten: dict[str, dict[str, set[int]]] = {}
        self._looked_to: dict[str, str] = {}

    async def lost(self, gap: Gap, recorded: Recorded, *, shared_after: str | None = None) -> tuple[Gap, ...]:
        """Return what of `gap`, found at `recorded`, is a loss.

        With `shared_after`, the id of the last entry before the gap, entries that are still there count as
        got: another consumer of the same group had them.

        Raises:
            redis.exceptions.RedisError: a refusal that waiting does not cure.
        """
        await self._look_ahead(recorded)
        explained = set(self._forgotten.get(recorded.room, {}).get(gap.session, ()))
        if shared_after is not None:
            async for _, fields in self._entries(recorded.room, f"({shared_after}", f"({recorded.id}"):
                if _value(fields, "session") == gap.session:
                    seq = _value(fields, "seq")
                    if seq.isascii() and seq.isdecimal():
                        explained.add(int(seq))
        return without(gap, explained) if explained else (gap,)

    async def _look_ahead(self, recorded: Recorded) -> None:
        room = recorded.room
        start = f"({self._looked_to[room]}" if room in self._looked_to else recorded.id
        forgotten = self._forgotten.setdefault(room, {})
        async for entry_id, fields in self._entries(room, start, "+"):
            self._looked_to[room] = entry_id
            if _value(fields, "type") != "WORDS_FORGOTTEN":
                continue
            try:
                entry = decode_entry(entry_id, fields)
            except InvalidEventError:
                continue
            if isinstance(entry.event, WordsForgotten):
                session = str(getattr(entry.event, "session", "") or entry.session)
                forgotten.setdefault(session, set()).update(entry.event.seqs)

    async def _entries(self, room: str, first: str, last: str) -> AsyncIterator[Entry]:
        async for page in entry_pages(self._redis, keys.stream(room), first, last):
            for entry in page:
                yield entry
            await asyncio.sleep(0)


def log_missed(missed: Gap | Fork) -> None:
    """Log what a reader missed, where nobody asked to be told."""
    extra: dict[str, Any] = {"room": missed.room, "session": missed.session}
    if isinstance(missed, Gap):
        extra |= {"after_seq": missed.after_seq, "before_seq": missed.before_seq}
        logger.warning("streams.missed", extra=extra)
    else:
        logger.warning("streams.fork", extra=extra | {"seq": missed.seq, "entry_id": missed.id})


def _value(fields: Any, name: str) -> str:
    value = fields.get(name, fields.get(name.encode(), ""))
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

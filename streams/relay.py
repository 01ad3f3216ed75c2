"""Copies the events of all rooms into the one plain stream that anybody can read without knowing rooms."""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Self, cast

from redis.exceptions import RedisError

from streams import keys, scripts
from streams.background import Background
from streams.codec import text
from streams.connection import TIMEOUT_S, backoff_s, end_if_cancelled, until_available
from streams.hinted_reader import reader_of
from streams.reader import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

_CHUNK = 200
"""Most entries that one call copies."""
_CHUNK_BYTES = 2**22
"""Beyond that a call copies no further entry."""
_PART_BYTES = 8
"""What a name or a value weighs beside its text."""
_MOST_FIELDS = 3000
"""Of an entry: a script can hand no more to a command."""
_LONGEST_REFUSED_S = 5.0
_RELEASE_LIMIT_S = 0.5


class Relay:
    """Copies every room's events, in order within a room, into `conversation_stream`.

    Run as many as you like; one works, by a lease of `lease_ms`, the others wait for it. Copying and moving
    the room's stored cursor are one step, so a relay that is killed is followed by one that goes on exactly
    where it stopped. At least once is the promise all the same: a Redis that loses its last writes in a
    failover may lose the cursor's and keep the copies. A copy has the fields of the original, and `entry_id`;
    of an entry with more than 3000 fields it has only that and `room`. What Redis refuses, as where something
    else lies at one of the keys, is logged and tried again.

    `async with Relay(redis)` runs it beside the body; `run()` is for a task of the caller's.
    """

    def __init__(self, redis: Redis, *, process: str | None = None, lease_ms: int = 5000) -> None:
        self._redis = redis
        self._process = process or uuid.uuid4().hex
        self._lease_ms = lease_ms
        self._copy = redis.register_script(scripts.load("streams", "relay.lua"))
        self._release = redis.register_script(scripts.load("streams", "relay_release.lua"))
        self._background = Background(self.run, name="relay")

    async def __aenter__(self) -> Self:
        await self._background.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._background.__aexit__(exc_type, exc, traceback)

    async def run(self) -> None:
        """Copy until cancelled, whenever the lease is ours; give it back at the end."""
        try:
            delays = backoff_s(longest_s=_LONGEST_REFUSED_S)
            while True:
                end_if_cancelled()
                try:
                    await self._wait_for_lease()
                    logger.info("streams.relay_began", extra={"relay": self._process})
                    await self._copy_while_leased()
                except RedisError as error:
                    delay_s = next(delays)
                    extra = {"relay": self._process, "reason": str(error), "delay_s": delay_s}
                    logger.error("streams.relay_refused", extra=extra)  # noqa: TRY400 - a line, no traceback
                    await asyncio.sleep(delay_s)
                else:
                    delays = backoff_s(longest_s=_LONGEST_REFUSED_S)
                    logger.warning("streams.relay_lost_lease", extra={"relay": self._process})
        finally:
            with suppress(RedisError, OSError):
                async with asyncio.timeout(_RELEASE_LIMIT_S):
                    await self._release(keys=[keys.RELAY_LEASE], args=[self._process])

    async def _wait_for_lease(self) -> None:
        while True:
            left_ms = await until_available(self._try_lease, TIMEOUT_S)
            if left_ms <= 0:
                return
            await asyncio.sleep(left_ms / 1000 + random.uniform(0.0, 0.05))

    async def _try_lease(self) -> int:
        """Return 0 with the lease in hand, else how long it is held by another."""
        redis = cast("Any", self._redis)
        if await redis.set(keys.RELAY_LEASE, self._process, nx=True, px=self._lease_ms):
            return 0
        holder = await redis.get(keys.RELAY_LEASE)
        if holder in (self._process, self._process.encode()):
            return 0
        return max(1, int(await redis.pttl(keys.RELAY_LEASE)))

    async def _copy_while_leased(self) -> None:
        cursors = await until_available(self._stored_cursors, TIMEOUT_S)
        reader = reader_of(
            self._redis,
            discover=True,
            first_id=lambda room: cursors.get(room, "0-0"),
            longest_block_ms=self._lease_ms // 3,
        )
        async with reader:
            while True:
                for room, entries in await reader.read() or [("", list[Entry]())]:
                    for chunk in _chunks(entries):
                        outcome = await self._copy_chunk(room, cursors.get(room, "0-0"), chunk)
                        if outcome == "lost":
                            return
                        if outcome != "copied":
                            cursors[room] = outcome
                            await reader.follow(room, outcome)
                            break
                        if chunk:
                            cursors[room] = chunk[-1][0]

    async def _copy_chunk(self, room: str, cursor: str, entries: list[Entry]) -> str:
        """Return `copied`, `lost`, or the id from which to go on instead."""
        args: list[Any] = [self._process, self._lease_ms, room, cursor, len(entries)]
        for entry_id, fields in entries:
            flat = _copied(room, entry_id, fields)
            args += [entry_id, len(flat), *flat]
        script_keys = [keys.RELAY_LEASE, keys.RELAY_CURSORS, keys.ALL_ROOMS_STREAM]
        reply = [
            text(part)
            for part in await until_available(
                lambda: cast("Any", self._copy(keys=script_keys, args=args)), TIMEOUT_S
            )
        ]
        return reply[1] if reply[0] == "moved" else reply[0]

    async def _stored_cursors(self) -> dict[str, str]:
        stored = await cast("Any", self._redis).hgetall(keys.RELAY_CURSORS)
        return {text(room): text(cursor) for room, cursor in stored.items()}


def _chunks(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries call by call; one empty call where there are none."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        if len(chunk) >= _CHUNK or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(entry)
        size += sum(len(part) + _PART_BYTES for part in _flat(entry[1]))
    yield chunk


def _copied(room: str, entry_id: str, fields: Any) -> list[Any]:
    flat = _flat(fields)
    if len(flat) <= 2 * _MOST_FIELDS:
        return flat
    extra = {"room": room, "entry_id": entry_id, "fields": len(flat) // 2}
    logger.warning("streams.relay_entry_too_wide", extra=extra)
    return ["room", room]


def _flat(fields: Any) -> list[Any]:
    """Return names and values in turns, as Redis gave them."""
    return cast("list[Any]", fields if isinstance(fields, list) else [*chain(*fields.items())])

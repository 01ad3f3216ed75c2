"""Writes the record of all rooms into an archive, every event exactly once."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from streams.connection import TIMEOUT_S, backoff_s, end_if_cancelled, server_time_ms
from streams.hinted_reader import reader_of
from swarm.archive import archive_keys
from swarm.archive.errors import ArchiveUnavailableError
from swarm.archive.rows import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio import Redis

    from swarm.archive.ports import Archive, Source

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArchiverSettings:
    """How an archiver goes about it."""

    name: str = "archive"
    """Under which it tells retention how far it is; one name for each database."""
    batch: int = 5000
    """Entries of one transaction; a last read may bring some more."""
    linger_s: float = 0.25
    """Longest for which a transaction gathers entries, and the pause after one that is smaller than a batch:
    many small ones become one."""
    tell_every_s: float = 5.0
    """Longest between two signs of life while events come; while none do it is the reader's block."""


@dataclass(slots=True)
class ArchiverTotals:
    """What an archiver has done since it began."""

    events: int = 0
    quarantined: int = 0
    batches: int = 0
    waits: int = 0
    """Times that the database was away."""


class Archiver:
    """Reads all rooms, and those that open later, and writes them into `archive`.

    The position of each room is stored in the transaction of its rows, and that alone says where to go on:
    whatever is killed, and whenever, an event is written once. While Redis or the database is away it waits.
    It holds two reads at most. `on_written` is called after each transaction with the batch.
    """

    def __init__(
        self,
        redis: Redis,
        archive: Archive,
        *,
        settings: ArchiverSettings | None = None,
        source: Callable[[Mapping[str, str]], Source] | None = None,
        on_written: Callable[[Batch], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._archive = archive
        self._settings = settings or ArchiverSettings()
        self._source = source or self._every_room
        self._on_written = on_written
        self._clock = clock
        self._told_s: float | None = None
        self.totals = ArchiverTotals()

    async def run(self) -> None:
        """Archive until cancelled.

        Raises:
            ArchiveError: the database refuses, and will again.
        """
        positions = await self._positions()
        await self._tell(positions)
        async with self._source(positions) as source:
            while True:
                end_if_cancelled()
                batch = await self._gathered(source)
                await self._write(batch)
                if len(batch) < self._settings.batch:
                    await asyncio.sleep(self._settings.linger_s)

    async def drain(self) -> int:
        """Archive what is there now and return the number of entries.

        Raises:
            redis.exceptions.RedisError: as the client does.
            ArchiveError: the database refuses, and will again.
        """
        taken = 0
        async with self._source(await self._positions()) as source:
            while True:
                end_if_cancelled()
                batch = Batch()
                while len(batch) < self._settings.batch and (found := await source.read_now()):
                    for room, entries in found:
                        batch.take(room, entries)
                if not batch.positions:
                    return taken
                await self._write(batch)
                taken += len(batch)

    def _every_room(self, positions: Mapping[str, str]) -> Source:
        return cast(
            "Source",
            reader_of(self._redis, discover=True, first_id=lambda room: positions.get(room, "0-0")),
        )

    async def _gathered(self, source: Source) -> Batch:
        batch = Batch()
        found = await source.read()
        until_s = self._clock() + self._settings.linger_s
        while found:
            for room, entries in found:
                batch.take(room, entries)
            if len(batch) >= self._settings.batch or self._clock() >= until_s:
                break
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    found = await source.read_now()
            except (RedisError, OSError):
                break  # what came is written; the next read waits for Redis
        return batch

    async def _positions(self) -> dict[str, str]:
        for delay_s in backoff_s():
            try:
                return await self._archive.positions()
            except ArchiveUnavailableError as error:
                await self._wait(error, delay_s)
        raise AssertionError("backoff_s never ends")

    async def _write(self, batch: Batch) -> None:
        if batch.positions:
            for delay_s in backoff_s():
                try:
                    await self._archive.write(batch)
                except ArchiveUnavailableError as error:
                    await self._wait(error, delay_s)
                else:
                    break
            self.totals.events += len(batch.events)
            self.totals.quarantined += len(batch.quarantined)
            self.totals.batches += 1
            for row in batch.quarantined:
                extra = {"room": row.room, "entry_id": row.entry_id, "reason": row.reason}
                logger.warning("swarm.archive_quarantined", extra=extra)
            if self._on_written is not None:
                self._on_written(batch)
        await self._tell(batch.positions)

    async def _wait(self, error: ArchiveUnavailableError, delay_s: float) -> None:
        end_if_cancelled()
        self.totals.waits += 1
        logger.warning("swarm.archive_waits", extra={"reason": error.reason, "delay_s": round(delay_s, 2)})
        await asyncio.sleep(delay_s)

    async def _tell(self, positions: Mapping[str, str]) -> None:
        """Tell retention how far the archive is. A word that is lost holds retention back, no more."""
        now_s = self._clock()
        if not positions and self._told_s is not None and now_s - self._told_s < self._settings.tell_every_s:
            return
        name, redis = self._settings.name, cast("Any", self._redis)
        with suppress(RedisError, OSError):
            async with asyncio.timeout(TIMEOUT_S):
                async with redis.pipeline(transaction=False) as pipeline:
                    for room, entry_id in positions.items():
                        pipeline.hset(archive_keys.archived(room), name, entry_id)
                    await pipeline.execute()
                if self._told_s is None or now_s - self._told_s >= self._settings.tell_every_s:
                    at_ms = await server_time_ms(self._redis, archive_keys.ARCHIVES)
                    await redis.hset(archive_keys.ARCHIVES, name, str(int(at_ms)))
                    self._told_s = now_s

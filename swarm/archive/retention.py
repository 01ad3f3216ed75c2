"""Trims the streams by age and size, as far as their readers allow; one process at a time."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from redis.exceptions import RedisError, ResponseError

from streams import keys, rooms, scripts
from streams.codec import text
from streams.connection import TIMEOUT_S, end_if_cancelled, server_time_ms
from streams.sequence import entry_order
from swarm.archive import archive_keys
from swarm.archive.retention_rule import BEGINNING, Floors, Reader, age_floor, decide, needed_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio import Redis

    from swarm.archive.retention_rule import Cut, Limits, Order

logger = logging.getLogger(__name__)

STEP = 5000
"""Most entries that one script call takes: Redis serves nobody else meanwhile."""

_NAMED_AS_ARCHIVE = "archive:"


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Entries that have gone from one stream."""

    room: str | None
    """None: the stream of all rooms."""
    entries: int
    up_to_id: str
    passed: tuple[str, ...]
    """Live groups that had not read them; an archive as `archive:NAME`."""
    recorded: bool
    """Whether a RETENTION_TRIMMED says so."""


@dataclass(slots=True)
class RetentionTotals:
    """What one process has trimmed since it began, by the key of the stream."""

    passes: int = 0
    """Times that it looked at all streams."""
    removed: Counter[str] = field(default_factory=Counter[str])
    passed: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Times that a live group, or an archive, lost entries by it."""

    def add(self, trimmed: Trimmed) -> None:
        """Count what has gone."""
        stream = _stream(trimmed.room)
        self.removed[stream] += trimmed.entries
        self.passed.update((stream, name) for name in trimmed.passed)


class Retention:
    """Keeps every room's stream, and the stream of all rooms, within `limits`.

    A live consumer group is waited for as the limits say; where it is passed all the same, the room's
    RETENTION_TRIMMED names it, `totals` and `on_trimmed` are told and a warning logged. The stream of all
    rooms has no events of its own: there the last three say it. Entries go in steps of at most 5000.
    """

    def __init__(
        self,
        redis: Redis,
        limits: Limits,
        *,
        every_s: float = 60.0,
        process: str | None = None,
        on_trimmed: Callable[[Trimmed], None] = lambda _: None,
    ) -> None:
        self._redis = cast("Any", redis)
        self._limits = limits
        self._every_s = every_s
        self._process = process or f"retention-{uuid.uuid4().hex[:8]}"
        self._on_trimmed = on_trimmed
        self.totals = RetentionTotals()
        self._script = redis.register_script(scripts.load("swarm", "retention.lua"))

    async def run(self) -> None:
        """Look at all streams every `every_s`, in whichever process has the lease, until cancelled."""
        try:
            while True:
                end_if_cancelled()
                try:
                    if await self._leased():
                        await self.pass_once()
                except (RedisError, OSError) as error:
                    logger.warning(
                        "swarm.retention_waits", extra={"reason": str(error) or type(error).__name__}
                    )
                await asyncio.sleep(self._every_s)
        finally:
            with suppress(RedisError, OSError):
                async with asyncio.timeout(0.5):
                    if await self._holder() == self._process:
                        await self._redis.delete(archive_keys.RETENTION_LEASE)

    async def pass_once(self) -> list[Trimmed]:
        """Trim what is to go now, and return what went, stream by stream.

        Raises:
            redis.exceptions.RedisError: as the client does.
        """
        async with asyncio.timeout(TIMEOUT_S):
            listed, _ = await rooms.listed(self._redis)
            told = {
                text(name): int(at) for name, at in (await self._redis.hgetall(archive_keys.ARCHIVES)).items()
            }
        done: list[Trimmed] = []
        for room in (*listed, None):
            end_if_cancelled()
            done += await self._trim(room, told)
        self.totals.passes += 1
        return done

    async def _trim(self, room: str | None, archives_told: Mapping[str, int]) -> list[Trimmed]:
        done: list[Trimmed] = []
        while True:
            async with asyncio.timeout(TIMEOUT_S):
                found = await self._looked(room, archives_told)
                if found is None:
                    return done
                cut, groups, capped = found
                trimmed = await self._cut(room, cut, groups)
            if trimmed == "again":
                continue
            if trimmed is None:
                return done
            self._tell(trimmed)
            done.append(trimmed)
            if not capped:
                return done

    async def _looked(
        self, room: str | None, archives_told: Mapping[str, int]
    ) -> tuple[Cut, list[str], bool] | None:
        """Return what to cut, the groups that were looked at, and whether more is to go after it."""
        stream, limits = _stream(room), self._limits
        entries = int(await self._redis.xlen(stream))
        if not entries:
            return None
        now_ms = int(await server_time_ms(self._redis, stream))
        memory = int(await self._redis.memory_usage(stream) or 0) if limits.max_bytes is not None else 0
        most = limits.entries(entries, memory)
        age_ms, patience = limits.max_age_ms, limits.patience
        floors = Floors(
            max(age_floor(now_ms, age_ms), await self._size_floor(stream, entries, most)),
            max(
                age_floor(now_ms, None if age_ms is None else age_ms * patience),
                await self._size_floor(stream, entries, None if most is None else most * patience),
            ),
        )
        groups = await self._groups(stream, room, now_ms)
        archives = [] if room is None else await self._archives(room, archives_told, now_ms)
        cut = decide(floors, groups, archives, limits)
        if cut is None:
            return None
        bound = await self._nth(stream, STEP + 1)
        capped = bound is not None and bound < cut.floor
        if capped and bound is not None:
            lost = {reader.name for reader in (*groups, *archives) if reader.needs < bound}
            cut = type(cut)(bound, tuple(name for name in cut.passed if name in lost))
        return cut, [group.name for group in groups], capped

    async def _size_floor(self, stream: str, entries: int, most: float | None) -> Order:
        if most is None or entries <= most:
            return BEGINNING
        excess = min(entries - int(most), STEP + 1)  # one more, so that more is seen to go after it
        return await self._nth(stream, excess + 1) or BEGINNING

    async def _nth(self, stream: str, number: int) -> Order | None:
        found = text(await self._script(keys=[stream], args=["nth", str(number)]))
        return entry_order(found) if found else None

    async def _groups(self, stream: str, room: str | None, now_ms: int) -> list[Reader]:
        readers: list[Reader] = []
        for group in await self._redis.xinfo_groups(stream):
            name = text(group["name"])
            oldest = None
            if group["pending"]:
                summary = await self._redis.xpending(stream, name)
                oldest = text(summary["min"]) if summary["min"] else None
            idle_ms = None
            with suppress(ResponseError):  # the group has gone meanwhile
                idles = [int(each["idle"]) for each in await self._redis.xinfo_consumers(stream, name)]
                idle_ms = min(idles, default=None)
            if room is not None:
                # Our own consumers hold the room by a lease: alive, however long a handler takes.
                until_ms = await self._redis.hget(keys.consumer_group(room, name), "until_ms")
                idle_ms = 0 if until_ms and int(until_ms) > now_ms else idle_ms
            readers.append(Reader(name, needed_from(text(group["last-delivered-id"]), oldest), idle_ms))
        return readers

    async def _archives(self, room: str, told: Mapping[str, int], now_ms: int) -> list[Reader]:
        stored = await self._redis.hgetall(archive_keys.archived(room))
        reached = {text(name): text(entry_id) for name, entry_id in stored.items()}
        return [
            Reader(
                _NAMED_AS_ARCHIVE + name,
                needed_from(reached.get(name, "0-0"), None),
                None if name not in told else max(0, now_ms - told[name]),
            )
            for name in sorted({*told, *reached})
        ]

    async def _cut(self, room: str | None, cut: Cut, groups: list[str]) -> Trimmed | Literal["again"] | None:
        script_keys = [_stream(room)] if room is None else [_stream(room), keys.meta(room)]
        args = [cut.floor_id, room or "", self._process, json.dumps(list(cut.passed)), json.dumps(groups)]
        match [text(part) for part in await self._script(keys=script_keys, args=["trim", *args])]:
            case ["trimmed", entries, up_to_id, recorded]:
                return Trimmed(room, int(entries), up_to_id, cut.passed, recorded == "1")
            case ["again"]:
                return "again"
            case _:
                return None

    def _tell(self, trimmed: Trimmed) -> None:
        extra: dict[str, Any] = {
            "room": trimmed.room,
            "entries": trimmed.entries,
            "up_to_id": trimmed.up_to_id,
        }
        if trimmed.passed:
            logger.warning("swarm.retention_passed_groups", extra=extra | {"groups": list(trimmed.passed)})
        else:
            logger.info("swarm.retention_trimmed", extra=extra)
        self.totals.add(trimmed)
        self._on_trimmed(trimmed)

    async def _leased(self) -> bool:
        lease_ms = int(self._every_s * 2500)
        async with asyncio.timeout(TIMEOUT_S):
            taken = await self._redis.set(archive_keys.RETENTION_LEASE, self._process, nx=True, px=lease_ms)
            if taken or await self._holder() == self._process:
                await self._redis.pexpire(archive_keys.RETENTION_LEASE, lease_ms)
                return True
        return False

    async def _holder(self) -> str | None:
        holder = await self._redis.get(archive_keys.RETENTION_LEASE)
        return None if holder is None else text(holder)


def _stream(room: str | None) -> str:
    return keys.ALL_ROOMS_STREAM if room is None else keys.stream(room)

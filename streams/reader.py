"""One blocked XREAD over the streams of many rooms; entries raw, positions kept."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, cast

from redis.exceptions import RedisError

from streams import keys, rooms
from streams.codec import text
from streams.connection import backoff_s, block_ms, end_if_cancelled
from streams.kept_connections import own_connection, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis.asyncio import Redis

logger = logging.getLogger(__name__)

Entry = tuple[str, Any]
"""Entry id, fields as the client gives them: a mapping or a flat list."""

_CONTROL_LIFE_MS = 60_000
_BATCH = 2000
_GRACE_S = 5.0
_LONGEST_BLIND_S = 0.5
"""Longest wait before Redis is asked again: a grant made as soon as it is back has to be seen in time."""


class RoomsReader:
    """Reads many rooms by one blocked read on one connection, each room in order.

    With `discover` it reads every listed room and takes in new ones as they appear, each from
    `first_id(room)`; with `on_room` it tells of each room instead, once or more often, and reads only what
    `follow` names. A change of the set ends the blocked read through a control key. Works within
    `async with`. On a Cluster, where one XREAD cannot span hash slots, `HintedReader` takes its place.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        discover: bool = False,
        first_id: Callable[[str], str] = lambda room: "0-0",
        on_room: Callable[[str], None] | None = None,
        longest_block_ms: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._discover = discover
        self._first_id = first_id
        self._on_room = on_room
        self._block_ms = min(block_ms(redis), longest_block_ms or 2**31)
        self._clock = clock
        self._cursors: dict[str, str] = {}
        self._rooms: dict[str, str] = {}
        self._packed_keys: bytes | None = None
        self._control = (keys.hub_control(uuid.uuid4().hex), "0-0")
        self._opened: str | None = None
        self._blocked = False
        self._own = own_connection(redis)
        self.alive_at_s: float | None = None
        """Monotonic time of Redis's last answer."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._own is not None:
            await self._own.give_back()

    @property
    def cursors(self) -> dict[str, str]:
        """Room to the id after which it will be read on."""
        return dict(self._cursors)

    async def follow(self, room: str, after_id: str) -> None:
        """Read `room` on from `after_id`, also where it was further already."""
        self._begin(room, after_id)
        await self._end_block()

    def drop(self, room: str) -> None:
        """Read `room` no more."""
        if self._cursors.pop(room, None) is not None:
            del self._rooms[keys.stream(room)]
            self._packed_keys = None

    async def read(self) -> list[tuple[str, list[Entry]]]:
        """Return new entries by room; empty where none came for a while.

        While Redis is away this waits, and then goes on where it was. A refusal is logged and tried again.
        """
        delays: Iterator[float] | None = None
        while True:
            end_if_cancelled()
            try:
                if self._discover and self._opened is None:
                    await self._list_rooms()
                found = await self._read(self._block_ms)
            except (RedisError, OSError) as error:
                if str(error).startswith("WRONGTYPE") and await self._leave_out():
                    continue
                self._opened = None  # a Redis that comes back may have lost the list, or got rooms meanwhile
                level = logging.WARNING if delays is None else logging.INFO  # an outage is one warning
                delays = delays or backoff_s(longest_s=_LONGEST_BLIND_S)
                delay_s = next(delays)
                logger.log(
                    level, "streams.waiting_for_redis", extra={"reason": str(error), "delay_s": delay_s}
                )
                await asyncio.sleep(delay_s)
            else:
                if delays is not None:
                    logger.warning("streams.redis_is_back")
                return found

    async def _leave_out(self) -> bool:
        """Read no more what is no stream, which would keep all others; whether there was such a room."""
        left_out: list[str] = []
        with suppress(RedisError, OSError):
            for room in [*self._cursors]:
                async with asyncio.timeout(_GRACE_S):
                    kind = text(await cast("Any", self._redis).type(keys.stream(room)))
                if kind not in ("stream", "none"):
                    logger.warning("streams.no_stream", extra={"room": room, "kind": kind})
                    left_out.append(room)
        for room in left_out:
            self.drop(room)
        return bool(left_out)

    async def read_now(self) -> list[tuple[str, list[Entry]]]:
        """Return what is there, without waiting.

        Raises:
            redis.exceptions.RedisError: as the client does.
        """
        if self._discover and self._opened is None:
            await self._list_rooms()
        return await self._read(None)

    async def _list_rooms(self) -> None:
        listed, position = await rooms.listed(self._redis)
        for room in listed:
            self._found(room)
        self._opened = position

    async def _read(self, wait_ms: int | None) -> list[tuple[str, list[Entry]]]:
        control_key, control_id = self._control
        asked = {key: self._cursors[room] for key, room in self._rooms.items()}
        streams = {**asked, control_key: control_id}
        if self._opened is not None:
            streams[keys.ROOMS_OPENED] = self._opened
        self._blocked = wait_ms is not None
        try:
            async with asyncio.timeout((wait_ms or 0) / 1000 + _GRACE_S):
                reply = await self._xread(streams, max(20, _BATCH // len(streams)), wait_ms)
        finally:
            self._blocked = False
        self.alive_at_s = self._clock()
        found: list[tuple[str, list[Entry]]] = []
        for key, entries in reply:
            last_id = entries[-1][0]
            if key == control_key:
                self._control = (control_key, last_id)
            elif key == keys.ROOMS_OPENED:
                self._opened = last_id
                self._take_in(entries)
            else:
                room = self._rooms.get(key)
                # Else it was moved or dropped meanwhile: read from there.
                if room is not None and self._cursors[room] == asked[key]:
                    self._cursors[room] = last_id
                    found.append((room, entries))
        return found

    async def _xread(
        self, streams: dict[str, str], count: int, wait_ms: int | None
    ) -> list[tuple[str, list[Entry]]]:
        if self._own is None or wait_ms is None:
            client = cast("Any", self._redis)
            reply: list[Any] = await client.xread(streams, count=count, block=wait_ms)
            return [
                (text(key), [(text(each), fields) for each, fields in found]) for key, found in reply or ()
            ]
        encode, others = self._own.encode, [*streams][len(self._rooms) :]
        if self._packed_keys is None:
            self._packed_keys = packed(encode, self._rooms)
        parts = (
            b"*%d\r\n" % (6 + 2 * len(streams)),
            packed(encode, ("XREAD", "COUNT", count, "BLOCK", wait_ms, "STREAMS")),
            self._packed_keys,
            packed(encode, (*others, *streams.values())),
        )
        reply = await self._own.exchange(b"".join(parts))
        by_key = cast("Any", reply.items() if isinstance(reply, dict) else reply or ())
        return [(text(key), [(text(each), flat) for each, flat in found]) for key, found in by_key]

    def _take_in(self, entries: list[Entry]) -> None:
        for room in map(opened_room, entries):
            if room:
                self._found(room)

    def _found(self, room: str) -> None:
        if self._on_room is not None:
            self._on_room(room)
        elif room not in self._cursors:
            self._begin(room, self._first_id(room))

    def _begin(self, room: str, after_id: str) -> None:
        if room not in self._cursors:
            self._rooms[keys.stream(room)] = room
            self._packed_keys = None
        self._cursors[room] = after_id

    async def _end_block(self) -> None:
        if not self._blocked:
            return
        key = self._control[0]
        with suppress(RedisError, OSError):  # where Redis is away there is no block to end
            async with asyncio.timeout(_GRACE_S), self._redis.pipeline(transaction=False) as pipeline:
                pipeline.xadd(key, {"set": "changed"}, maxlen=1, approximate=False)
                pipeline.pexpire(key, _CONTROL_LIFE_MS)
                await pipeline.execute()


def opened_room(entry: Entry) -> str:
    """Return the room that an entry of ROOMS_OPENED names; empty where it names none."""
    fields = entry[1]
    if not isinstance(fields, Mapping):
        fields = dict(zip(fields[::2], fields[1::2], strict=False))
    named = cast("Mapping[Any, Any]", fields)
    return text(named.get("room", named.get(b"room")) or "")

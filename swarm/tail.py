"""`swarm tail`: what happens in a room, or in all of them, as it happens."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from heapq import merge
from typing import TYPE_CHECKING, TextIO

from redis.exceptions import RedisError
from rich.console import Console

from streams import keys, rooms
from streams.codec import MODELS
from streams.connection import TIMEOUT_S, until_available
from streams.errors import InvalidEventError, StreamUnavailableError
from streams.hinted_reader import HintedReader, reader_of
from streams.intake import Intake
from streams.selection import Selection, after_ms, beginning
from streams.sequence import entry_order
from swarm import tail_lines
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import tzinfo

    from redis.asyncio import Redis
    from rich.text import Text

    from streams.events import Recorded
    from streams.reader import Entry, RoomsReader
    from streams.sequence import Fork, Gap, Sequence

ALL = Selection()
_PATTERN = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class TailOptions:
    """What to show, and how."""

    rooms: tuple[str, ...] = ()
    """Names, or patterns with `*`; empty: all rooms. Rooms that open later are taken in."""
    from_id: str = "$"
    """An entry id to start after, an ISO 8601 time, `0` for everything, `$` for what comes from now on."""
    follow: bool = True
    """Go on as events come; otherwise end with the last one that is there."""
    select: Selection = ALL
    """Only these kinds, types and sources. What was missed is told of all."""
    as_json: bool = False
    """One JSON document a line: an entry's fields, or `missed`, `fork` or `unreadable`."""


def types_of(names: Collection[str]) -> frozenset[str] | None:
    """Return the types that `names` mean, in any case, with `*` for several; None for none given.

    A name that is no known type stays, for a newer version may have it.

    Raises:
        SettingError: a pattern fits no known type.
    """
    found: set[str] = set()
    for name in (name.upper() for name in names):
        fitting = {known for known in MODELS if fnmatchcase(known, name)}
        if not fitting and _PATTERN.search(name):
            raise SettingError("--type", f"no type fits {name!r}", "The types are in docs/events.md")
        found |= fitting or {name}
    return frozenset(found) or None


async def tail(redis: Redis, options: TailOptions, out: TextIO) -> None:
    """Write the events to `out`, in order within a room; until cancelled where it follows.

    While Redis is away it waits, and goes on after the last entry shown. What it missed (a gap in `seq` that
    nobody forgot on purpose), a record that forks and entries that break the schema are lines of their own.

    Raises:
        SettingError: `from_id` is no entry id and no time, or a room's name can be no room.
        StreamUnavailableError: Redis does not answer, where it does not follow; or a refusal.
    """
    from_id = _begin_after(options.from_id)
    lines = _Lines(redis, options, out)
    reader = await _reader(redis, options.rooms, from_id, lines.intake.sequence)
    if options.follow:
        async with reader:
            while True:
                await lines.write(await reader.read())
    while found := await _now(reader):
        await lines.write(found)


async def _now(reader: RoomsReader | HintedReader) -> list[tuple[str, list[Entry]]]:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await reader.read_now()
    except (RedisError, OSError) as error:
        raise StreamUnavailableError(str(error) or type(error).__name__) from error


def _begin_after(text: str) -> str:
    with suppress(ValueError):
        return beginning(text)
    try:
        time = datetime.fromisoformat(text)
        return after_ms((time if time.tzinfo else time.replace(tzinfo=_zone())).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        cure = "Use 0, $, an id such as 1795254689197-0, or a time such as 2026-11-21T16:16:30"
        raise SettingError("--from", f"{text[:60]!r} is no entry id and no time", cure) from error


def _zone() -> tzinfo:
    return datetime.now(UTC).astimezone().tzinfo or UTC


async def _reader(
    redis: Redis, names: Collection[str], from_id: str, sequence: Sequence
) -> RoomsReader | HintedReader:
    async def newest(room: str) -> str:
        return await until_available(lambda: rooms.last_id(redis, keys.stream(room)), TIMEOUT_S)

    for room in names:
        try:
            keys.checked_name(room, "room")
        except InvalidEventError as error:
            raise SettingError("room", error.reason, "Use the room's name as it is in LiveKit") from error
    from_now = from_id == "$"
    if names and not any(map(_PATTERN.search, names)):
        reader = reader_of(redis)
        for room in names:
            after = await newest(room) if from_now else from_id
            sequence.begin(room, after)
            await reader.follow(room, after)
        return reader
    begin: dict[str, str] = {}
    if from_now:
        listed, _ = await until_available(lambda: rooms.listed(redis), TIMEOUT_S)
        begin = {room: await newest(room) for room in listed}

    def first_id(room: str) -> str:
        if from_now and room not in begin:
            sequence.opens(room)
            return "0-0"
        after = begin.get(room, from_id)
        sequence.begin(room, after)
        return after

    return reader_of(redis, discover=True, first_id=first_id)


class _Lines:
    """Writes batches of entries as lines."""

    def __init__(self, redis: Redis, options: TailOptions, out: TextIO) -> None:
        self.intake = Intake(
            redis, select=options.select, on_invalid=self._unreadable, on_missed=self._missed
        )
        self._options = options
        self._with_room = len(options.rooms) != 1 or bool(_PATTERN.search(options.rooms[0]))
        self._out = out
        self._console = Console(file=out, highlight=False, soft_wrap=True, markup=False, emoji=False)

    async def write(self, batch: list[tuple[str, list[Entry]]]) -> None:
        """Write the entries of all rooms, merged by their ids."""
        by_room = [
            [(entry_order(entry_id), room, entry_id, fields) for entry_id, fields in entries]
            for room, entries in batch
            if self._takes(room)
        ]
        for _, room, entry_id, fields in merge(*by_room, key=lambda entry: entry[0]):
            try:
                recorded = await self.intake.take(room, entry_id, fields)
            except RedisError as error:
                raise StreamUnavailableError(str(error) or type(error).__name__) from error
            if recorded is not None:
                self._write_line(self._line(recorded))
        self._out.flush()

    def _takes(self, room: str) -> bool:
        return not self._options.rooms or any(fnmatchcase(room, name) for name in self._options.rooms)

    def _line(self, recorded: Recorded) -> Text | str:
        if self._options.as_json:
            return tail_lines.document(recorded)
        return tail_lines.readable(recorded, with_room=self._with_room, zone=_zone())

    def _unreadable(self, error: InvalidEventError) -> None:
        as_json = self._options.as_json
        self._write_line((tail_lines.unreadable_document if as_json else tail_lines.unreadable_line)(error))

    def _missed(self, missed: Gap | Fork) -> None:
        as_json = self._options.as_json
        self._write_line((tail_lines.missed_document if as_json else tail_lines.missed_line)(missed))

    def _write_line(self, line: Text | str) -> None:
        if isinstance(line, str):
            self._out.write(line + "\n")
        elif self._console.is_terminal:
            self._console.print(line)
        else:
            encoding = self._out.encoding or "utf-8"
            text = tail_lines.plain(line).encode(encoding, "backslashreplace").decode(encoding)
            self._out.write(text + "\n")

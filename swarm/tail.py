"""`swarm tail`: what happens in a room, or in all of them, as it happens."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from typing import TYPE_CHECKING, TextIO

from redis.exceptions import RedisError
from rich.console import Console

from streams import keys, rooms
from streams.codec import decode_entry
from streams.connection import TIMEOUT_S, until_available
from streams.errors import InvalidEventError, StreamUnavailableError
from streams.hinted_reader import HintedReader, reader_of
from streams.sequence import Sequence, entry_order
from swarm import tail_lines
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis
    from rich.text import Text

    from streams.reader import Entry, RoomsReader

_ENTRY_ID = re.compile(r"\d{1,20}(-\d{1,20})?")


@dataclass(frozen=True, slots=True)
class TailOptions:
    """What to show, and how."""

    room: str | None = None
    """None: all rooms, also those that open later."""
    from_id: str = "$"
    """Show what comes after this entry id; `0` for everything, `$` for what comes from now on."""
    follow: bool = True
    """Go on as events come; otherwise end with the last one that is there."""
    types: frozenset[str] | None = None
    """Only these types; None for all."""
    as_json: bool = False
    """One JSON document a line: an entry's fields, or `missed`, `fork` or `unreadable`."""


async def tail(redis: Redis, options: TailOptions, out: TextIO) -> None:
    """Write the events to `out`, in order within a room; until cancelled where it follows.

    While Redis is away it waits, and goes on after the last entry shown. What it missed (a gap in `seq`), a
    record that forks and entries that break the schema are lines of their own.

    Raises:
        SettingError: `from_id` is no entry id, or the room's name can be no room.
        StreamUnavailableError: Redis does not answer, where it does not follow.
    """
    if options.from_id != "$" and not _ENTRY_ID.fullmatch(options.from_id):
        raise SettingError(
            "--from", f"{options.from_id!r} is no entry id", "Use 0, $, or an id such as 1795254689197-0"
        )
    reader = await _reader(redis, options)
    lines = _Lines(options, out)
    if options.follow:
        async with reader:
            while True:
                lines.write(await reader.read())
    try:
        while True:
            async with asyncio.timeout(TIMEOUT_S):
                found = await reader.read_now()
            if not found:
                return
            lines.write(found)
    except (RedisError, OSError) as error:
        raise StreamUnavailableError(str(error) or type(error).__name__) from error


async def _reader(redis: Redis, options: TailOptions) -> RoomsReader | HintedReader:
    async def newest(room: str) -> str:
        return await until_available(lambda: rooms.last_id(redis, keys.stream(room)), TIMEOUT_S)

    from_now = options.from_id == "$"
    if options.room is not None:
        try:
            room = keys.checked_name(options.room, "room")
        except InvalidEventError as error:
            raise SettingError("room", error.reason, "Use the room's name as it is in LiveKit") from error
        reader = reader_of(redis)
        await reader.follow(room, await newest(room) if from_now else options.from_id)
        return reader
    begin: dict[str, str] = {}
    if from_now:
        listed, _ = await until_available(lambda: rooms.listed(redis), TIMEOUT_S)
        begin = {room: await newest(room) for room in listed}
    # A room that is listed later is shown from its first entry.
    first = "0-0" if from_now else options.from_id
    return reader_of(redis, discover=True, first_id=lambda room: begin.get(room, first))


class _Lines:
    """Writes batches of entries as lines."""

    def __init__(self, options: TailOptions, out: TextIO) -> None:
        self._options = options
        self._out = out
        self._sequence = Sequence()
        self._console = Console(file=out, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def write(self, batch: list[tuple[str, list[Entry]]]) -> None:
        """Write the entries of all rooms, merged by their ids."""
        by_room = [[(entry_order(entry_id), entry_id, fields) for entry_id, fields in es] for _, es in batch]
        for _, entry_id, fields in merge(*by_room, key=lambda entry: entry[0]):
            for line in self._lines(entry_id, fields):
                self._write_line(line)
        self._out.flush()

    def _lines(self, entry_id: str, fields: object) -> Iterator[Text | str]:
        as_json = self._options.as_json
        try:
            recorded = decode_entry(entry_id, fields)  # pyright: ignore[reportArgumentType] - as the client gave it
        except InvalidEventError as error:
            yield tail_lines.unreadable_document(error) if as_json else tail_lines.unreadable_line(error)
            return
        missed = self._sequence.observe(recorded)
        if missed is not None:
            yield tail_lines.missed_document(missed) if as_json else tail_lines.missed_line(missed)
        if self._options.types is not None and recorded.type not in self._options.types:
            return
        if as_json:
            yield tail_lines.document(recorded)
        else:
            zone = datetime.now(UTC).astimezone().tzinfo or UTC
            yield tail_lines.readable(recorded, with_room=self._options.room is None, zone=zone)

    def _write_line(self, line: Text | str) -> None:
        if isinstance(line, str):
            self._out.write(line + "\n")
        elif self._console.is_terminal:
            self._console.print(line)
        else:
            encoding = self._out.encoding or "utf-8"
            text = tail_lines.plain(line).encode(encoding, "backslashreplace").decode(encoding)
            self._out.write(text + "\n")

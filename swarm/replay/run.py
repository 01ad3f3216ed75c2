"""`swarm replay`: a past conversation on the terminal, as it went."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, ExitStack, aclosing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.live import Live

from streams import keys
from streams.conversation_stream import ConversationStream
from streams.errors import InvalidEventError
from streams.room_state import RoomState, after
from swarm import tail_lines
from swarm.analytics.archive_file import open_archive
from swarm.errors import SettingError
from swarm.floor_cli.calls import see_to_room
from swarm.redis_connection import redis_of_swarm
from swarm.replay import sources, view
from swarm.replay.moments import Moment, Pace, moment
from swarm.settings import shown_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from datetime import tzinfo

    from streams.events import Recorded


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to show, and how."""

    room: str
    archive: str | None = None
    """A DuckDB file, or a PostgreSQL URL; None: the stream."""
    from_: str | None = None
    to: str | None = None
    pace: Pace = field(default_factory=Pace)
    as_json: bool = False


async def replay(options: ReplayOptions, out: TextIO, zone: tzinfo) -> None:
    """Write the conversation to `out`: in place on a terminal, else a line an event, or JSON lines.

    What came before `from_` is not shown, but it counts for the state.

    Raises:
        SettingError: the room, the archive, `from_`, `to` or REDIS_URL cannot be used, or nothing is there.
        StreamUnavailableError: Redis went away.
        ArchiveError: PostgreSQL is away, or refuses.
    """
    begin, end = _moment(options.from_, "--from", zone), _moment(options.to, "--to", zone)
    async with AsyncExitStack() as stack:
        entries = await stack.enter_async_context(aclosing(await _entries(options, stack)))
        with ExitStack() as screen:
            writer = _Json(out) if options.as_json else _writer(options.room, out, zone, screen)
            first_ms = await _play(entries, begin, end, options.pace, writer)
    if first_ms is None:
        raise SettingError("ROOM", f"nothing is recorded of {options.room!r}", "Name another room or archive")
    if not writer.written:
        began = datetime.fromtimestamp(first_ms / 1000, zone).isoformat(timespec="milliseconds")
        raise SettingError(
            "--to" if begin is None else "--from",
            "nothing was recorded then",
            f"The record begins at {began}; leave --from and --to out for all of it",
        )


async def _entries(options: ReplayOptions, stack: AsyncExitStack) -> AsyncGenerator[Recorded]:
    if options.archive is not None:
        try:
            keys.checked_name(options.room, "room")
        except InvalidEventError as error:
            raise SettingError("ROOM", error.reason, "Name it like lobby or meeting-7") from error
        if options.archive.startswith(("postgres://", "postgresql://")):
            return sources.from_server(options.archive, options.room)
        if "://" in options.archive:
            reason = f"{shown_url(options.archive)!r} is no archive"
            raise SettingError("--archive", reason, "Name a DuckDB file, or postgresql://...")
        connection = await stack.enter_async_context(open_archive(Path(options.archive)))
        return sources.from_archive(connection, options.room)
    redis = await stack.enter_async_context(redis_of_swarm())
    await see_to_room(redis, options.room, new=False)
    return ConversationStream(redis, options.room).history()


def _moment(text: str | None, option: str, zone: tzinfo) -> Moment | None:
    if text is None or text == "0":
        return None
    try:
        return moment(text, zone)
    except ValueError as error:
        cure = "Use an entry id (1795254689197-0), +90 for 90 s into it, or 2026-11-21T16:16:30"
        raise SettingError(option, f"{text[:40]!r} is no point in time", cure) from error


async def _play(
    entries: AsyncGenerator[Recorded], begin: Moment | None, end: Moment | None, pace: Pace, writer: _Writer
) -> int | None:
    """Return when the record begins; None where nothing is there."""
    state, first_ms, before = RoomState(), None, None
    async for entry in entries:
        first_ms = entry.at_ms if first_ms is None else first_ms
        if end is not None and end.reached(entry, first_ms) and entry.id != end.entry_id:
            break
        state = after(state, entry)
        if begin is not None and not begin.reached(entry, first_ms):
            continue
        wait_s = pace.wait_s(before, entry)
        if wait_s:
            await asyncio.sleep(wait_s)
        writer.write(entry, state)
        before = entry
    return first_ms


class _Writer:
    """Writes one entry after the other."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.written = 0

    def write(self, entry: Recorded, state: RoomState) -> None:
        self.written += 1
        line = self._line(entry, state)
        if line is not None:
            encoding = self._out.encoding or "utf-8"
            self._out.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
            self._out.flush()

    def _line(self, entry: Recorded, state: RoomState) -> str | None:
        raise NotImplementedError


class _Json(_Writer):
    def _line(self, entry: Recorded, state: RoomState) -> str | None:
        return view.document(entry, state)


class _Lines(_Writer):
    def __init__(self, out: TextIO, zone: tzinfo) -> None:
        super().__init__(out)
        self._zone = zone

    def _line(self, entry: Recorded, state: RoomState) -> str | None:
        if not view.shown(entry):
            return None
        return tail_lines.plain(tail_lines.readable(entry, with_room=False, zone=self._zone))


class _Terminal(_Writer):
    def __init__(self, room: str, out: TextIO, zone: tzinfo, screen: ExitStack) -> None:
        super().__init__(out)
        self._view = view.ReplayView(room, zone)
        console = Console(file=out, highlight=False, markup=False, emoji=False)
        live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._live = screen.enter_context(live)

    def _line(self, entry: Recorded, state: RoomState) -> str | None:
        self._view.feed(entry, state)
        self._live.update(self._view, refresh=True)
        return None


def _writer(room: str, out: TextIO, zone: tzinfo, screen: ExitStack) -> _Writer:
    return _Terminal(room, out, zone, screen) if out.isatty() else _Lines(out, zone)

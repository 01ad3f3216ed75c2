"""`swarm stats`: the figures of a room or an archive, once or kept current."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.live import Live

from streams.conversation_stream import ConversationStream
from swarm.analytics import figures, shown
from swarm.analytics.live import LiveTally
from swarm.errors import SettingError
from swarm.floor_cli.calls import see_to_room
from swarm.redis_connection import redis_of_swarm

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

    from swarm.analytics.tally import Tally

_SHOWN_EVERY_S = 0.5
"""With `watch`, new events show at most this often."""
_WIDTH = 140


@dataclass(frozen=True, slots=True)
class StatsOptions:
    """What to show, and how."""

    room: str | None
    archive: str | None = None
    watch: bool = False
    as_json: bool = False
    plot: Path | None = None


async def stats(options: StatsOptions, out: TextIO) -> None:
    """Write the figures to `out`: tables, or one JSON document; with `watch`, again as events come.

    Raises:
        SettingError: the room, the archive, the picture's file or REDIS_URL cannot be used.
        StreamUnavailableError: Redis went away, where it does not watch.
    """
    _check(options)
    if options.archive is not None:
        from swarm.analytics.archives import archive_tally, shown_archive

        tally = await archive_tally(options.archive, options.room)
        await _finish(tally, options, out, archive=shown_archive(options.archive))
        return
    room = options.room or ""
    async with redis_of_swarm() as redis:
        await see_to_room(redis, room, new=False)
        if options.watch:
            await _watch(redis, room, options, out)
            return
        tally = await _read(redis, room)
    await _finish(tally, options, out)


def _check(options: StatsOptions) -> None:
    if options.room is None and options.archive is None:
        raise SettingError("ROOM", "missing", "Name a room, or an archive with --archive")
    if options.watch and (options.archive is not None or options.plot is not None):
        raise SettingError("--watch", "only a live room is watched, and not drawn", "Leave it out")
    folder = options.plot.parent if options.plot is not None else None
    if folder is not None and not folder.is_dir():
        raise SettingError("--plot", f"there is no folder {str(folder)!r}", "Name a file in one that exists")


async def _read(redis: Redis, room: str) -> Tally:
    tally = LiveTally()
    async with aclosing(ConversationStream(redis, room).history()) as entries:
        async for entry in entries:
            tally.feed(entry)
    return tally.tally()


async def _watch(redis: Redis, room: str, options: StatsOptions, out: TextIO) -> None:
    tally, changed = LiveTally(), asyncio.Event()

    async def follow() -> None:
        async with ConversationStream(redis, room).subscribe("0") as entries:
            async for entry in entries:
                tally.feed(entry)
                changed.set()

    console = Console(file=out, highlight=False, markup=False, emoji=False)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        with ExitStack() as stack:
            live = None
            if console.is_terminal and not options.as_json:
                live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
                stack.enter_context(live)
            while True:
                await changed.wait()
                changed.clear()
                document = figures.document(tally.tally(), room=room)
                if live is not None:
                    live.update(shown.tables(document), refresh=True)
                elif options.as_json:
                    out.write(json.dumps(document) + "\n")
                    out.flush()
                else:
                    _print(document, out)
                await asyncio.sleep(_SHOWN_EVERY_S)


async def _finish(tally: Tally, options: StatsOptions, out: TextIO, **about: Any) -> None:
    document = figures.document(tally, room=options.room, **about)
    if options.plot is not None:
        from swarm.analytics import picture  # loads numpy

        title = f"{options.room or 'all rooms'}: {tally.events} events in {tally.sessions} session(s)"
        try:
            await asyncio.to_thread(picture.draw, tally, title, options.plot)
        except OSError as error:
            reason = f"{str(options.plot)!r} cannot be written ({error.strerror})"
            raise SettingError("--plot", reason, "Name another file") from error
        document["picture"] = str(options.plot)
    if options.as_json:
        out.write(json.dumps(document, indent=2) + "\n")
    else:
        _print(document, out)


def _print(document: dict[str, Any], out: TextIO) -> None:
    width = None if out.isatty() else _WIDTH
    console = Console(file=out, highlight=False, markup=False, emoji=False, width=width)
    console.print(shown.tables(document))
    out.flush()

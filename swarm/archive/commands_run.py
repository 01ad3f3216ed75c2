"""What the commands of the archive do, once their options are read."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.status import Status

from streams.errors import InvalidEventError
from swarm.archive.archiver import Archiver, ArchiverSettings
from swarm.archive.export import export
from swarm.archive.forgetting import forget
from swarm.archive.opening import open_archive
from swarm.archive.retention import Retention
from swarm.archive.transcripts import set_transcripts, transcripts
from swarm.errors import SettingError
from swarm.metric_rules import of_archiver, of_retention
from swarm.metrics import serve
from swarm.redis_connection import redis_of_swarm
from swarm.settings import shown_url

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from swarm.archive.export import ExportProgress
    from swarm.archive.ports import Format, Selection
    from swarm.archive.retention import Trimmed
    from swarm.archive.retention_rule import Limits
    from swarm.archive.rows import Batch
    from swarm.archive.words import Transcripts


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What `swarm export` was asked for."""

    where: str
    selection: Selection
    folder: Path
    file_format: Format
    part_events: int


async def run_archive(
    to: str, *, follow: bool, name: str, quiet: bool, metrics_port: int | None = None
) -> dict[str, Any]:
    """Archive all rooms; until cancelled where it follows.

    Raises:
        SettingError: `to` or REDIS_URL is wrong.
        ArchiveError: the database refuses.
    """
    archive = open_archive(to)
    console = Console(stderr=True, quiet=quiet)
    async with redis_of_swarm() as redis, archive, serve(metrics_port) as metrics:
        with Status(f"archiving into {shown_url(to)}", console=console) as status:

            def show(_: Batch) -> None:
                done = archiver.totals
                status.update(f"archived {done.events:,} events into {shown_url(to)}")

            archiver = Archiver(redis, archive, settings=ArchiverSettings(name=name), on_written=show)
            if metrics is not None:
                metrics.show(lambda: of_archiver(name, archiver.totals))
            if follow:
                await archiver.run()
            await archiver.drain()
    return {"archive": shown_url(to), **asdict(archiver.totals)}


async def run_export(order: ExportOrder, *, quiet: bool) -> dict[str, Any]:
    """Export, with a bar of progress on a terminal.

    Raises:
        SettingError: there is no such archive, or it has nothing of a room.
        ExportError: the folder holds something else, or cannot be written.
        ArchiveError: as the archive does.
    """
    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True, quiet=quiet)
    async with open_archive(order.where, setting="--archive", must_exist=True) as archive:
        known = await archive.positions()
        for room in order.selection.rooms:
            if room not in known:
                raise SettingError("--room", f"the archive has nothing of {room!r}", "Name another")
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
            bar = shown.add_task("events", total=None)

            def show(progress: ExportProgress) -> None:
                shown.update(bar, completed=progress.done, total=progress.of)

            done = await export(
                archive,
                order.selection,
                order.folder,
                order.file_format,
                events_a_part=order.part_events,
                on_progress=show,
            )
    return {
        "folder": str(order.folder),
        "format": order.file_format,
        "events": done.manifest.events,
        "written": done.written,
        "parts": len(done.manifest.parts),
        "late": done.late,
    }


async def run_retention(
    limits: Limits, *, every_s: float, once: bool, as_json: bool, metrics_port: int | None = None
) -> None:
    """Trim, and write a line for each stream that lost entries; until cancelled, or once.

    Raises:
        SettingError: REDIS_URL is wrong, or metrics cannot be served.
        redis.exceptions.RedisError: as the client does, where it looks once.
    """

    def tell(trimmed: Trimmed) -> None:
        if as_json:
            sys.stdout.write(json.dumps(asdict(trimmed)) + "\n")
        else:
            room = "the stream of all rooms" if trimmed.room is None else f"room {trimmed.room}"
            passed = f", past {', '.join(trimmed.passed)}" if trimmed.passed else ""
            sys.stdout.write(f"{room}: {trimmed.entries} entries up to {trimmed.up_to_id}{passed}\n")
        sys.stdout.flush()

    async with redis_of_swarm() as redis, serve(metrics_port) as metrics:
        retention = Retention(redis, limits, every_s=every_s, on_trimmed=tell)
        if metrics is not None:
            metrics.show(lambda: of_retention(retention.totals))
        if once:
            await retention.pass_once()
        else:
            await retention.run()


async def run_transcripts(room: str, setting: Transcripts | None, by: str) -> Transcripts:
    """Return what becomes of words in the room's record, after it was set where a setting is given.

    Raises:
        SettingError: REDIS_URL is wrong, or `by` can be no name.
    """
    async with redis_of_swarm() as redis:
        if setting is None:
            return await transcripts(redis, room)
        try:
            return await set_transcripts(redis, room, setting, source=by)
        except InvalidEventError as error:
            raise SettingError("--as", error.reason, "Give a name without white space") from error


async def run_forget(participant: str, rooms: Sequence[str] | None, where: str | None) -> dict[str, Any]:
    """Forget a participant in the streams, and in the archive where one is named.

    Raises:
        SettingError: a name can be none, REDIS_URL is wrong, or there is no such archive.
        ArchiveError: as the archive does.
    """
    try:
        if where is None:
            async with redis_of_swarm() as redis:
                return (await forget(redis, participant, only=rooms)).document()
        archive = open_archive(where, setting="--archive", must_exist=True)
        async with redis_of_swarm() as redis, archive:
            return (await forget(redis, participant, only=rooms, archive=archive)).document()
    except InvalidEventError as error:
        raise SettingError("PARTICIPANT", error.reason, "Use the identity as it is in the room") from error

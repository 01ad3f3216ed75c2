"""The commands of the archive, of retention and of privacy. Thin: options in, one async function called."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarm import logs, settings
from swarm.archive.ports import Format  # noqa: TC001 - typer reads the annotations
from swarm.archive.times import duration_ms, size_bytes, time_ms
from swarm.archive.words import Transcripts  # noqa: TC001 - typer reads the annotations
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT = "swarm.duckdb"
_ARCHIVE_HELP = "A DuckDB file, or postgresql://USER:PASSWORD@HOST:5432/DATABASE."

_LIKE = {"time_ms": "2026-11-21T10:00 or ms", "duration_ms": "90s, 12h or 7d", "size_bytes": "64MB or 1GiB"}

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")
]
MetricsPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Serve metrics for Prometheus on 127.0.0.1 there.")
]
Where = Annotated[str, typer.Option("--archive", envvar="SWARM_ARCHIVE", help=_ARCHIVE_HELP)]
Rooms = Annotated[list[str] | None, typer.Option("--room", help="Only this room (repeatable).")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (archive, export, retention, transcripts, forget):
        app.command()(command)


def archive(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", envvar="SWARM_ARCHIVE", help=_ARCHIVE_HELP)] = DEFAULT,
    follow: Annotated[bool, typer.Option(help="Go on as events come.")] = True,
    name: Annotated[
        str, typer.Option(help="Under which retention knows this archive; one for each database.")
    ] = "archive",
    metrics_port: MetricsPort = None,
    as_json: Json = False,
) -> None:
    """Write every event of all rooms into a database, once, until stopped (needs REDIS_URL)."""
    from swarm.archive.commands_run import run_archive

    logs.show("warning")
    document = ctx.obj.run(
        run_archive(to, follow=follow, name=name, quiet=as_json, metrics_port=metrics_port)
    )
    text = f"archived {document['events']} events into {document['archive']}"
    if document["quarantined"]:
        text += f"; put {document['quarantined']} aside that break the schema"
    _tell(document, text, as_json)


def export(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the files; the same again goes on.")],
    where: Where = DEFAULT,
    file_format: Annotated[Format, typer.Option("--format", help="Of the files.")] = "parquet",
    room: Rooms = None,
    from_time: Annotated[
        str, typer.Option("--from", help="Written at or after: 2026-11-21, 2026-11-21T10:00, or ms.")
    ] = "0",
    to_time: Annotated[str | None, typer.Option("--to", help="Written before that.")] = None,
    part_events: Annotated[int, typer.Option(min=1, help="About how many events a file holds.")] = 250_000,
    as_json: Json = False,
) -> None:
    """Write an archive's events as Parquet or JSON lines, by room and time, with bounded memory."""
    from swarm.archive.commands_run import ExportOrder, run_export
    from swarm.archive.ports import Selection

    logs.show("warning")
    selection = Selection(
        tuple(sorted({settings.check_room(each) for each in room or ()})),
        _read("--from", from_time, time_ms),
        2**62 if to_time is None else _read("--to", to_time, time_ms),
    )
    if selection.before_ms <= selection.from_ms:
        raise SettingError("--to", "is not after --from", "Give a later time")
    order = ExportOrder(where, selection, out, file_format, part_events)
    document = ctx.obj.run(run_export(order, quiet=as_json))
    text = f"{document['events']} events in {document['parts']} files in {out}"
    text += f", {document['written']} of them new"
    if document["late"]:
        text += f"; {document['late']} came too late for their time: export into a new folder to have them"
    _tell(document, text, as_json)


def retention(
    ctx: typer.Context,
    max_age: Annotated[str | None, typer.Option(help="Longest that an event stays: 12h, 7d.")] = None,
    max_entries: Annotated[int | None, typer.Option(min=1, help="Most events of one room.")] = None,
    max_bytes: Annotated[str | None, typer.Option(help="Most memory of one room: 64MB.")] = None,
    patience: Annotated[
        float, typer.Option(min=1.0, help="A live group that is behind is waited for up to so many limits.")
    ] = 2.0,
    live: Annotated[str, typer.Option(help="A group that has not read for that long is dead.")] = "1m",
    archive_held: Annotated[
        str, typer.Option(help="What an archive has not got is kept for that long after it was last at work.")
    ] = "7d",
    every: Annotated[str, typer.Option(help="How often to look.")] = "1m",
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    metrics_port: MetricsPort = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    """Keep streams within an age or a size, but for what live groups and archives need (needs REDIS_URL)."""
    from swarm.archive.commands_run import run_retention
    from swarm.archive.retention_rule import Limits

    logs.show("warning")
    if max_age is None and max_entries is None and max_bytes is None:
        raise SettingError("--max-age", "no limit is given", "Give --max-age, --max-entries or --max-bytes")
    limits = Limits(
        max_age_ms=None if max_age is None else _limit("--max-age", max_age, duration_ms),
        max_entries=max_entries,
        max_bytes=None if max_bytes is None else _limit("--max-bytes", max_bytes, size_bytes),
        patience=patience,
        live_ms=_read("--live", live, duration_ms),
        archive_held_ms=_read("--archive-held", archive_held, duration_ms),
    )
    every_s = max(0.1, _read("--every", every, duration_ms) / 1000)
    run = run_retention(limits, every_s=every_s, once=once, as_json=as_json, metrics_port=metrics_port)
    ctx.obj.run(run)


def transcripts(
    ctx: typer.Context,
    room: Annotated[str, typer.Argument(help="Name of the room.", metavar="ROOM")],
    setting: Annotated[
        Transcripts | None, typer.Argument(help="keep, redact (a star for each word) or omit; else: tell.")
    ] = None,
    by: Annotated[str, typer.Option("--as", help="Who sets it, as the record shall name it.")] = "operator",
    as_json: Json = False,
) -> None:
    """Tell or set whether a room's record keeps what is said, from now on (needs REDIS_URL)."""
    from swarm.archive.commands_run import run_transcripts

    logs.show("warning")
    now = ctx.obj.run(run_transcripts(settings.check_room(room), setting, by))
    _tell({"room": room, "transcripts": now}, f"room {room}: {now}", as_json)


def forget(
    ctx: typer.Context,
    participant: Annotated[str, typer.Argument(help="Identity in the room.", metavar="PARTICIPANT")],
    room: Rooms = None,
    where: Annotated[
        str | None, typer.Option("--archive", envvar="SWARM_ARCHIVE", help=f"Also there: {_ARCHIVE_HELP}")
    ] = None,
    as_json: Json = False,
) -> None:
    """Erase what a participant said from streams and archive; that it spoke stays (needs REDIS_URL)."""
    from swarm.archive.commands_run import run_forget

    logs.show("warning")
    rooms = None if not room else [settings.check_room(each) for each in room]
    document = ctx.obj.run(run_forget(participant, rooms, where))
    text = f"erased {document['entries']} entries in {len(document['rooms'])} rooms"
    text += (
        "" if document["archived_rows"] is None else f", and the words of {document['archived_rows']} rows"
    )
    if document["relay_behind"]:
        text += ". The stream of all rooms is behind: say it once more"
    _tell(document, text, as_json)
    if document["relay_behind"]:
        raise typer.Exit(1)


def _read(setting: str, text: str, read: Callable[[str], int]) -> int:
    try:
        return read(text)
    except (ValueError, OverflowError) as error:
        like = _LIKE[read.__name__]
        raise SettingError(setting, f"{text[:40]!r} is not understood", f"Write it like {like}") from error


def _limit(setting: str, text: str, read: Callable[[str], int]) -> int:
    limit = _read(setting, text, read)
    if limit == 0:
        raise SettingError(setting, "0 would keep nothing", "Leave it out for no limit")
    return limit


def _tell(document: dict[str, Any], text: str, as_json: bool) -> None:
    sys.stdout.write((json.dumps(document) if as_json else text) + "\n")
    sys.stdout.flush()

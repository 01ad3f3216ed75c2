"""The command `swarm replay`. Thin: options in, one async function called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from swarm import logs


def replay(
    ctx: typer.Context,
    room: Annotated[str, typer.Argument(help="Room whose past conversation is shown.")],
    archive: Annotated[
        str | None,
        typer.Option(
            help="Read this archive in place of REDIS_URL: a DuckDB file, or "
            "postgresql://USER:PASSWORD@HOST/DATABASE."
        ),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Entry id, +SECONDS into the record, or an ISO 8601 time."),
    ] = None,
    to: Annotated[str | None, typer.Option(help="The same: where to end.")] = None,
    speed: Annotated[
        float | None, typer.Option(min=0, help="2 is twice as fast; 0 without waits (as --json has it).")
    ] = None,
    longest_wait_s: Annotated[
        float, typer.Option("--longest-wait", min=0, help="Seconds; what took longer is cut short to this.")
    ] = 3.0,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One JSON document a line: the event, and the state after it."),
    ] = False,
) -> None:
    """Show a past conversation as it went: who held the floor, waited and said what (needs REDIS_URL)."""
    from datetime import UTC, datetime

    from swarm.replay import run
    from swarm.replay.moments import Pace

    logs.show("warning")
    zone = datetime.now(UTC).astimezone().tzinfo or UTC
    pace = Pace((0.0 if as_json else 1.0) if speed is None else speed, longest_wait_s)
    ctx.obj.run(run.replay(run.ReplayOptions(room, archive, from_, to, pace, as_json), sys.stdout, zone))

"""The command `swarm stats`. Thin: options in, one async function called."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads it at run time
from typing import Annotated

import typer

from swarm import logs


def stats(
    ctx: typer.Context,
    room: Annotated[str | None, typer.Argument(help="Room; of an archive all, if left out.")] = None,
    archive: Annotated[
        str | None,
        typer.Option(
            help="Read this archive in place of REDIS_URL: a DuckDB file, or postgresql://USER:PASSWORD@HOST/DATABASE."
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Keep the figures current, until Ctrl-C.")] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw the figures into this PNG file.")] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON document; with --watch, one a line."),
    ] = False,
) -> None:
    """Show how a room talks: floor time, gaps and overlaps, interruptions, waits (needs REDIS_URL).

    docs/analytics.md defines every figure.
    """
    from swarm.analytics import run

    logs.show("warning")
    ctx.obj.run(run.stats(run.StatsOptions(room, archive, watch, as_json, plot), sys.stdout))

"""The commands of `swarm`. Thin: options in, one async function called."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarm import logs, settings
from swarm.analytics.commands import stats
from swarm.archive import commands as archive_commands
from swarm.errors import SettingError
from swarm.floor_cli.commands import app as floor_app
from swarm.replay.commands import replay

if TYPE_CHECKING:
    from swarm.tail import TailOptions

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Several voice agents and several people in one room: one floor, local barge-in, one record.",
)
app.add_typer(floor_app, name="floor")
app.command()(stats)
app.command()(replay)
archive_commands.add_to(app)

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")
]
Model = Annotated[
    str, typer.Option(help="'offline' (no key, no download) or an ADK live model, e.g. a Gemini live model.")
]
MetricsPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Serve metrics for Prometheus on 127.0.0.1 at this port.")
]
RoomName = Annotated[str, typer.Option("--room", help="Name of the room.")]


@app.command()
def demo(
    ctx: typer.Context,
    mic: Annotated[Path | None, typer.Option(help="A WAV recording that plays the person.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the recording and the picture.")] = Path("swarm-demo"),
    model: Model = settings.OFFLINE_MODEL,
    metrics_port: MetricsPort = None,
    as_json: Json = False,
) -> None:
    """Two agents and a person meet in a room: turns, a backchannel, interruptions, and the record of it.

    Without REDIS_URL a private Redis is started; without LIVEKIT_URL the room is in memory.
    """
    from swarm.demo import run

    logs.show("error")
    document = ctx.obj.run(
        run.demo(run.Options(mic=mic, out=out, model=model, live=not as_json, metrics_port=metrics_port))
    )
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    if not document["ok"]:
        raise typer.Exit(1)


@app.command()
def agent(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="Identity of the agent in the room.")] = "host",
    role: Annotated[str, typer.Option(help="Role: host, expert, or any other.")] = "host",
    room: RoomName = "lobby",
    model: Model = settings.OFFLINE_MODEL,
    opening: Annotated[str, typer.Option(help="What a host is asked to open with; empty: it waits.")] = "",
    health_file: Annotated[Path | None, typer.Option(help="Touched every second while all is well.")] = None,
    policy: Annotated[
        str,
        typer.Option(
            help="Who answers a person, where the room has no rule yet: addressed, fifo, priority, bids, "
            "round_robin, chair. Later: swarm floor set ROOM policy=NAME."
        ),
    ] = "",
    metrics_port: MetricsPort = None,
) -> None:
    """Run one agent in a real LiveKit room (needs REDIS_URL, LIVEKIT_URL, its key and secret)."""
    from swarm import agent_process

    logs.show("info")
    ctx.obj.run(
        agent_process.run(
            agent_process.Options(
                name=name,
                role=role,
                room=settings.check_room(room),
                model=model,
                opening=opening,
                health_file=health_file,
                policy=policy,
                metrics_port=metrics_port,
            )
        )
    )


@app.command()
def tail(
    ctx: typer.Context,
    rooms: Annotated[
        list[str] | None, typer.Argument(help="Rooms to follow, or patterns as 'demo-*'; all if left out.")
    ] = None,
    from_id: Annotated[
        str,
        typer.Option(
            "--from", help="Entry id or ISO 8601 time to start at; 0 for the beginning, $ for from now on."
        ),
    ] = "0",
    follow: Annotated[bool, typer.Option(help="Go on as events come.")] = True,
    also_room: Annotated[
        list[str] | None, typer.Option("--room", help="As the argument (repeatable).")
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds (repeatable).")] = None,
    event_type: Annotated[
        list[str] | None, typer.Option("--type", help="Only these types, or as 'FLOOR_*' (repeatable).")
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only by these sources (repeatable).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    """Follow what happens in a room: readable, or as JSON lines (needs REDIS_URL)."""
    from swarm.tail import Selection, TailOptions, types_of

    logs.show("warning")
    select = Selection.of(
        [each.upper() for each in kind] if kind else None, types_of(event_type or ()), source or None
    )
    named = tuple(dict.fromkeys([*(rooms or ()), *(also_room or ())]))
    ctx.obj.run(_tail(TailOptions(named, from_id, follow, select, as_json)))


async def _tail(options: TailOptions) -> None:
    from swarm.redis_connection import redis_of_swarm
    from swarm.tail import tail

    async with redis_of_swarm() as redis:
        await tail(redis, options, sys.stdout)


@app.command()
def token(
    identity: Annotated[str, typer.Argument(help="Identity of the person who joins.")],
    room: RoomName = "lobby",
) -> None:
    """Print a LiveKit access token, so that a person can join a room with any client."""
    livekit = settings.from_environment().livekit
    if livekit is None:
        raise SettingError("LIVEKIT_URL", "missing", "Set it, LIVEKIT_API_KEY and LIVEKIT_API_SECRET")
    from livekit import api

    grants = api.VideoGrants(room_join=True, room=settings.check_room(room))
    made = api.AccessToken(livekit.api_key, livekit.api_secret).with_identity(identity).with_grants(grants)
    sys.stdout.write(made.to_jwt() + "\n")


@app.command(name="eval")
def evaluate(
    file: Annotated[
        Path, typer.Argument(help="Rows, one JSON object a line (see above); - is standard input.")
    ],
    judge: Annotated[
        str, typer.Option(help="learned, lists, min-words, always, configured, or a package's.")
    ] = "learned",
    predictions: Annotated[Path | None, typer.Option(help="Write one decision a row here.")] = None,
    picture: Annotated[Path, typer.Option(help="Draw confusion and delays here.")] = Path("swarm-eval.png"),
    as_json: Json = False,
) -> None:
    """Score a judge of interruptions on labelled rows, whole and word by word.

    A row has text (what a person said over an agent), label (ignore or
    interrupt), context (what the agent was saying), word_times (word, start,
    end of each, in s from the onset) and language; all but the text may be
    missing. One without a label is judged and not scored, one that cannot be
    read is predicted as an interruption; both are counted. Predictions are
    one line a row, in order, with decision (ignore or interrupt) and
    confidence (0 to 1).
    """
    from swarm import evaluate_run

    logs.show("error")
    document = evaluate_run.run(evaluate_run.Options(file, judge, predictions, picture), sys.stderr)
    sys.stdout.write(json.dumps(document, indent=2) + "\n" if as_json else evaluate_run.readable(document))

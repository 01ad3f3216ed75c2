"""The commands of `swarm floor` that a chair gives. Thin: options in, one async function called."""

from __future__ import annotations

from typing import Annotated

import typer

from swarm.floor_cli.options import OPERATOR, AsChair, ChairRole, Json, New, Reason, Room, Token, Who, act

app = typer.Typer()


@app.command()
def revoke(
    ctx: typer.Context,
    room: Room,
    by: AsChair = OPERATOR,
    role: ChairRole = "chair",
    token: Token = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Take the floor from its holder, as the chair."""
    from swarm.floor_cli import calls

    who = calls.participant(by, role)
    act(ctx, room, "revoke", as_json, lambda floor: calls.revoke(floor, who, token, reason))


@app.command()
def close(
    ctx: typer.Context,
    room: Room,
    by: AsChair = OPERATOR,
    role: ChairRole = "chair",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Serve no request until the floor is opened, as the chair; the holder keeps it."""
    from swarm.floor_cli import calls

    who = calls.participant(by, role)
    act(ctx, room, "close", as_json, lambda floor: calls.close(floor, who, reason))


@app.command("open")
def open_(
    ctx: typer.Context,
    room: Room,
    by: AsChair = OPERATOR,
    role: ChairRole = "chair",
    as_json: Json = False,
) -> None:
    """Serve requests again, as the chair."""
    from swarm.floor_cli import calls

    who = calls.participant(by, role)
    act(ctx, room, "open", as_json, lambda floor: calls.open_(floor, who))


@app.command("set")
def set_(
    ctx: typer.Context,
    room: Room,
    assignments: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE", help="None: show them all.")
    ] = None,
    by: AsChair = OPERATOR,
    role: ChairRole = "chair",
    new: New = False,
    as_json: Json = False,
) -> None:
    """Change the room's settings while it is live, as the chair; the rest stays as it is.

    Also who answers a person: policy=NAME, one of addressed, fifo, priority, bids, round_robin, chair.
    """
    from swarm.floor_cli import calls, room_settings

    who, changes = calls.participant(by, role), room_settings.parsed_settings(assignments or [])
    act(ctx, room, "set", as_json, lambda floor: room_settings.configure(floor, who, changes), new=new)


@app.command()
def grant(
    ctx: typer.Context,
    room: Room,
    participant: Who,
    now: Annotated[bool, typer.Option("--now", help="In the place of the holder, without a gap.")] = False,
    by: AsChair = OPERATOR,
    role: ChairRole = "chair",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Have NAME served before all others, as the chair; it takes the grant up itself."""
    from swarm.floor_cli import calls

    who, heir = calls.participant(by, role), calls.checked(participant, "NAME")
    act(ctx, room, "grant", as_json, lambda floor: calls.grant(floor, who, heir, reason, now=now))


@app.command()
def deny(
    ctx: typer.Context,
    room: Room,
    participant: Who,
    by: AsChair = OPERATOR,
    role: ChairRole = "chair",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Refuse what NAME waits for, as the chair."""
    from swarm.floor_cli import calls

    who, whom = calls.participant(by, role), calls.checked(participant, "NAME")
    act(ctx, room, "deny", as_json, lambda floor: calls.deny(floor, who, whom, reason))


@app.command()
def mute(
    ctx: typer.Context,
    room: Room,
    participant: Who,
    by: AsChair = OPERATOR,
    role: ChairRole = "chair",
    as_json: Json = False,
) -> None:
    """Keep NAME from the floor until it is unmuted, as the chair: what it has and waits for is over."""
    from swarm.floor_cli import calls

    who, whom = calls.participant(by, role), calls.checked(participant, "NAME")
    act(ctx, room, "mute", as_json, lambda floor: calls.mute(floor, who, whom, muted=True))


@app.command()
def unmute(
    ctx: typer.Context,
    room: Room,
    participant: Who,
    by: AsChair = OPERATOR,
    role: ChairRole = "chair",
    as_json: Json = False,
) -> None:
    """Let NAME ask for the floor again, as the chair."""
    from swarm.floor_cli import calls

    who, whom = calls.participant(by, role), calls.checked(participant, "NAME")
    act(ctx, room, "unmute", as_json, lambda floor: calls.mute(floor, who, whom, muted=False))

"""The commands of `swarm floor` that anybody gives. Thin: options in, one async function called."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from swarm import logs
from swarm.errors import SettingError
from swarm.floor_cli import chair_commands
from swarm.floor_cli.options import (
    As,
    Json,
    New,
    Reason,
    RequestId,
    Role,
    Room,
    Token,
    Who,
    act,
    document,
    leave_with,
    tell,
)

if TYPE_CHECKING:
    from swarm.floor_cli.shown import Answer

_HELP = """Look at the floor of a room and act on it, as a participant or as the chair (needs REDIS_URL).

Exit codes: 0, done. 1, Redis went away. 2, a wrong option, an unknown room, or a role that may not.

3, the floor said no, or there was nothing of the kind: the answer says why. 130 and 143, stopped by a signal.
"""

app = typer.Typer(no_args_is_help=True, help=_HELP)


@app.command()
def status(ctx: typer.Context, room: Room, as_json: Json = False) -> None:
    """Show who has the floor, who waits for it, who speaks, and the settings that are not the defaults."""
    from swarm.floor_cli import calls, shown

    found = ctx.obj.run(calls.look(room))
    if as_json:
        document(shown.status_document(room, found))
    else:
        from rich.console import Console

        terminal = sys.stdout.isatty()
        console = Console(highlight=False, markup=False, emoji=False, width=None if terminal else 140)
        console.print(shown.status_view(room, found))


@app.command()
def request(
    ctx: typer.Context,
    room: Room,
    by: As,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND", help="With --wait: what to run while the floor is held."),
    ] = None,
    role: Role = "",
    priority: Annotated[str, typer.Option(help="lowest, low, normal, high or urgent.")] = "normal",
    reason: Reason = "",
    on_behalf_of: Annotated[
        str | None, typer.Option("--for", help="Ask for this participant instead, who takes it up itself.")
    ] = None,
    preempt: Annotated[
        bool, typer.Option("--preempt", help="With urgent: take it from an agent of lower priority.")
    ] = False,
    request_id: RequestId = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the grant and hold it until Ctrl-C; a line a change.")
    ] = False,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", min=0, help="With --wait: give up after so many seconds.")
    ] = None,
    hold_s: Annotated[
        float | None, typer.Option("--hold", min=0, help="With --wait: release after so many seconds.")
    ] = None,
    new: New = False,
    as_json: Json = False,
) -> None:
    """Ask for the floor.

    Without --wait a grant lasts one lease; with it the grant is renewed, and released at once on Ctrl-C.

    COMMAND (after --) runs while the floor is held, its token in SWARM_FLOOR_TOKEN. Its exit code counts.

    What it writes goes to stderr. It is ended where the floor is lost, and the exit code is then 3.
    """
    logs.show("warning")
    from swarm.floor_cli import calls, holding

    if (command or timeout_s is not None or hold_s is not None) and not wait:
        raise SettingError("--wait", "missing, but COMMAND, --timeout or --hold is given", "Add --wait")
    if wait and on_behalf_of:
        raise SettingError("--for", "a grant of somebody else's cannot be held here", "Leave --wait out")
    if wait and request_id:
        raise SettingError("--request-id", "with --wait a request is never repeated", "Leave it out")
    asked = holding.Asked(
        by=calls.participant(by, role),
        priority=calls.priority(priority),
        reason=reason,
        on_behalf_of=calls.checked(on_behalf_of, "--for") if on_behalf_of else None,
        preempt=preempt,
        request_id=request_id,
        timeout_s=timeout_s,
        hold_s=hold_s,
        command=tuple(command or ()),
    )
    if wait:

        def say(answer: Answer) -> None:
            tell(answer, room, "request", as_json)

        leave_with(ctx.obj.run(holding.request_and_hold(room, asked, say, new=new)))
    else:
        act(ctx, room, "request", as_json, lambda floor: holding.request(floor, asked), new=new)


@app.command()
def withdraw(
    ctx: typer.Context,
    room: Room,
    by: As,
    role: Role = "",
    request_id: RequestId = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Take back a request that waits."""
    from swarm.floor_cli import calls

    who = calls.participant(by, role)
    act(ctx, room, "withdraw", as_json, lambda floor: calls.withdraw(floor, who, request_id, reason))


@app.command()
def release(
    ctx: typer.Context,
    room: Room,
    by: As,
    role: Role = "",
    token: Token = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Give the floor back, as its holder."""
    from swarm.floor_cli import calls

    who = calls.participant(by, role)
    act(ctx, room, "release", as_json, lambda floor: calls.release(floor, who, token, None, reason))


@app.command("yield")
def yield_to(
    ctx: typer.Context,
    room: Room,
    to: Who,
    by: As,
    role: Role = "",
    token: Token = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Hand the floor to NAME without an idle gap, as its holder."""
    from swarm.floor_cli import calls

    who, heir = calls.participant(by, role), calls.checked(to, "NAME")
    act(ctx, room, "yield", as_json, lambda floor: calls.release(floor, who, token, heir, reason))


@app.command()
def watch(
    ctx: typer.Context,
    room: Room,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
) -> None:
    """Show the floor each time it changes, until Ctrl-C: in place on a terminal, else a line a change."""
    from datetime import UTC, datetime

    from swarm.floor_cli import watching

    logs.show("warning")
    zone = datetime.now(UTC).astimezone().tzinfo or UTC
    ctx.obj.run(watching.watch(room, as_json=as_json, out=sys.stdout, zone=zone))


@app.command()
def script(
    as_json: Annotated[bool, typer.Option("--json", help="Script, SHA1 and names of the keys.")] = False,
) -> None:
    """Print the floor's script for clients in other languages; its SHA1 goes to stderr.

    docs/protocol.md says what it takes and returns. Load it with SCRIPT LOAD, call it with EVALSHA.
    """
    from hashlib import sha1

    from swarm.floor_script import floor_keys, source

    text = source()
    digest = sha1(text.encode(), usedforsecurity=False).hexdigest()
    if as_json:
        document({"sha1": digest, "keys": floor_keys("ROOM"), "script": text})
        return
    sys.stdout.write(text)
    sys.stdout.flush()
    sys.stderr.write(f"sha1 {digest}\n")


app.add_typer(chair_commands.app)

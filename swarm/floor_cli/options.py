"""Options that the commands of `swarm floor` share, and how they answer."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from swarm import logs

if TYPE_CHECKING:
    from swarm.floor_cli.calls import Act
    from swarm.floor_cli.shown import Answer

Room = Annotated[str, typer.Argument(help="Name of the room.", metavar="ROOM")]
Who = Annotated[str, typer.Argument(help="The participant it is about.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else there.")]
As = Annotated[str, typer.Option("--as", help="Who acts: the participant's identity.")]
AsChair = Annotated[str, typer.Option("--as", help="Who acts, as the record shall name it.")]
Role = Annotated[str, typer.Option(help="Role of who acts: host, chair, expert, guest, observer, any other.")]
ChairRole = Annotated[str, typer.Option("--role", help="Role of who acts: chair or host.")]
Reason = Annotated[str, typer.Option(help="Why; goes on the record.")]
New = Annotated[bool, typer.Option("--new", help="Open the room if there is none.")]
Token = Annotated[
    int | None, typer.Option(min=1, help="Only if this is the current token; without it, whichever is.")
]

OPERATOR = "operator"
"""Who acts as the chair where no name is given."""


def act(ctx: typer.Context, room: str, command: str, as_json: bool, do: Act, *, new: bool = False) -> None:
    """Do one thing on the floor of `room`, tell the answer, and end with its exit code."""
    from swarm.floor_cli import calls

    logs.show("warning")
    answer = ctx.obj.run(calls.act(room, do, new=new))
    tell(answer, room, command, as_json)
    leave_with(answer.exit_code)


def tell(answer: Answer, room: str, command: str, as_json: bool) -> None:
    """Write an answer to stdout."""
    if as_json:
        document(answer.document(room, command))
        return
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(answer.text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def document(found: object) -> None:
    """Write one JSON document, a line."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def leave_with(exit_code: int) -> None:
    """End the command, where there is more to say than that all is done."""
    if exit_code:
        raise typer.Exit(exit_code)

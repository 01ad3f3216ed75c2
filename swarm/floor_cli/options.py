"""Options that the commands of `swarm floor` share, and how they answer."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from streams.errors import InvalidEventError
from streams.request_ids import checked_request_id
from swarm import logs
from swarm.errors import SettingError

if TYPE_CHECKING:
    from swarm.floor_cli.calls import Act
    from swarm.floor_cli.shown import Answer


def _reason(text: str) -> str:
    from swarm.floor_link import LONGEST_REASON

    if len(text) > LONGEST_REASON:
        raise SettingError("--reason", f"{len(text)} characters", f"Use up to {LONGEST_REASON}")
    return text


def _request_id(text: str | None) -> str | None:
    try:
        return None if text is None else checked_request_id(text)
    except InvalidEventError as error:
        raise SettingError("--request-id", error.reason, "Give the id that the answer told") from error


Room = Annotated[str, typer.Argument(help="Name of the room.", metavar="ROOM")]
Who = Annotated[str, typer.Argument(help="The participant it is about.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else there.")]
As = Annotated[str, typer.Option("--as", help="Who acts: the participant's identity.")]
AsChair = Annotated[str, typer.Option("--as", help="Who acts, as the record shall name it.")]
Role = Annotated[str, typer.Option(help="Role of who acts: host, chair, expert, guest, observer, any other.")]
ChairRole = Annotated[str, typer.Option("--role", help="Role of who acts: chair or host.")]
Reason = Annotated[str, typer.Option(callback=_reason, help="Why; goes on the record.")]
RequestId = Annotated[
    str | None,
    typer.Option(
        callback=_request_id, help="Of a request made before: under its id it has no second effect."
    ),
]
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

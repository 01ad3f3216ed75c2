"""What `swarm floor` says: documents for scripts, text for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from swarm import floor_commands as fc
from swarm.floor_state import FloorSettings
from swarm.participant import Priority
from swarm.tail_lines import safe

if TYPE_CHECKING:
    from rich.console import RenderableType

    from swarm.floor_state import Waiting
    from swarm.floor_status import FloorStatus

DONE = 0
NO = 3
"""The floor said no, or there was nothing of the kind: nothing was changed."""

_COLOURS = {"idle": "green", "held": "cyan", "revoking": "yellow", "closed": "red"}
_WHY = {
    "closed": "the floor is closed",
    "queue_full": "the queue is full",
    "too_old": "the request id is older than the floor remembers",
    "too_new": "the request id is of a time to come",
    "muted": "the participant is muted",
    "take_up": "the grant was not taken up in time",
    "lease": "the lease ran out",
    "superseded": "somebody else holds the floor",
    "stale": "somebody else holds the floor",
    "max_turn": "the turn took too long",
    "silent": "nothing was heard of the holder",
    "unknown": "the floor knows of no such request",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say, as a document and as a line; and the exit code that says it shortest."""

    text: str
    exit_code: int = DONE
    fields: dict[str, Any] = field(default_factory=dict[str, Any])

    def document(self, room: str, command: str) -> dict[str, Any]:
        """Return the document."""
        return {"room": room, "command": command, "ok": self.exit_code == DONE, **self.fields}


def why(reason: str) -> str:
    """Return a floor's reason in words."""
    return _WHY.get(reason, safe(reason))


def seconds(ms: int) -> str:
    """Return a time as people read it."""
    if ms >= 120_000:
        return f"{ms // 60_000} min"
    return f"{ms / 1000:.1f} s"


def outcome(found: fc.Granted | fc.Queued | fc.Denied | fc.Ended, asked_by: str) -> Answer:
    """Return what became of a request."""
    who = safe(found.participant)
    fields: dict[str, Any] = {"participant": found.participant, "request_id": found.request_id}
    match found:
        case fc.Granted():
            fields |= {
                "state": "granted",
                "token": found.token,
                "remaining_ms": found.remaining_ms,
                "lease_ms": found.lease_ms,
                "guard_ms": found.guard_ms,
                "taken_up": found.confirmed,
            }
            for_how_long = (
                f"for {seconds(found.remaining_ms)}"
                if found.confirmed
                else f"and has {seconds(found.remaining_ms)} to take it up"
            )
            return Answer(f"{who} holds the floor, token {found.token}, {for_how_long}", DONE, fields)
        case fc.Queued(position=position):
            fields |= {"state": "queued", "position": position}
            return Answer(f"{who} waits at position {position}", DONE, fields)
        case fc.Denied(reason=reason):
            fields |= {"state": "denied", "reason": reason}
            return Answer(f"{who} is denied the floor: {why(reason)}", NO, fields)
        case fc.Ended(state=state, token=token, reason=reason):
            fields |= {"state": state, "token": token, "reason": reason}
            of_whom = "" if found.participant == asked_by else f" of {who}"
            because = f": {why(reason)}" if reason else ""
            return Answer(f"the request{of_whom} is over, {state}{because}", NO, fields)


def status_document(room: str, status: FloorStatus) -> dict[str, Any]:
    """Return a floor at one moment, for scripts."""
    settings = status.settings.as_dict()
    return {
        "room": room,
        "state": str(status.state),
        "holder": status.holder,
        "token": status.token,
        "remaining_ms": status.remaining_ms,
        "queue": [
            {
                "position": position,
                "participant": each.participant,
                "priority": Priority(each.priority).name.lower(),
                "waited_ms": _waited_ms(status, each),
                "request_id": each.request_id,
                "front": bool(each.front),
                "reason": each.reason,
            }
            for position, each in enumerate(status.queue, start=1)
        ],
        "people": list(status.people),
        "muted": list(status.muted),
        "backchannel": status.backchannel,
        "closed": status.closed,
        "settings": settings,
        "settings_changed": _changed(status),
        "now_ms": status.now_ms,
    }


def status_view(room: str, status: FloorStatus) -> RenderableType:
    """Return a floor at one moment, for people: who has it, who waits, who speaks, what is set otherwise."""
    parts: list[RenderableType] = [_headline(room, status)]
    if status.queue:
        parts.append(_queue(status))
    if status.people:
        parts.append(Text("speaking: " + ", ".join(safe(who) for who in status.people), style="green"))
    if status.backchannel:
        parts.append(Text(f"acknowledges without the floor: {safe(status.backchannel)}", style="green"))
    if status.muted:
        parts.append(Text("muted: " + ", ".join(safe(who) for who in status.muted), style="yellow"))
    changed = _changed(status)
    if changed:
        defaults = FloorSettings().as_dict()
        shown = ", ".join(f"{name} {value} ({defaults[name]})" for name, value in changed.items())
        parts.append(Text(f"settings (defaults): {shown}", style="dim"))
    return Group(*parts)


def status_line(room: str, status: FloorStatus) -> str:
    """Return a floor at one moment on one line, as `watch` writes it where there is no terminal."""
    line = _headline(room, status).plain
    if status.queue:
        waiting = (
            f"{position} {safe(each.participant)} ({Priority(each.priority).name.lower()}, "
            f"{seconds(_waited_ms(status, each))})"
            for position, each in enumerate(status.queue, start=1)
        )
        line += "; waiting: " + ", ".join(waiting)
    if status.people:
        line += "; speaking: " + ", ".join(safe(who) for who in status.people)
    if status.muted:
        line += "; muted: " + ", ".join(safe(who) for who in status.muted)
    return line


def _headline(room: str, status: FloorStatus) -> Text:
    state = str(status.state)
    line = Text(f"{safe(room)} ", style="bold")
    line.append(f"{state.upper()}", style=_COLOURS[state])
    if status.holder is not None:
        line.append(f" by {safe(status.holder)}", style="bold")
        line.append(f", {seconds(status.remaining_ms)} left, token {status.token}")
    elif status.people:
        line.append(" by speaking")
    elif status.token:
        line.append(f", last token {status.token}", style="dim")
    if status.closed and state != "closed":
        line.append(", closed to requests", style="red")
    return line


def _queue(status: FloorStatus) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    table.add_column("#", justify="right")
    table.add_column("waiting", style="bold")
    table.add_column("priority")
    table.add_column("for", justify="right")
    table.add_column("reason", style="dim")
    for position, each in enumerate(status.queue, start=1):
        priority = Priority(each.priority).name.lower() + (", front" if each.front else "")
        waited = seconds(_waited_ms(status, each))
        # Text takes no markup: a name such as [red] is shown as it is.
        table.add_row(str(position), Text(safe(each.participant)), priority, waited, Text(safe(each.reason)))
    return table


def _waited_ms(status: FloorStatus, waiting: Waiting) -> int:
    return max(0, status.now_ms - waiting.arrived_us // 1000)


def _changed(status: FloorStatus) -> dict[str, int]:
    defaults = FloorSettings().as_dict()
    return {name: value for name, value in status.settings.as_dict().items() if value != defaults[name]}

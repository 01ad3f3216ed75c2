"""What a replayed room looks like: its state and its last lines on a terminal, or a JSON document. Pure."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams import events as ev
from streams.vocabulary import ParticipantKind
from swarm import tail_lines
from swarm.demo.live import NOISE, SHOWN_LINES, said

if TYPE_CHECKING:
    from datetime import tzinfo

    from streams.events import Recorded
    from streams.room_state import RoomState


def shown(entry: Recorded) -> bool:
    """Return whether an event has a line of its own; the others show in the state."""
    return entry.type not in NOISE and not (isinstance(entry.event, ev.Transcript) and not entry.event.final)


def document(entry: Recorded, state: RoomState) -> str:
    """Return an entry as one line of JSON, as `swarm tail --json` does, with the room's `state` after it."""
    fields: dict[str, Any] = json.loads(tail_lines.document(entry))
    return json.dumps({**fields, "state": state_document(state)})


def state_document(state: RoomState) -> dict[str, Any]:
    """Return the state as JSON has it."""
    holder = state.holder
    held = None
    if holder is not None:
        held = {
            "participant": holder.participant,
            "token": holder.token,
            "granted_ms": holder.granted_ms,
            "taken_ms": holder.taken_ms,
            "revoking_by": holder.revoking_by,
        }
    return {
        "open": state.open,
        "holder": held,
        "people": sorted(state.people),
        "waiting": [each.participant for each in state.waiting],
        "waiting_order_known": state.waiting_order_known,
        "speaking": sorted(state.speaking),
        "hosts": {who: host.state for who, host in sorted(state.hosts.items())},
        "participants": {who: str(here.kind) for who, here in sorted(state.participants.items())},
        "closed_by": state.closed_by or None,
        "muted": sorted(state.muted),
        "settings": dict(state.settings),
    }


class ReplayView:
    """What is on the screen; fed with entries and the state after each, in order, rendered by rich."""

    def __init__(self, room: str, zone: tzinfo) -> None:
        self._room = room
        self._zone = zone
        self._state: RoomState | None = None
        self._saying: dict[str, Text] = {}
        self._lines: deque[Text] = deque(maxlen=SHOWN_LINES)

    def feed(self, entry: Recorded, state: RoomState) -> None:
        """Take one entry and the state that it led to."""
        self._state = state
        match entry.event:
            case ev.SpeechStarted(participant=who):
                self._saying[who] = Text("...", style="dim")
            case ev.Transcript(participant=who, text=text, final=final):
                self._saying[who] = Text(tail_lines.safe(text), style="" if final else "dim")
            case ev.Utterance(participant=who, heard_text=heard, generated_text=generated):
                self._saying[who] = said(tail_lines.safe(heard), tail_lines.safe(generated))
            case _:
                pass
        if shown(entry):
            self._lines.append(tail_lines.readable(entry, with_room=False, zone=self._zone))

    def __rich__(self) -> Group:
        state = self._state
        if state is None:
            return Group()
        time = tail_lines.time_of_day(state.at_ms, self._zone)
        title = f"{tail_lines.safe(self._room)} at {time}   ● holds the talking stick"
        return Group(
            Panel(Group(self._people(state), *_notes(state)), title=title, title_align="left"),
            Panel(Group(*self._lines), title="conversation_stream", title_align="left"),
        )

    def _people(self, state: RoomState) -> Table:
        table = Table.grid(padding=(0, 2))
        for who in _names(state):
            holds = who in state.people or (state.holder is not None and state.holder.participant == who)
            host = state.hosts.get(who)
            doing = "speaking" if who in state.speaking else host.state if host is not None else ""
            table.add_row(
                Text("●" if holds else " ", style="bold cyan"),
                Text(tail_lines.safe(who), style="bold"),
                Text(tail_lines.safe(doing), style="dim"),
                self._saying.get(who, Text()),
            )
        return table


def _names(state: RoomState) -> list[str]:
    known = {*state.participants, *state.hosts, *state.speaking, *state.people}
    if state.holder is not None:
        known.add(state.holder.participant)
    agents = {who for who, here in state.participants.items() if here.kind is ParticipantKind.AGENT}
    return sorted(known, key=lambda who: (who not in agents and who not in state.hosts, who))


def _notes(state: RoomState) -> list[Text]:
    notes: list[Text] = []
    if state.waiting:
        names = ", ".join(tail_lines.safe(each.participant) for each in state.waiting)
        notes.append(Text(f"waiting: {names}" + ("" if state.waiting_order_known else " (order unknown)")))
    if state.holder is not None and state.holder.revoking_by is not None:
        by = tail_lines.safe(state.holder.revoking_by) or "its turn's limit"
        notes.append(Text(f"told to finish by {by}", style="yellow"))
    if state.closed:
        notes.append(Text(f"closed by {tail_lines.safe(state.closed_by)}", style="yellow"))
    if state.muted:
        notes.append(Text("muted: " + ", ".join(map(tail_lines.safe, sorted(state.muted))), style="yellow"))
    return notes

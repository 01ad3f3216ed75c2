"""The demo on the terminal: who holds the stick, what is being said, each signal as it comes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams import events as ev
from swarm.tail_lines import readable, unheard

if TYPE_CHECKING:
    from streams.events import Recorded

SHOWN_LINES = 16
NOISE = frozenset(("STATE_CHANGED", "FLOOR_REQUESTED", "FLOOR_QUEUED", "ROOM_OPENED", "USAGE"))


def said(heard: str, generated: str) -> Text:
    """Return what was said, the unheard rest struck out."""
    text = Text(heard)
    rest = unheard(generated, heard)
    if rest:
        text.append(f" {rest}", style="strike dim")
    return text


class LiveView:
    """What is on the screen; fed with events in order, rendered by rich."""

    def __init__(self, agents: tuple[str, ...], people: tuple[str, ...]) -> None:
        self._names = (*agents, *people)
        self._holder = ""
        self._doing: dict[str, str] = dict.fromkeys(self._names, "")
        self._saying: dict[str, Text] = {name: Text() for name in self._names}
        self._lines: deque[Text] = deque(maxlen=SHOWN_LINES)

    def feed(self, entry: Recorded) -> None:
        """Take one event."""
        match entry.event:
            case ev.FloorGranted(participant=who):
                self._holder = who
            case ev.FloorTaken(participant=who):
                self._holder = who
                self._saying[who] = Text("")
            case ev.FloorReleased() | ev.FloorRevoked() | ev.FloorExpired():
                self._holder = ""
            case ev.StateChanged(participant=who, new=new):
                self._doing[who] = new
            case ev.SpeechStarted(participant=who):
                self._doing[who] = "speaking"
            case ev.SpeechEnded(participant=who):
                self._doing[who] = ""
            case ev.Transcript(participant=who, text=text):
                self._saying[who] = Text(text)
            case ev.Utterance(participant=who, heard_text=heard, generated_text=generated):
                self._saying[who] = said(heard, generated)
            case _:
                pass
        interim = isinstance(entry.event, ev.Transcript) and not entry.event.final
        if entry.type not in NOISE and not interim:
            self._lines.append(readable(entry, with_room=False))

    def saying(self, who: str, heard: str, generated: str) -> None:
        """Show what `who` is saying at this moment, the part that is not yet heard dimmed."""
        text = Text(heard)
        if len(generated) > len(heard):
            text.append(generated[len(heard) :], style="dim")
        self._saying[who] = text

    def __rich__(self) -> Group:
        table = Table.grid(padding=(0, 2))
        for name in self._names:
            table.add_row(
                Text("●" if name == self._holder else " ", style="bold cyan"),
                Text(name, style="bold"),
                Text(self._doing.get(name, ""), style="dim"),
                self._saying[name],
            )
        return Group(
            Panel(table, title="● holds the talking stick", title_align="left"),
            Panel(Group(*self._lines), title="conversation_stream", title_align="left"),
        )

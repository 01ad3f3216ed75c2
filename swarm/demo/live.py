"""The demo on the terminal: who holds the stick, what is being said, each signal as it comes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams import events as ev

if TYPE_CHECKING:
    from streams.events import Recorded

SHOWN_LINES = 14


def said(heard: str, generated: str) -> Text:
    """Return what was said, the unheard rest struck out."""
    text = Text(heard.strip())
    rest = (
        generated.strip()[len(heard.strip()) :].strip() if generated.strip().startswith(heard.strip()) else ""
    )
    if rest:
        text.append(" ")
        text.append(rest, style="strike dim")
    return text


def line(entry: Recorded) -> Text | None:
    """Return one event as a line for people, or None for those that would only be noise."""
    match entry.event:
        case ev.FloorGranted(participant=who):
            return Text(f"the stick goes to {who} (token {entry.token})", style="cyan")
        case ev.FloorReleased(participant=who):
            return Text(f"{who} gives the stick back", style="cyan dim")
        case ev.FloorRevoked(participant=who, by=by, reason=reason):
            return Text(f"{by} takes the stick from {who}: {reason}", style="bold red")
        case ev.FloorExpired(participant=who):
            return Text(f"the lease of {who} lapsed", style="bold red")
        case ev.Interruption(interrupted=who, interruptor=by, reason=reason):
            return Text(f"INTERRUPTION: {by} cuts {who} off ({reason})", style="bold red")
        case ev.Backchannel(by=by, speaker=who, held_ms=held, words=words):
            return Text(f"BACKCHANNEL: {by} {words!r}; {who} goes on ({held:.0f} ms held)", style="green")
        case ev.FalseInterruption(by=by, speaker=who, held_ms=held):
            return Text(f"FALSE_INTERRUPTION by {by}; {who} goes on ({held:.0f} ms held)", style="yellow")
        case ev.Transcript(participant=who, text=text, final=True):
            return Text(f"{who}: “{text}”", style="magenta")
        case ev.Utterance(participant=who, heard_text=heard, generated_text=generated):
            return Text(f"{who}: ", style="bold").append_text(said(heard, generated))
        case ev.AgentFailed(participant=who, what=what, recovery=recovery):
            return Text(f"AGENT_FAILED {who}: {what} {recovery}", style="bold yellow")
        case ev.RecordGap(lost=lost, reason=reason):
            return Text(f"RECORD_GAP: {lost} events lost ({reason})", style="bold yellow")
        case _:
            return None


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
        shown = line(entry)
        if shown is not None:
            self._lines.append(shown)

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

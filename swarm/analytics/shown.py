"""The figures as tables for the terminal. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from swarm.tail_lines import safe

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_ROWS = 30
"""Participants shown; the document has all of them."""
MOST_NAMES = 12
"""Names in a matrix, the most frequent ones."""
_DURATIONS = {
    "gap": "gap between speakers",
    "overlap": "overlap at a change",
    "overlap_within": "overlap within a turn",
    "pause": "pause of one speaker",
    "response": "response to a person",
    "onset_to_silence": "onset to silence",
    "queue_wait": "wait in the queue",
    "grant_to_audio": "grant to first audio",
    "turn": "floor held",
}


def tables(document: Mapping[str, Any]) -> Group:
    """Return the figures of `figures.document` for the terminal."""
    parts = [_head(document), _participants(document["participants"]), _durations(document["durations"])]
    for kind, title in (
        ("interruption", "interruptions: who cut whom off"),
        ("backchannel", "backchannels: who acknowledged whom"),
        ("false_interruption", "false interruptions: whose sound held whom"),
    ):
        if document["pairs"][kind]:
            parts.append(_matrix(title, document["pairs"][kind]))
    return Group(*parts)


def _head(document: Mapping[str, Any]) -> Text:
    line = Text(safe(str(document.get("room") or "all rooms")), style="bold")
    line.append(f"  {document['events']} events in {document['sessions']} session(s)", style="dim")
    if document["first_ms"] is not None:
        line.append(f" over {seconds(document['last_ms'] - document['first_ms'])}", style="dim")
    fairness = document["fairness"]
    if fairness["jain"] is not None:
        line.append(f"  fairness {fairness['jain']:.3f} (Jain, {fairness['agents']} agent(s))")
    if document["missing"]:
        line.append(f"  {document['missing']} event(s) are missing", style="bold red")
    return line


def _participants(participants: Mapping[str, Mapping[str, Any]]) -> Table:
    columns = ("floor", "share", "turns", "spoke", "words", "heard", "cut off", "cut others", "expired")
    table = _table("who", *columns)
    for who, its in list(participants.items())[:MOST_ROWS]:
        words = its["words_generated"] or its["words_said"]
        expired = its["expired"]
        table.add_row(
            Text(safe(who), style="magenta" if its["kind"] == "person" else "bold"),
            seconds(its["floor_ms"]),
            _percent(its["floor_share"]),
            str(its["turns"]),
            seconds(its["speech_ms"]),
            str(words),
            _percent(its["heard_share"]),
            str(its["was_interrupted"]),
            str(its["interrupted_others"]),
            Text(str(expired), style="bold red" if expired else ""),
        )
    if len(participants) > MOST_ROWS:
        table.add_row(f"and {len(participants) - MOST_ROWS} more")
    return table


def _durations(durations: Mapping[str, Mapping[str, Any]]) -> Table:
    table = _table("ms", "count", "mean", "p50", "p90", "p95", "p99")
    for name, title in _DURATIONS.items():
        its = durations[name]
        if its["count"]:
            values = (its["mean_ms"], its["p50_ms"], its["p90_ms"], its["p95_ms"], its["p99_ms"])
            table.add_row(title, str(its["count"]), *(f"{value:.0f}" for value in values))
    return table


def _matrix(title: str, pairs: list[dict[str, Any]]) -> Table:
    """Return who did it to whom, those first who did it most, or to whom it was done most."""
    counts: Counter[tuple[str, str]] = Counter()
    did: Counter[str] = Counter()
    suffered: Counter[str] = Counter()
    for pair in pairs:
        counts[pair["by"], pair["whom"]] = pair["count"]
        did[pair["by"]] += pair["count"]
        suffered[pair["whom"]] += pair["count"]
    columns = [whom for whom, _ in suffered.most_common(MOST_NAMES)]
    others = len(suffered) - len(columns)
    table = _table(title, *(safe(whom) for whom in columns), *([f"and {others} more"] if others else ()))
    for by, _ in did.most_common(MOST_NAMES):
        table.add_row(safe(by), *(str(counts[by, whom] or "") for whom in columns))
    if len(did) > MOST_NAMES:
        table.add_row(f"and {len(did) - MOST_NAMES} more")
    return table


def seconds(ms: float) -> str:
    """Return a duration as people say it."""
    if ms < 60_000:
        return f"{ms / 1000:.1f} s"
    minutes, rest_s = divmod(round(ms / 1000), 60)
    if minutes < 60:
        return f"{minutes}:{rest_s:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table

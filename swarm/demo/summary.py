"""The end of the demo on the terminal: what happened, how fast, and where to look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from swarm.demo.live import said

if TYPE_CHECKING:
    from swarm.demo.report import Report


def render(report: Report, document: dict[str, Any]) -> Group:
    """Return the summary."""
    parts: list[Any] = []
    turns = Table(title="Turns", title_justify="left")
    for column in ("holder", "from s", "to s", "ended"):
        turns.add_column(column, justify="right" if column.endswith(" s") else "left")
    for turn in report.turns:
        turns.add_row(turn.holder, _seconds(turn.from_ms), _seconds(turn.to_ms), turn.ended or "")
    parts.append(turns)

    cuts = Table(title="Speech over an agent's", title_justify="left")
    for column in (
        "who over whom",
        "decision",
        "why",
        "onset to gate ms",
        "gate to interrupted ms",
        "onset to silence ms",
    ):
        cuts.add_column(column, justify="right" if column.endswith("ms") else "left")
    for item in report.interruptions:
        cuts.add_row(
            f"{item.interruptor} over {item.interrupted}",
            item.decision,
            item.reason,
            _ms(item.onset_to_gate_ms),
            _ms(item.gate_to_interrupted_ms),
            _ms(item.onset_to_silence_ms),
        )
    parts.append(cuts)

    for utterance in report.utterances:
        if utterance.interrupted:
            parts.append(
                Text(f"{utterance.participant} was cut off: ", style="bold").append_text(
                    said(utterance.heard_text, utterance.generated_text)
                )
            )
    parts.append(
        Text(
            f"\n{report.events} events, {report.seq_gaps} gaps in seq; two agents audible at once: "
            f"{report.agents_overlap_ms:.0f} ms\nrecording: {document['recording']}\n"
            f"picture: {document['picture']}\nevents: {document['record']}"
        )
    )
    if document["missed"]:
        parts.append(Text("This did not happen: " + "; ".join(document["missed"]) + ".", style="bold red"))
    if document["room"]["kind"] == "memory":
        parts.append(
            Text(
                "The offline recogniser is weak: it often mishears what is not a short command.", style="dim"
            )
        )
    return Group(*parts)


def _seconds(ms: float | None) -> str:
    return "" if ms is None else f"{ms / 1000:.2f}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value >= 10 else f"{value:.1f}"

"""Entries as a stream has them, and rows as an archive gives them back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from streams.codec import encode_event
from swarm.archive import Batch, Selection

if TYPE_CHECKING:
    from pathlib import Path

    from streams.events import Event
    from streams.reader import Entry
    from swarm.archive import Archive

T0_MS = 1_795_254_000_000


def entry(
    seq: int, event: Event, *, room: str = "lobby", session: str = "s1", at_ms: int | None = None, **more: str
) -> Entry:
    """An entry as the append step writes it; its id is `T0_MS` plus seq unless `at_ms` says when."""
    encoded = encode_event(event)
    ms = T0_MS + seq if at_ms is None else at_ms
    fields = {
        "kind": encoded.kind,
        "type": encoded.type,
        "room": room,
        "session": session,
        "seq": str(seq),
        "prev": f"{ms - 1}-0" if seq > 1 else "",
        "source": "test",
        "at_ms": str(ms),
        "occurred_ms": str(ms),
        "v": "1",
        "data": encoded.data,
    }
    return f"{ms}-0", fields | more


def batch(*entries: Entry, room: str = "lobby") -> Batch:
    made = Batch()
    made.take(room, entries)
    return made


async def rows(archive: Archive, folder: Path, selection: Selection | None = None) -> list[dict[str, Any]]:
    """All rows, as an export gives them."""
    path = folder / "all.jsonl"
    await archive.export(selection or Selection(), 0, 2**62, path, "jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]

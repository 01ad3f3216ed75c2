"""A past conversation, read from an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from streams.codec import decode_event
from streams.errors import InvalidEventError
from streams.events import Recorded
from swarm.analytics.archive_file import interruptible

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import duckdb

_PAGE = 500
_ENTRIES = """
SELECT room, session, entry_id, seq, prev, kind, type, source, at_ms, occurred_ms, v, token, late,
  traceparent, data
FROM events WHERE room = $room
ORDER BY split_part(entry_id, '-', 1)::BIGINT, split_part(entry_id, '-', 2)::BIGINT
"""


async def from_archive(connection: duckdb.DuckDBPyConnection, room: str) -> AsyncGenerator[Recorded]:
    """Yield what an archive holds of a room, oldest first; what breaks the schema is left out.

    Raises:
        duckdb.Error: it cannot be read.
    """
    await interruptible(connection, lambda: connection.execute(_ENTRIES, {"room": room}))
    while rows := await interruptible(connection, lambda: connection.fetchmany(_PAGE)):
        for row in rows:
            try:
                yield _recorded(row)
            except InvalidEventError:
                continue


def _recorded(row: tuple[Any, ...]) -> Recorded:
    (
        room,
        session,
        entry_id,
        seq,
        prev,
        kind,
        event_type,
        source,
        at_ms,
        occurred_ms,
        v,
        token,
        late,
        *rest,
    ) = row
    traceparent, data = rest
    return Recorded(
        id=entry_id,
        kind=kind,
        type=event_type,
        room=room,
        session=session,
        seq=seq,
        prev=prev or "",
        source=source,
        at_ms=at_ms,
        occurred_ms=occurred_ms,
        v=v,
        token=token,
        late=bool(late),
        traceparent=traceparent,
        event=cast("Any", decode_event(kind, event_type, v, data)),
    )

"""A past conversation, read from an archive: a DuckDB file, or PostgreSQL."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, LiteralString, cast

from streams.codec import decode_event
from streams.errors import InvalidEventError
from streams.events import Recorded
from swarm.analytics.archive_file import interruptible
from swarm.archive.errors import ArchiveError, ArchiveUnavailableError
from swarm.errors import SettingError
from swarm.settings import shown_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import duckdb
    import psycopg

_PAGE = 500
_ENTRIES = """
SELECT room, session, entry_id, seq, prev, kind, type, source, at_ms, occurred_ms, v, token, late,
  traceparent, data
FROM events WHERE room = $room
ORDER BY split_part(entry_id, '-', 1)::BIGINT, split_part(entry_id, '-', 2)::BIGINT
"""


_PAGE_OF_SERVER: LiteralString = """
SELECT entry_ms, entry_n, room, session, entry_id, seq, prev, kind, type, source, at_ms, occurred_ms, v,
  token, late, traceparent, data::text
FROM swarm.events WHERE room = %(room)s AND (entry_ms, entry_n) > (%(ms)s, %(n)s)
ORDER BY entry_ms, entry_n LIMIT %(page)s
"""
_LIMIT_S = 30
"""Of each page, and for the connection."""


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


async def from_server(url: str, room: str) -> AsyncGenerator[Recorded]:
    """Yield the same of an archive in PostgreSQL, page by page: nothing is held there between two of them.

    Raises:
        SettingError: psycopg is not installed, or there is no archive.
        ArchiveUnavailableError: the database is away.
        ArchiveError: it refuses.
    """
    try:
        import psycopg
    except ImportError as error:
        cure = "Install the extra: pip install 'hybrid-agentic-swarm[archive]'"
        raise SettingError("--archive", "psycopg is not installed", cure) from error
    after: tuple[int, int] = (-1, -1)
    try:
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=_LIMIT_S, client_encoding="UTF8"
        ) as connection:
            while rows := await _page(connection, room, after):
                after = rows[-1][:2]
                for row in rows:
                    with suppress(InvalidEventError):
                        yield _recorded(row[2:])
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        cure = "Name a database that `swarm archive --to` writes"
        raise SettingError("--archive", f"{shown_url(url)!r} holds no archive", cure) from error
    except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
        raise ArchiveUnavailableError(shown_url(url), str(error).partition("\n")[0]) from error
    except psycopg.Error as error:
        raise ArchiveError(shown_url(url), str(error).partition("\n")[0]) from error


async def _page(
    connection: psycopg.AsyncConnection[Any], room: str, after: tuple[int, int]
) -> list[tuple[Any, ...]]:
    values: dict[str, Any] = {"room": room, "ms": after[0], "n": after[1], "page": _PAGE}
    async with asyncio.timeout(_LIMIT_S):
        return await (await connection.execute(_PAGE_OF_SERVER, values)).fetchall()


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

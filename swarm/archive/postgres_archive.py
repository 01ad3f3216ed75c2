"""The archive in PostgreSQL."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, LiteralString, Self, cast

import psycopg
from psycopg import sql as pg
from pydantic_core import to_json

from swarm.archive import sql
from swarm.archive.errors import ArchiveError, ArchiveUnavailableError
from swarm.archive.gap_rule import without_forgotten
from swarm.archive.parquet import parquet_of_lines
from swarm.archive.ports import Extent
from swarm.archive.rows import COLUMNS, erased_rows
from swarm.settings import shown_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from swarm.archive.ports import Format, Selection, SeqGap
    from swarm.archive.rows import Batch

_MIGRATION_LOCK = 7_795_254
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, OSError)
_COLUMN_LIST = ", ".join(COLUMNS)
_AS_TEXT = ", ".join(f"{name}::json" if name in {"data", "unknown_fields"} else name for name in COLUMNS)
_SHAPE = ", ".join(f"{name} {kind}" for name, kind in sql.column_types(postgres=True).items())
_INSERT_EVENTS = (
    f"INSERT INTO events ({_COLUMN_LIST}) SELECT {_AS_TEXT} "
    f"FROM json_to_recordset(%s::json) AS new({_SHAPE}) ON CONFLICT DO NOTHING"
)
_INSERT_QUARANTINE = (
    "INSERT INTO quarantine SELECT * FROM json_to_recordset(%s::json) "
    "AS new(room text, entry_id text, reason text, fields text) ON CONFLICT DO NOTHING"
)
_HOLD_POSITIONS = "SELECT room, entry_id FROM positions WHERE room = ANY(%s) ORDER BY room FOR UPDATE"
_MOVE_POSITIONS = (
    "UPDATE positions SET entry_id = moved.entry_id FROM json_to_recordset(%s::json) "
    "AS moved(room text, entry_id text) WHERE positions.room = moved.room"
)
_ERASE = (
    "UPDATE events SET data = erased.data::json, spoken = erased.spoken, forgotten = true "
    "FROM json_to_recordset(%s::json) "
    "AS erased(room text, session text, entry_id text, spoken boolean, data text) "
    "WHERE events.room = erased.room AND events.session = erased.session "
    "AND events.entry_id = erased.entry_id"
)
_CHOSEN = (
    "entry_ms >= %(from_ms)s AND entry_ms < %(before_ms)s "
    "AND (%(rooms)s::text[] IS NULL OR room = ANY(%(rooms)s))"
)


class PostgresArchive:
    """The record in the schema `swarm` of a PostgreSQL database; any number of processes may write and read.

    One connection, opened when it is needed and again after it was lost. `limit_s` bounds each transaction,
    `export_limit_s` those that look at many rows.
    """

    def __init__(self, url: str, *, limit_s: float = 30.0, export_limit_s: float = 600.0) -> None:
        self._url = url
        self._shown = shown_url(url)
        self._limit_s = limit_s
        self._export_limit_s = export_limit_s
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._free = asyncio.Lock()

    async def __aenter__(self) -> Self:
        try:
            async with self._transaction() as cursor:
                await _migrate(cursor)
        except BaseException:
            await self._drop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drop()

    async def positions(self) -> dict[str, str]:
        """See `Archive`."""
        async with self._transaction() as cursor:
            await cursor.execute("SELECT room, entry_id FROM positions")
            return dict(await cursor.fetchall())

    async def write(self, batch: Batch) -> int:
        """See `Archive`."""
        rooms = sorted(batch.positions)
        async with self._transaction() as cursor:
            # Locked in one order, and so that a second archiver waits and then sees what the first one wrote.
            await cursor.execute(
                "INSERT INTO positions SELECT unnest(%s::text[]), '0-0' ON CONFLICT DO NOTHING", [rooms]
            )
            await cursor.execute(_HOLD_POSITIONS, [rooms])
            new = batch.after(dict(await cursor.fetchall()))
            if new.events:
                await cursor.execute(_text(_INSERT_EVENTS), [_json(new.events)])
            if new.quarantined:
                await cursor.execute(_INSERT_QUARANTINE, [_json(new.quarantined)])
            for words in new.forgotten:
                await _erase(
                    cursor, words.participant, room=words.room, session=words.session, seqs=list(words.seqs)
                )
            moved = [{"room": room, "entry_id": entry_id} for room, entry_id in new.positions.items()]
            await cursor.execute(_MOVE_POSITIONS, [_json(moved)])
        return len(new)

    async def forget(self, participant: str, room: str | None = None) -> int:
        """See `Archive`. A VACUUM follows, so that the pages are free to be written over."""
        async with self._transaction(self._export_limit_s) as cursor:
            only = "" if room is None else " AND room = %(room)s"
            aside = sql.ERASE_ASIDE.format(who="%(who)s", escaped="%(escaped)s") + only
            parameters = {"who": participant, "escaped": sql.escaped(participant), "room": room}
            await cursor.execute(_text(aside), parameters)
            erased = cursor.rowcount + await _erase(cursor, participant, room=room)
        if erased:
            async with self._cursor(self._export_limit_s) as cursor:
                await cursor.execute("VACUUM events")
        return erased

    async def extent(self, selection: Selection) -> Extent:
        """See `Archive`."""
        async with self._transaction(self._export_limit_s) as cursor:
            await cursor.execute(
                _text(f"SELECT count(*), min(entry_ms), max(entry_ms) FROM events WHERE {_CHOSEN}"),
                _selected(selection),
            )
            return Extent(*cast("tuple[int, int | None, int | None]", await cursor.fetchone()))

    async def slice_end(self, selection: Selection, after_ms: int, events: int) -> int | None:
        """See `Archive`."""
        async with self._transaction(self._export_limit_s) as cursor:
            await cursor.execute(
                _text(
                    f"SELECT max(entry_ms) FROM (SELECT entry_ms FROM events WHERE {_CHOSEN} "
                    "AND entry_ms > %(after_ms)s ORDER BY entry_ms LIMIT %(events)s) AS first"
                ),
                _selected(selection) | {"after_ms": after_ms, "events": events},
            )
            return cast("tuple[int | None]", await cursor.fetchone())[0]

    async def export(
        self, selection: Selection, after_ms: int, to_ms: int, path: Path, file_format: Format
    ) -> int:
        """See `Archive`. Rows go into the file as they come; Parquet is then made from that file."""
        lines = path if file_format == "jsonl" else path.with_name(path.name + ".lines")
        copied = pg.SQL(
            "COPY (SELECT row_to_json(chosen) FROM (SELECT {columns} FROM events WHERE {chosen} "
            "AND entry_ms > {after_ms} AND entry_ms <= {to_ms} ORDER BY entry_ms, entry_n, room) AS chosen) "
            "TO STDOUT"
        ).format(
            columns=pg.SQL(cast("LiteralString", _COLUMN_LIST)),
            chosen=_literal(selection),
            after_ms=pg.Literal(after_ms),
            to_ms=pg.Literal(to_ms),
        )
        number = 0
        try:
            async with self._transaction(self._export_limit_s) as cursor:
                with lines.open("wb") as file:
                    async with cursor.copy(copied) as copy:
                        async for (line,) in copy.rows():
                            file.write(line.encode() + b"\n")
                            number += 1
                    file.flush()
                    os.fsync(file.fileno())
            if file_format == "parquet":
                await asyncio.to_thread(parquet_of_lines, lines, path)
        finally:
            if file_format == "parquet":
                lines.unlink(missing_ok=True)
        return number

    async def gaps(self, room: str | None = None) -> list[SeqGap]:
        """See `Archive`."""
        async with self._transaction(self._export_limit_s) as cursor:
            await cursor.execute(sql.GAPS)
            found = await cursor.fetchall()
            await cursor.execute("SELECT room, session, data FROM events WHERE type = 'WORDS_FORGOTTEN'")
            return without_forgotten(found, await cursor.fetchall(), room)

    @asynccontextmanager
    async def _transaction(self, limit_s: float | None = None) -> AsyncGenerator[psycopg.AsyncCursor[Any]]:
        async with self._cursor(limit_s) as cursor, cursor.connection.transaction():
            yield cursor

    @asynccontextmanager
    async def _cursor(self, limit_s: float | None = None) -> AsyncGenerator[psycopg.AsyncCursor[Any]]:
        try:
            async with self._free, asyncio.timeout(limit_s or self._limit_s):
                connection = await self._connected()
                async with connection.cursor() as cursor:
                    yield cursor
        except _AWAY as error:
            await self._drop()
            raise ArchiveUnavailableError(self._shown, _first_line(error)) from error
        except psycopg.Error as error:
            raise ArchiveError(self._shown, _first_line(error)) from error
        except asyncio.CancelledError:
            await self._drop()  # a transaction that was broken off amid a call leaves no usable connection
            raise

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=max(2, int(self._limit_s))
            )
            await self._connection.execute(_text(f"SET search_path TO {sql.SCHEMA}"))
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error, OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await connection.close()


async def _migrate(cursor: psycopg.AsyncCursor[Any]) -> None:
    await cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
    await cursor.execute(_text(f"CREATE SCHEMA IF NOT EXISTS {sql.SCHEMA}"))
    await cursor.execute("CREATE TABLE IF NOT EXISTS migrations (number int PRIMARY KEY, name text NOT NULL)")
    await cursor.execute("SELECT number FROM migrations")
    done = {number for (number,) in await cursor.fetchall()}
    for migration in sql.migrations("postgres"):
        if migration.number not in done:
            await cursor.execute(_text(migration.statements))
            await cursor.execute("INSERT INTO migrations VALUES (%s, %s)", [migration.number, migration.name])


async def _erase(cursor: psycopg.AsyncCursor[Any], participant: str, **only: Any) -> int:
    """Erase words in the rows of `only` (room, session, seqs; None: any); return how many had some."""
    only = {name: value for name, value in only.items() if value is not None}
    conditions = {
        "room": "room = %(room)s",
        "session": "session = %(session)s",
        "seqs": "seq = ANY(%(seqs)s)",
    }
    page = sql.WITH_WORDS.format(
        data="data::text",
        who="%(who)s",
        ms="%(ms)s",
        n="%(n)s",
        after_room="%(after_room)s",
        page=sql.PAGE,
        more="".join(f" AND {conditions[name]}" for name in only),
    )
    number, after = 0, (-1, 0, "")
    while True:
        at = dict(zip(("ms", "n", "after_room"), after, strict=True))
        await cursor.execute(_text(page), only | at | {"who": participant})
        found = await cursor.fetchall()
        changed = erased_rows([row[2:] for row in found], participant)
        if changed:
            await cursor.execute(_ERASE, [_json(changed)])
            number += len(changed)
        if len(found) < sql.PAGE:
            return number
        after = found[-1][:3]


def _text(statement: str) -> LiteralString:
    """A statement that is put together from constants alone."""
    return cast("LiteralString", statement)


def _json(rows: object) -> str:
    return to_json(rows).decode()


def _selected(selection: Selection) -> dict[str, Any]:
    rooms = list(selection.rooms) or None
    return {"from_ms": selection.from_ms, "before_ms": selection.before_ms, "rooms": rooms}


def _literal(selection: Selection) -> pg.Composable:
    """COPY takes no parameters."""
    parts = [
        pg.SQL("entry_ms >= {}").format(pg.Literal(selection.from_ms)),
        pg.SQL("entry_ms < {}").format(pg.Literal(selection.before_ms)),
    ]
    if selection.rooms:
        parts.append(pg.SQL("room = ANY({})").format(pg.Literal(list(selection.rooms))))
    return pg.SQL(" AND ").join(parts)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]

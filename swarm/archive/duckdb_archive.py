"""The archive in a DuckDB file: the embedded default."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import duckdb
from pydantic_core import to_json

from swarm.archive import sql
from swarm.archive.errors import ArchiveError, ArchiveUnavailableError
from swarm.archive.file_lock import LOCK_WAIT_S, once_unlocked
from swarm.archive.gap_rule import without_forgotten
from swarm.archive.ports import Extent
from swarm.archive.rows import COLUMNS, erased_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm.archive.ports import Format, Selection, SeqGap
    from swarm.archive.rows import Batch

T = TypeVar("T")

_TURNS: dict[Path, threading.Lock] = {}
"""Within a process DuckDB lets everybody in at once; here too each call has the file for itself."""

_OPTIONS: dict[str, Any] = {"memory_limit": "512MB", "threads": 2}
_ROW_GROUP = 50_000
_WRITE = "INSERT INTO {table} SELECT unnest(from_json($rows, '{shape}'), recursive := true)"
_ERASE = (
    "UPDATE events SET data = erased.data, spoken = erased.spoken, forgotten = true "
    "FROM (SELECT unnest(from_json("
    """$rows, '[{"room": "VARCHAR", "session": "VARCHAR", "entry_id": "VARCHAR", """
    """"spoken": "BOOLEAN", "data": "VARCHAR"}]'), """
    "recursive := true)) AS erased WHERE events.room = erased.room AND events.session = erased.session "
    "AND events.entry_id = erased.entry_id"
)
_SHAPES = {
    "events": json.dumps([sql.column_types(postgres=False)]),
    "quarantine": json.dumps([dict.fromkeys(("room", "entry_id", "reason", "fields"), "VARCHAR")]),
}


class DuckdbArchive:
    """The record in one DuckDB file, which other processes may use too, each for as long as a call lasts.

    The file is open only during a call; where another process has it, the call waits up to `lock_wait_s`. The
    work is done in one thread, one call after the other, with at most 512 MB. A call that is cancelled may
    still take effect, whole.
    """

    def __init__(self, path: Path | str, *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self.path = Path(path)
        self._lock_wait_s = lock_wait_s
        self._turn = _TURNS.setdefault(self.path.absolute(), threading.Lock())
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="duckdb")

    async def __aenter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise ArchiveError(str(self.path), "its folder does not exist")
        await self._run(_migrate)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def positions(self) -> dict[str, str]:
        """See `Archive`."""
        return await self._run(_positions)

    async def write(self, batch: Batch) -> int:
        """See `Archive`."""
        written, erased = await self._run(lambda connection: _write(connection, batch))
        if erased:
            await self.rewrite()
        return written

    async def forget(self, participant: str, room: str | None = None) -> int:
        """See `Archive`. The file is then written anew, so that no page of it keeps the words."""

        def erase(connection: duckdb.DuckDBPyConnection) -> int:
            only = "" if room is None else " AND room = $room"
            parameters = {"who": participant, "escaped": sql.escaped(participant)}
            aside = sql.ERASE_ASIDE.format(who="$who", escaped="$escaped") + only
            connection.execute(aside, parameters | ({} if room is None else {"room": room}))
            return _number(connection) + _erase(connection, participant, room=room)

        erased = await self._run(erase)
        if erased:
            await self.rewrite()
        return erased

    async def rewrite(self) -> None:
        """Write the file anew: what was erased is in no page of it any more.

        Raises:
            ArchiveUnavailableError: another process has the file, for longer than is waited.
        """

        def rewritten() -> None:
            with self._turn:
                _rewritten(self.path)

        await self._try_while_locked(rewritten)

    async def extent(self, selection: Selection) -> Extent:
        """See `Archive`."""
        where, parameters = _selected(selection)

        def ask(connection: duckdb.DuckDBPyConnection) -> Extent:
            counted = f"SELECT count(*), min(entry_ms), max(entry_ms) FROM events WHERE {where}"
            return Extent(*_row(connection.execute(counted, parameters)))

        return await self._run(ask)

    async def slice_end(self, selection: Selection, after_ms: int, events: int) -> int | None:
        """See `Archive`."""
        where, parameters = _selected(selection)
        ask = (
            f"SELECT max(entry_ms) FROM (SELECT entry_ms FROM events WHERE {where} AND entry_ms > $after_ms "
            "ORDER BY entry_ms LIMIT $events)"
        )
        parameters |= {"after_ms": after_ms, "events": events}
        return await self._run(lambda connection: _row(connection.execute(ask, parameters))[0])

    async def export(
        self, selection: Selection, after_ms: int, to_ms: int, path: Path, file_format: Format
    ) -> int:
        """See `Archive`."""
        where, parameters = _selected(selection)
        parameters |= {"after_ms": after_ms, "to_ms": to_ms}
        columns = ", ".join(COLUMNS)
        chosen = (
            f"SELECT {columns} FROM events WHERE {where} AND entry_ms > $after_ms AND entry_ms <= $to_ms "
            "ORDER BY entry_ms, entry_n, room"
        )

        def copy(connection: duckdb.DuckDBPyConnection) -> int:
            connection.execute(f"COPY ({chosen}) TO {quoted(path)} ({copy_options(file_format)})", parameters)
            return _number(connection)

        return await self._run(copy)

    async def gaps(self, room: str | None = None) -> list[SeqGap]:
        """See `Archive`."""

        def ask(connection: duckdb.DuckDBPyConnection) -> list[SeqGap]:
            found = connection.execute(sql.GAPS).fetchall()
            forgotten = connection.execute(
                "SELECT room, session, data FROM events WHERE type = 'WORDS_FORGOTTEN'"
            ).fetchall()
            return without_forgotten(found, forgotten, room)

        return await self._run(ask)

    async def _run(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        def within() -> T:
            with self._turn, duckdb.connect(str(self.path), config=_OPTIONS) as connection:
                connection.begin()
                done = work(connection)
                connection.commit()
                return done

        return await self._try_while_locked(within)

    async def _try_while_locked(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await once_unlocked(lambda: loop.run_in_executor(self._thread, work), self._lock_wait_s)
        except TimeoutError as error:
            raise ArchiveUnavailableError(str(self.path), str(error)) from error
        except duckdb.Error as error:
            raise ArchiveError(str(self.path), _first_line(error)) from error


def quoted(path: Path) -> str:
    """Return a file's name as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def copy_options(file_format: Format) -> str:
    """Return the options of a COPY into a file of that format."""
    if file_format == "jsonl":
        return "FORMAT json"
    return f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROW_GROUP}"


def _migrate(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name VARCHAR)")
    done = {number for (number,) in connection.execute("SELECT number FROM migrations").fetchall()}
    for migration in sql.migrations("duckdb"):
        if migration.number not in done:
            connection.execute(migration.statements)
            connection.execute("INSERT INTO migrations VALUES (?, ?)", [migration.number, migration.name])


def _positions(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(connection.execute("SELECT room, entry_id FROM positions").fetchall())


def _write(connection: duckdb.DuckDBPyConnection, batch: Batch) -> tuple[int, int]:
    held = "SELECT room, entry_id FROM positions WHERE room IN (SELECT unnest($rooms::VARCHAR[]))"
    new = batch.after(dict(connection.execute(held, {"rooms": list(batch.positions)}).fetchall()))
    for table, rows in (("events", new.events), ("quarantine", new.quarantined)):
        if rows:
            rows_json = to_json(rows).decode()
            connection.execute(_WRITE.format(table=table, shape=_SHAPES[table]), {"rows": rows_json})
    erased = 0
    for words in new.forgotten:
        erased += _erase(
            connection, words.participant, room=words.room, session=words.session, seqs=words.seqs
        )
    for room, entry_id in new.positions.items():
        connection.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", [room, entry_id])
    return len(new), erased


def _erase(connection: duckdb.DuckDBPyConnection, participant: str, **only: Any) -> int:
    """Erase words in the rows of `only` (room, session, seqs; None: any); return how many had some."""
    only = {name: value for name, value in only.items() if value is not None}
    conditions = {"room": "room = $room", "session": "session = $session"}
    conditions |= {"seqs": "seq IN (SELECT unnest($seqs::BIGINT[]))"}
    more = "".join(f" AND {conditions[name]}" for name in only)
    page = sql.WITH_WORDS.format(
        data="data", who="$who", ms="$ms", n="$n", after_room="$after_room", page=sql.PAGE, more=more
    )
    number, after = 0, (-1, 0, "")
    while True:
        at = dict(zip(("ms", "n", "after_room"), after, strict=True))
        found = connection.execute(page, only | at | {"who": participant}).fetchall()
        changed = erased_rows([row[2:] for row in found], participant)
        if changed:
            connection.execute(_ERASE, {"rows": to_json(changed).decode()})
            number += len(changed)
        if len(found) < sql.PAGE:
            return number
        after = found[-1][:3]


def _rewritten(path: Path) -> None:
    anew = path.with_name(path.name + ".anew")
    anew.unlink(missing_ok=True)
    with duckdb.connect(str(path), config=_OPTIONS) as connection:
        connection.execute("CHECKPOINT")
    with duckdb.connect(":memory:", config=_OPTIONS) as connection:
        # Read-only: shared with readers, closed to writers until the new file stands in its place.
        connection.execute(f"ATTACH {quoted(path)} AS old (READ_ONLY)")
        if path.with_name(path.name + ".wal").exists():
            raise duckdb.IOException("lock: somebody wrote in between")
        connection.execute(f"ATTACH {quoted(anew)} AS anew")
        connection.execute("COPY FROM DATABASE old TO anew")
        connection.execute("DETACH anew")
        os.replace(anew, path)


def _selected(selection: Selection) -> tuple[str, dict[str, Any]]:
    where = "entry_ms >= $from_ms AND entry_ms < $before_ms"
    parameters: dict[str, Any] = {"from_ms": selection.from_ms, "before_ms": selection.before_ms}
    if selection.rooms:
        where += " AND room IN (SELECT unnest($rooms::VARCHAR[]))"
        parameters["rooms"] = list(selection.rooms)
    return where, parameters


def _row(result: duckdb.DuckDBPyConnection) -> tuple[Any, ...]:
    row = result.fetchone()
    if row is None:
        raise AssertionError("an aggregate gives a row")
    return row


def _number(result: duckdb.DuckDBPyConnection) -> int:
    return int(_row(result)[0])


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

"""An archive's DuckDB file, opened to read; the library is loaded only here."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    import duckdb

    from swarm.analytics.tally import Tally

T = TypeVar("T")


async def file_tally(path: Path, room: str | None) -> Tally:
    """Return the tally of an archive's file, of one room or of all.

    Raises:
        SettingError: DuckDB is not installed, or the file is no archive.
    """
    from swarm.analytics.archived import tally_of

    async with open_archive(path) as connection:
        return await interruptible(connection, lambda: tally_of(connection, room))


@asynccontextmanager
async def open_archive(path: Path) -> AsyncGenerator[duckdb.DuckDBPyConnection]:
    """Open an archive to read it, once no other process writes to it.

    Raises:
        SettingError: names `--archive` and the cure.
    """
    try:
        import duckdb
    except ImportError as error:
        cure = "Install the extra: pip install 'hybrid-agentic-swarm[archive]'"
        raise SettingError("--archive", "DuckDB is not installed", cure) from error
    _see_to(path)
    cure = "Name a DuckDB file that an archive of the swarm has written"
    try:
        connection = await _opened(path)
        try:
            connection.execute("SELECT room, session, entry_id, seq, data FROM events LIMIT 0")
            yield connection
        finally:
            connection.close()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0][:120]
        raise SettingError("--archive", f"{str(path)!r} cannot be read ({reason})", cure) from error


def _see_to(path: Path) -> None:
    if not path.is_file():
        raise SettingError("--archive", f"there is no file {str(path)!r}", "Name an archive's DuckDB file")


async def _opened(path: Path) -> duckdb.DuckDBPyConnection:
    import duckdb

    from swarm.archive.file_lock import LOCK_WAIT_S, once_unlocked

    async def connected() -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(path), read_only=True)

    try:
        return await once_unlocked(connected)
    except TimeoutError as error:
        reason = f"another process has {str(path)!r} open for more than {LOCK_WAIT_S:.0f} s"
        raise SettingError("--archive", reason, "Try again when it is done") from error


async def interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
    """Run a query in a thread of its own; a cancellation ends the query."""
    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        connection.interrupt()
        raise

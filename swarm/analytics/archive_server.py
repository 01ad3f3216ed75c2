"""An archive in PostgreSQL, opened to read; the library is loaded only here."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from swarm.analytics.tally import Tally
from swarm.archive.errors import ArchiveError, ArchiveUnavailableError
from swarm.errors import SettingError
from swarm.settings import shown_url

if TYPE_CHECKING:
    import psycopg

CONNECT_LIMIT_S = 15
QUERY_LIMIT_S = 600
"""Of each query: a table of many millions of rows is read some times over."""
ENDS_WITHIN_S = 5.0


async def server_tally(url: str, room: str | None) -> Tally:
    """Return the tally of an archive in PostgreSQL, of one room or of all, as it is at one moment.

    Raises:
        SettingError: psycopg is not installed, or there is no archive.
        ArchiveUnavailableError: the database is away.
        ArchiveError: it refuses, or takes longer than QUERY_LIMIT_S for a query.
    """
    try:
        import psycopg
    except ImportError as error:
        cure = "Install the extra: pip install 'hybrid-agentic-swarm[archive]'"
        raise SettingError("--archive", "psycopg is not installed", cure) from error
    try:
        return await _Counting(url, room).result()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        cure = "Name a database that `swarm archive --to` writes"
        raise SettingError("--archive", f"{shown_url(url)!r} holds no archive", cure) from error
    except psycopg.errors.QueryCanceled as error:
        raise ArchiveError(shown_url(url), f"a query took more than {QUERY_LIMIT_S} s") from error
    except (psycopg.OperationalError, psycopg.InterfaceError, OSError) as error:
        raise ArchiveUnavailableError(shown_url(url), _first_line(error)) from error
    except psycopg.Error as error:
        raise ArchiveError(shown_url(url), _first_line(error)) from error


class _Counting:
    """Counts in a thread; a cancellation ends the query at the server."""

    def __init__(self, url: str, room: str | None) -> None:
        self._url = url
        self._room = room
        self._connection: psycopg.Connection[Any] | None = None
        self._given_up = False

    async def result(self) -> Tally:
        import psycopg

        counted = asyncio.get_running_loop().run_in_executor(None, self._tally)
        try:
            return await asyncio.shield(counted)
        except asyncio.CancelledError:
            self._given_up = True
            if self._connection is not None:
                with suppress(psycopg.Error, OSError):
                    await asyncio.to_thread(self._connection.cancel_safe, timeout=ENDS_WITHIN_S)
            await asyncio.wait([counted], timeout=ENDS_WITHIN_S)
            if counted.done():
                counted.exception()  # looked at: nobody else will
            raise

    def _tally(self) -> Tally:
        import psycopg

        from swarm.analytics.archived import postgres_tally_of
        from swarm.archive.sql import SCHEMA

        with psycopg.connect(
            self._url, connect_timeout=CONNECT_LIMIT_S, client_encoding="UTF8"
        ) as connection:
            self._connection = connection
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            if self._given_up:
                return Tally()
            connection.execute(f"SET LOCAL search_path TO {SCHEMA}".encode())
            connection.execute(f"SET LOCAL statement_timeout = '{QUERY_LIMIT_S}s'".encode())
            return postgres_tally_of(connection, self._room)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]

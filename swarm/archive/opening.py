"""From what a user names to an archive; the databases' libraries are loaded here, when they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swarm.errors import SettingError
from swarm.settings import shown_url

if TYPE_CHECKING:
    from swarm.archive.ports import Archive

FORMS = ("FILE.duckdb", "postgresql://USER:PASSWORD@HOST:5432/DATABASE")
_CURE = "Install them: pip install 'hybrid-agentic-swarm[archive]'"


def open_archive(where: str | Path, *, setting: str = "--to", must_exist: bool = False) -> Archive:
    """Return the archive at `where`: a DuckDB file, or a PostgreSQL URL. No I/O but a look for the file.

    `setting` names where the user said it.

    Raises:
        SettingError: it is neither, the file has to exist and does not, or the libraries are missing.
    """
    named = str(where)
    if named.startswith(("postgres://", "postgresql://")):
        try:
            from swarm.archive.postgres_archive import PostgresArchive
        except ImportError as error:
            raise SettingError(setting, "PostgreSQL needs psycopg and DuckDB", _CURE) from error
        return PostgresArchive(named)
    if "://" in named or not named.strip():
        raise SettingError(setting, f"{shown_url(named)!r} is no archive", f"Use {' or '.join(FORMS)}")
    path = Path(named).expanduser()
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else "lies in a folder that does not exist"
        raise SettingError(setting, f"{named!r} {reason}", f"Name a file such as {FORMS[0]}")
    if must_exist and not path.is_file():
        raise SettingError(
            setting, f"there is no file {named!r}", "Name the file that `swarm archive` writes"
        )
    try:
        from swarm.archive.duckdb_archive import DuckdbArchive
    except ImportError as error:
        raise SettingError(setting, "a DuckDB file needs DuckDB", _CURE) from error
    return DuckdbArchive(path)

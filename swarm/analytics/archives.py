"""The tally of an archive, wherever it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swarm.errors import SettingError
from swarm.settings import shown_url

if TYPE_CHECKING:
    from swarm.analytics.tally import Tally


async def archive_tally(where: str | Path, room: str | None) -> Tally:
    """Return the tally of an archive, of one room or of all: of a DuckDB file, or at a PostgreSQL URL.

    Raises:
        SettingError: `where` is no archive, the library is missing, or it has nothing of that room.
        ArchiveError: PostgreSQL is away, or cannot do it in time.
    """
    named = str(where)
    if named.startswith(("postgres://", "postgresql://")):
        from swarm.analytics.archive_server import server_tally

        tally = await server_tally(named, room)
    elif "://" in named:
        reason = f"{shown_url(named)!r} is no archive"
        raise SettingError("--archive", reason, "Name a DuckDB file, or postgresql://...")
    else:
        from swarm.analytics.archive_file import file_tally

        tally = await file_tally(Path(named), room)
    if not tally.events and room is not None:
        raise SettingError("ROOM", f"the archive has nothing of {room!r}", "Leave it out for all rooms")
    return tally


def shown_archive(where: str) -> str:
    """Return the name of an archive without a password in it."""
    return shown_url(where) if "://" in where else where

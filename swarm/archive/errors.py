"""What an archive can refuse or fail at."""

from __future__ import annotations

from swarm.errors import SwarmError


class ArchiveError(SwarmError):
    """The archive cannot do what was asked; `archive` names it, without a password."""

    def __init__(self, archive: str, reason: str) -> None:
        super().__init__(f"archive {archive}: {reason}")
        self.archive = archive
        self.reason = reason


class ArchiveUnavailableError(ArchiveError):
    """The database is away, or another process has the file: the same may well succeed later."""


class ExportError(SwarmError):
    """An export cannot go on where it was; `folder` is where."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(f"export into {folder}: {reason}")
        self.folder = folder
        self.reason = reason

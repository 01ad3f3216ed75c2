"""The archive of the record: every event once in a database, exports, retention, and forgetting."""

from swarm.archive.archiver import Archiver, ArchiverSettings
from swarm.archive.errors import ArchiveError, ArchiveUnavailableError, ExportError
from swarm.archive.opening import open_archive
from swarm.archive.ports import Archive, Extent, Selection, SeqGap, Source
from swarm.archive.rows import Batch, EventRow

__all__ = (
    "Archive",
    "ArchiveError",
    "ArchiveUnavailableError",
    "Archiver",
    "ArchiverSettings",
    "Batch",
    "EventRow",
    "ExportError",
    "Extent",
    "Selection",
    "SeqGap",
    "Source",
    "open_archive",
)

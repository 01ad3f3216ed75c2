"""An archive's events as files, part by part, so that a broken-off export goes on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from swarm.archive.errors import ExportError
from swarm.archive.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from swarm.archive.ports import Archive, Format, Selection

MANIFEST = "export.json"
EVENTS_A_PART = 250_000


@dataclass(frozen=True, slots=True)
class ExportProgress:
    """How far an export is, in events."""

    done: int
    of: int


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds now."""

    manifest: Manifest
    written: int
    """Events that this run wrote."""
    late: int
    """Events of times that were written already, which the archive got only afterwards: in no part."""


async def export(
    archive: Archive,
    selection: Selection,
    folder: Path,
    file_format: Format,
    *,
    events_a_part: int = EVENTS_A_PART,
    on_progress: Callable[[ExportProgress], None] = lambda _: None,
) -> Exported:
    """Write what is selected into `folder`, in parts of about `events_a_part` events each, by time.

    A part gets its name when it is complete, and `export.json` lists those that are. The same call again goes
    on after the last of them: an export that was broken off is completed, one that had ended takes in what
    was archived since. Memory is bounded by the database's own limits, whatever the number of events.

    Raises:
        ExportError: the folder holds another export, or it cannot be written.
        ArchiveError: as the archive does.
    """
    try:
        manifest = _resumed(folder, Manifest(file_format, selection))
        total = (await archive.extent(selection)).events
        begun = manifest.events
        on_progress(ExportProgress(begun, total))
        while True:
            to_ms = await archive.slice_end(selection, manifest.after_ms, events_a_part)
            if to_ms is None:
                break
            path = folder / manifest.next_file()
            partial = path.with_name(path.name + ".partial")
            events = await archive.export(selection, manifest.after_ms, to_ms, partial, file_format)
            _settle(partial, path)
            manifest = manifest.with_part(events, to_ms)
            _store(folder, manifest)
            on_progress(ExportProgress(manifest.events, max(total, manifest.events)))
        manifest = replace(manifest, ended=True)
        _store(folder, manifest)
    except OSError as error:
        raise ExportError(str(folder), error.strerror or str(error)) from error
    covered = replace(selection, before_ms=min(selection.before_ms, manifest.after_ms + 1))
    late = (await archive.extent(covered)).events - manifest.events
    return Exported(manifest, manifest.events - begun, max(0, late))


def _resumed(folder: Path, asked: Manifest) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    for left in (*folder.glob("*.partial"), *folder.glob("*.partial.lines")):
        left.unlink()
    path = folder / MANIFEST
    if not path.exists():
        if any(folder.iterdir()):
            raise ExportError(str(folder), "it holds other files: name a new folder")
        return asked
    try:
        stored = Manifest.of(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ExportError(str(folder), f"its {MANIFEST} cannot be read: name a new folder") from error
    reason = stored.continues(asked)
    if reason is not None:
        raise ExportError(str(folder), f"{reason}: name a new folder")
    missing = next((part.file for part in stored.parts if not (folder / part.file).exists()), None)
    if missing is not None:
        raise ExportError(str(folder), f"{missing} is gone: name a new folder")
    return replace(stored, selection=asked.selection)


def _store(folder: Path, manifest: Manifest) -> None:
    path = folder / MANIFEST
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(manifest.document(), indent=1) + "\n", encoding="utf-8")
    _settle(partial, path)


def _settle(partial: Path, path: Path) -> None:
    """Give a complete file its name, so that a crash of the machine leaves all of it or none."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from streams import events
from swarm.archive import ExportError, Selection
from swarm.archive.errors import ArchiveUnavailableError
from swarm.archive.export import ExportProgress, export
from swarm.archive.manifest import Manifest
from swarm.archive.times import duration_ms, size_bytes, time_ms
from tests.archive.record import T0_MS, batch, entry

if TYPE_CHECKING:
    from pathlib import Path

    from swarm.archive import Archive


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s", text=text, final=True)


async def fill(archive: Archive, first: int, last: int, room: str = "lobby") -> None:
    made = batch(*(entry(seq, said(str(seq)), room=room) for seq in range(first, last + 1)), room=room)
    await archive.write(made)


def lines(folder: Path) -> list[int]:
    found: list[int] = []
    for path in sorted(folder.glob("part-*.jsonl")):
        found += [json.loads(line)["seq"] for line in path.read_text().splitlines()]
    return found


class BrokenOff:
    """An archive that fails at the n-th part, after a part of it was written."""

    def __init__(self, archive: Archive, at: int) -> None:
        self._archive, self._left = archive, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._archive, name)

    async def export(self, *arguments: Any) -> int:
        self._left -= 1
        if self._left < 0:
            arguments[3].write_text("half a li")
            raise ArchiveUnavailableError("test", "away")
        return await self._archive.export(*arguments)


async def test_parts_follow_each_other_and_progress_is_told(archive: Archive, tmp_path: Path) -> None:
    await fill(archive, 1, 25)
    told: list[ExportProgress] = []
    folder = tmp_path / "out"
    done = await export(archive, Selection(), folder, "jsonl", events_a_part=10, on_progress=told.append)
    assert lines(folder) == list(range(1, 26))
    assert [(each.done, each.of) for each in told] == [(0, 25), (10, 25), (20, 25), (25, 25)]
    assert (done.written, done.late, len(done.manifest.parts)) == (25, 0, 3)
    assert {path.name for path in folder.iterdir()} == {
        "export.json",
        "part-000000.jsonl",
        "part-000001.jsonl",
        "part-000002.jsonl",
    }


@pytest.mark.parametrize("file_format", ["parquet", "jsonl"])
async def test_broken_off_anywhere_it_goes_on_and_ends_the_same(
    archive: Archive, tmp_path: Path, file_format: Any
) -> None:
    await fill(archive, 1, 30)
    folder = tmp_path / "out"
    for _ in range(3):
        broken: Any = BrokenOff(archive, 1)
        with pytest.raises(ArchiveUnavailableError):
            await export(broken, Selection(), folder, file_format, events_a_part=7)
    done = await export(archive, Selection(), folder, file_format, events_a_part=7)
    assert done.written == 9
    assert done.manifest.events == 30
    read = f"read_{'parquet' if file_format == 'parquet' else 'json'}('{folder}/part-*.{file_format}')"
    assert [row[0] for row in duckdb.sql(f"SELECT seq FROM {read} ORDER BY 1").fetchall()] == list(
        range(1, 31)
    )
    assert not [*folder.glob("*.partial*")]


async def test_an_export_that_had_ended_takes_in_what_came_since(archive: Archive, tmp_path: Path) -> None:
    await fill(archive, 1, 5)
    first = await export(archive, Selection(), tmp_path / "out", "jsonl")
    again = await export(archive, Selection(), tmp_path / "out", "jsonl")
    await fill(archive, 6, 9)
    third = await export(archive, Selection(), tmp_path / "out", "jsonl")
    assert [first.written, again.written, third.written] == [5, 0, 4]
    assert lines(tmp_path / "out") == list(range(1, 10))


async def test_events_that_the_archive_got_too_late_are_told(archive: Archive, tmp_path: Path) -> None:
    await fill(archive, 5, 9)
    await export(archive, Selection(), tmp_path / "out", "jsonl")
    await fill(archive, 1, 3, room="den")
    assert (await export(archive, Selection(), tmp_path / "out", "jsonl")).late == 3


async def test_rooms_and_times_are_chosen(archive: Archive, tmp_path: Path) -> None:
    await fill(archive, 1, 9)
    await fill(archive, 1, 9, room="den")
    chosen = Selection(("lobby",), T0_MS + 3, T0_MS + 7)
    await export(archive, chosen, tmp_path / "out", "jsonl", events_a_part=2)
    assert lines(tmp_path / "out") == [3, 4, 5, 6]


async def test_another_export_s_folder_is_refused(archive: Archive, tmp_path: Path) -> None:
    await fill(archive, 1, 3)
    await export(archive, Selection(), tmp_path / "out", "jsonl")
    with pytest.raises(ExportError, match="jsonl, not parquet"):
        await export(archive, Selection(), tmp_path / "out", "parquet")
    with pytest.raises(ExportError, match="other rooms"):
        await export(archive, Selection(("den",)), tmp_path / "out", "jsonl")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("x")
    with pytest.raises(ExportError, match="other files"):
        await export(archive, Selection(), tmp_path / "mine", "jsonl")
    (tmp_path / "out" / "part-000000.jsonl").unlink()
    with pytest.raises(ExportError, match="is gone"):
        await export(archive, Selection(), tmp_path / "out", "jsonl")


@pytest.mark.parametrize("document", [None, [], {}, {"version": 2}, {"version": 1, "format": "csv"}])
def test_what_is_no_manifest_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match=r"manifest|version"):
        Manifest.of(document)


def test_times_durations_and_sizes_are_read() -> None:
    assert time_ms("1970-01-02") == 86_400_000
    assert time_ms("1970-01-01T01:00+01:00") == 0
    assert time_ms("1795254689197-3") == 1795254689197
    assert [duration_ms(each) for each in ("250ms", "1.5s", "2m", "7d")] == [250, 1500, 120_000, 604_800_000]
    assert [size_bytes(each) for each in ("12", "64MB", "1GiB", "2k")] == [12, 64_000_000, 2**30, 2000]


@pytest.mark.parametrize(
    ("read", "text"), [(time_ms, "soon"), (duration_ms, "7"), (size_bytes, "big"), (duration_ms, "-1d")]
)
def test_what_is_no_time_or_size_is_refused(read: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read(text)

"""The figures and the replay of an archive as the swarm's own archive writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.codec import encode_entry
from streams.room_state import fold
from swarm.analytics.archive_file import archive_tally, open_archive
from swarm.analytics.live import LiveTally
from swarm.archive.duckdb_archive import DuckdbArchive
from swarm.archive.rows import Batch
from swarm.replay.sources import from_archive
from tests.analytics.sessions import recorded_demo

if TYPE_CHECKING:
    from pathlib import Path


async def written(path: Path) -> None:
    entries = recorded_demo()
    batch = Batch()
    batch.take(entries[0].room, [(entry.id, encode_entry(entry)) for entry in entries])
    async with DuckdbArchive(path) as archive:
        assert await archive.write(batch) == len(entries)


async def test_an_archive_that_the_swarm_wrote_has_the_streams_figures(tmp_path: Path) -> None:
    path = tmp_path / "archive.duckdb"
    await written(path)
    live = LiveTally()
    for entry in recorded_demo():
        live.feed(entry)
    for room in (None, recorded_demo()[0].room):
        found = await archive_tally(path, room)
        assert found.without_zeros() == live.tally().without_zeros()


async def test_an_archive_that_the_swarm_wrote_replays_every_entry(tmp_path: Path) -> None:
    path = tmp_path / "archive.duckdb"
    await written(path)
    async with open_archive(path) as connection:
        entries = [entry async for entry in from_archive(connection, recorded_demo()[0].room)]
    assert entries == recorded_demo()
    assert fold(entries) == fold(recorded_demo())

"""The figures and the replay of an archive as the swarm's own archive writes it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest

from streams.codec import encode_entry
from streams.room_state import fold
from swarm.analytics.archive_file import open_archive
from swarm.analytics.archives import archive_tally
from swarm.analytics.live import LiveTally
from swarm.archive import open_archive as archive_at
from swarm.archive.errors import ArchiveUnavailableError
from swarm.archive.rows import Batch
from swarm.errors import SettingError
from swarm.replay.sources import from_archive
from tests.analytics.sessions import recorded_demo

if TYPE_CHECKING:
    from pathlib import Path


async def written(where: str | Path) -> None:
    entries = recorded_demo()
    batch = Batch()
    batch.take(entries[0].room, [(entry.id, encode_entry(entry)) for entry in entries])
    async with archive_at(where) as archive:
        assert await archive.write(batch) == len(entries)


@pytest.mark.parametrize("database", ["duckdb", "postgres"])
async def test_an_archive_that_the_swarm_wrote_has_the_streams_figures(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = str(tmp_path / "archive.duckdb")
    if database == "postgres":
        where = request.getfixturevalue("postgres_url")
    await written(where)
    live = LiveTally()
    for entry in recorded_demo():
        live.feed(entry)
    for room in (None, recorded_demo()[0].room):
        found = await archive_tally(where, room)
        assert found.without_zeros() == live.tally().without_zeros()
    with pytest.raises(SettingError, match="nothing of 'elsewhere'"):
        await archive_tally(where, "elsewhere")


async def test_a_postgresql_without_an_archive_or_away_is_named(postgres_url: str) -> None:
    with pytest.raises(SettingError, match="holds no archive"):
        await archive_tally(postgres_url, None)
    with pytest.raises(ArchiveUnavailableError) as raised:
        await archive_tally("postgresql://ada:secret@127.0.0.1:9/swarm", None)
    assert "secret" not in str(raised.value)


async def test_counting_in_postgresql_ends_with_its_task(postgres_url: str) -> None:
    await written(postgres_url)
    async with await psycopg.AsyncConnection.connect(postgres_url) as other:
        await other.execute("LOCK TABLE swarm.events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await archive_tally(postgres_url, None)
        await other.rollback()
        left = await other.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FROM events%'")
        assert await left.fetchone() == (1,)  # this one


async def test_an_archive_that_the_swarm_wrote_replays_every_entry(tmp_path: Path) -> None:
    path = tmp_path / "archive.duckdb"
    await written(path)
    async with open_archive(path) as connection:
        entries = [entry async for entry in from_archive(connection, recorded_demo()[0].room)]
    assert entries == recorded_demo()
    assert fold(entries) == fold(recorded_demo())

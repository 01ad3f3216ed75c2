from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from streams import ConversationStream, events, keys
from streams.background import Background
from streams.connection import redis_client as client_of
from swarm.archive import Archiver, ArchiverSettings, Batch, Selection, archive_keys, open_archive
from swarm.archive.errors import ArchiveUnavailableError
from tests.archive.record import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from redis.asyncio import Redis

    from swarm.archive import Archive
    from tests.engines.postgres import PostgresServer
    from tests.restartable_redis import RestartableRedis

QUICK = ArchiverSettings(linger_s=0.01, tell_every_s=0.05)


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


class Progress:
    """Lets a test wait until so many entries are archived."""

    def __init__(self) -> None:
        self.entries = 0
        self._came = asyncio.Event()

    def __call__(self, batch: Batch) -> None:
        self.entries += len(batch)
        self._came.set()

    async def reach(self, number: int) -> None:
        async with asyncio.timeout(20):
            while self.entries < number:
                self._came.clear()
                await self._came.wait()


def archiving(redis: Redis, archive: Archive, progress: Callable[[Batch], None]) -> Background:
    archiver = Archiver(redis, archive, settings=QUICK, on_written=progress)
    return Background(archiver.run, name="archiver")


async def seqs(archive: Archive, folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row in await rows(archive, folder):
        found.setdefault(row["room"], []).append(row["seq"])
    return found


@pytest.fixture
async def file(tmp_path: Path) -> str:
    return str(tmp_path / "archive.duckdb")


async def test_rooms_from_before_and_rooms_that_appear_are_archived(
    redis_client: Redis, file: str, tmp_path: Path
) -> None:
    await ConversationStream(redis_client, "old").publish(said("a"), source="x")
    progress = Progress()
    async with open_archive(file) as archive:
        async with archiving(redis_client, archive, progress):
            await progress.reach(2)
            for number in range(5):
                for room in ("old", "new"):
                    await ConversationStream(redis_client, room).publish(said(str(number)), source="x")
            await progress.reach(2 + 5 + 6)
        assert await seqs(archive, tmp_path) == {"old": list(range(1, 8)), "new": list(range(1, 7))}
        for room in ("old", "new"):
            originals = await ConversationStream(redis_client, room).read()
            ids = [row["entry_id"] for row in await rows(archive, tmp_path, Selection(rooms=(room,)))]
            assert ids == [each.id for each in originals]


async def test_the_next_archiver_goes_on_where_the_database_says(
    redis_client: Redis, file: str, tmp_path: Path
) -> None:
    stream = ConversationStream(redis_client, "lobby")
    for number in range(3):
        await stream.publish(said(str(number)), source="x")
        async with open_archive(file) as archive:
            assert await Archiver(redis_client, archive).drain() == (2 if number == 0 else 1)
            assert await Archiver(redis_client, archive).drain() == 0
    async with open_archive(file) as archive:
        assert await seqs(archive, tmp_path) == {"lobby": [1, 2, 3, 4]}


async def test_it_tells_retention_how_far_it_is(redis_client: Redis, file: str) -> None:
    stream = ConversationStream(redis_client, "lobby")
    last = await stream.publish(said("a"), source="x")
    async with open_archive(file) as archive:
        await Archiver(redis_client, archive, settings=ArchiverSettings(name="main")).drain()
    assert await redis_client.hgetall(archive_keys.archived("lobby")) == {"main": last.id}
    at_ms = int((await redis_client.hgetall(archive_keys.ARCHIVES))["main"])
    seconds, _ = (
        await redis_client.time() if not hasattr(redis_client, "nodes_manager") else (at_ms // 1000, 0)
    )
    assert abs(at_ms / 1000 - int(seconds)) < 5


async def test_an_entry_that_breaks_the_schema_is_put_aside(
    redis_client: Redis, file: str, tmp_path: Path
) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("a"), source="x")
    await redis_client.xadd(keys.stream("lobby"), {"foreign": b"\xff\x00"})
    await stream.publish(said("b"), source="x")
    async with open_archive(file) as archive:
        archiver = Archiver(redis_client, archive)
        assert await archiver.drain() == 4
        assert (archiver.totals.events, archiver.totals.quarantined) == (3, 1)
        assert await seqs(archive, tmp_path) == {"lobby": [1, 2, 3]}


class Flaky:
    """An archive whose database goes away: before a transaction, and after it without an answer."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._turn = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._archive, name)

    async def write(self, batch: Batch) -> int:
        self._turn += 1
        if self._turn % 3 == 1:
            raise ArchiveUnavailableError("test", "away")
        written = await self._archive.write(batch)
        if self._turn % 3 == 2:
            raise ArchiveUnavailableError("test", "the answer was lost")
        return written


async def test_a_database_that_is_away_or_does_not_answer_is_waited_for(
    real_redis: Redis, archive: Archive, tmp_path: Path
) -> None:
    stream = ConversationStream(real_redis, "lobby")
    flaky: Any = Flaky(archive)
    for number in range(4):
        await stream.publish(said(str(number)), source="x")
        archiver = Archiver(real_redis, flaky)
        await archiver.drain()
        assert archiver.totals.waits == 2
    assert await seqs(archive, tmp_path) == {"lobby": [1, 2, 3, 4, 5]}


async def test_redis_may_go_and_come_back(server: RestartableRedis, file: str, tmp_path: Path) -> None:
    redis, progress = client_of(server.url), Progress()
    stream = ConversationStream(redis, "lobby")
    async with open_archive(file) as archive:
        async with archiving(redis, archive, progress):
            for number in range(3):
                await stream.publish(said(str(number)), source="x")
                await progress.reach(2 + number)
                server.kill()
                server.start()
        assert await seqs(archive, tmp_path) == {"lobby": [1, 2, 3, 4]}
        assert await archive.gaps() == []
    await redis.aclose()


async def test_postgres_may_crash_and_come_back(
    real_redis: Redis, postgres_server: PostgresServer, postgres_url: str, tmp_path: Path
) -> None:
    progress = Progress()
    stream = ConversationStream(real_redis, "lobby")
    async with open_archive(postgres_url) as archive:
        async with archiving(real_redis, archive, progress):
            for number in range(3):
                await stream.publish(said(str(number)), source="x")
                await progress.reach(2 + number)
                postgres_server.kill()
                await stream.publish(events.Usage(participant="bot"), source="x")
                postgres_server.start()
            await progress.reach(7)
        assert await seqs(archive, tmp_path) == {"lobby": [1, 2, 3, 4, 5, 6, 7]}


KILLED = """
import asyncio, sys
from streams.connection import redis_client
from swarm.archive import Archiver, ArchiverSettings, open_archive

async def main():
    redis = redis_client(sys.argv[1])
    settings = ArchiverSettings(batch=40, linger_s=0.0)
    def tell(batch):
        print(len(batch), flush=True)
    async with open_archive(sys.argv[2]) as archive:
        await Archiver(redis, archive, settings=settings, on_written=tell).run()

asyncio.run(main())
"""


async def test_killed_at_any_moment_every_event_is_archived_once(
    real_redis: Redis, real_redis_url: str, where: str, tmp_path: Path
) -> None:
    """Archivers are killed while producers write; the last one ends the work."""
    streams = [ConversationStream(real_redis, f"room{each}") for each in range(3)]
    killed = asyncio.Event()

    async def produce(stream: ConversationStream) -> None:
        number = 0
        while not killed.is_set():
            for _ in range(5):
                await stream.publish(said(str(number)), source="x")
                number += 1
            await asyncio.sleep(0.005)

    async def kill_archivers() -> None:
        for kill_after_s in (0.0, 0.031, 0.007, 0.083):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", KILLED, real_redis_url, where, stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            try:
                async with asyncio.timeout(20):
                    assert await process.stdout.readline()
                await asyncio.sleep(kill_after_s)
            finally:
                process.send_signal(signal.SIGKILL)
                await process.wait()
        killed.set()

    async with asyncio.TaskGroup() as group:
        for stream in streams:
            group.create_task(produce(stream))
        group.create_task(kill_archivers())
    async with open_archive(where) as archive:
        await Archiver(real_redis, archive).drain()
        archived = await rows(archive, tmp_path)
        assert await archive.gaps() == []
    for stream in streams:
        written = [(each.id, each.seq, getattr(each.event, "text", None)) for each in await stream.read()]
        found = [
            (row["entry_id"], row["seq"], row["data"].get("text"))
            for row in archived
            if row["room"] == stream.room
        ]
        assert found == written

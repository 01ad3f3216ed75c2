"""Archive: producers and archivers killed at random, Redis restarted in between; each event is there once.

What is archived is compared with the streams entry by entry: the same ones in the same order, none twice,
with the same data; entries that break the schema stand in quarantine, and nothing else does.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg

from streams import keys
from streams.codec import decode_entry, text
from streams.connection import redis_client, until_available
from swarm.archive import Archiver, ArchiverSettings, Selection, open_archive
from tests.engines.postgres import CURE, PostgresServer, postgres_binaries
from tests.proofs.flow import produce
from tests.proofs.processes import Workers
from tests.proofs.proof import FULL, Proof
from tests.restartable_redis import RestartableRedis

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from swarm.archive import Archive
    from tests.proofs.processes import Worker
    from tests.proofs.proof import Progress, Size

PRODUCERS = 2
LIVES_S = (0.0, 0.6)
"""How long an archiver goes on after its first transaction, or one of its neighbour, before it is killed."""
WRITES_WITHIN_S = 60.0
WRITING = ArchiverSettings(batch=500, linger_s=0.0)
"""Transactions one after the other, so that a kill mostly hits one."""
CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Storm:
    """How much is written, and how often it is disturbed."""

    events: int
    rooms: int
    archivers: int
    """At one archive: the second finds what the first has written, and doubles nothing."""
    producer_kills: int
    """Spread evenly over what is written."""
    archiver_kills: int
    """One after the other while events flow, each after it has written."""
    restarts: int
    """Of Redis, spread like the producers' kills."""
    broken: int
    """Entries that break the schema."""


DAILY = Storm(
    events=200_000, rooms=8, archivers=1, producer_kills=10, archiver_kills=30, restarts=2, broken=10
)
DAILY_SERVER = replace(DAILY, events=50_000, archivers=2, archiver_kills=15)
WHOLE = Storm(
    events=1_000_000, rooms=40, archivers=2, producer_kills=100, archiver_kills=200, restarts=6, broken=100
)


async def archive_in_duckdb(size: Size, say: Progress) -> Proof:
    """Hold a DuckDB file against the streams that it was archived from."""
    with tempfile.TemporaryDirectory(prefix="swarm-archive-") as directory:
        storm = WHOLE if size is FULL else DAILY
        return await _proof("DuckDB", f"{directory}/archive.duckdb", storm, say)


async def archive_in_postgres(size: Size, say: Progress) -> Proof:
    """Hold a PostgreSQL database likewise."""
    binaries = postgres_binaries()
    if binaries is None:
        return Proof(_name("PostgreSQL"), broken=[f"there is no PostgreSQL here: {CURE}"])
    server = PostgresServer(binaries).start()
    try:
        return await _proof("PostgreSQL", server.url, WHOLE if size is FULL else DAILY_SERVER, say)
    finally:
        server.remove()


def keep(url: str, where: str, told: str) -> None:
    """Archive every room until killed; a byte into the pipe `told` for each transaction."""
    pipe = os.open(told, os.O_WRONLY)

    async def kept() -> None:
        redis = redis_client(url)
        async with open_archive(where) as archive:
            archiver = Archiver(redis, archive, settings=WRITING, on_written=lambda _: os.write(pipe, b"."))
            await archiver.run()

    asyncio.run(kept())


def quarantined(where: str) -> Counter[tuple[str, str]]:
    """Return room and id of the entries that an archive has put aside, and how often."""
    if where.startswith("postgresql:"):
        with psycopg.connect(where) as connection:
            return Counter(connection.execute("SELECT room, entry_id FROM swarm.quarantine").fetchall())
    with duckdb.connect(where, read_only=True) as connection:
        return Counter(connection.execute("SELECT room, entry_id FROM quarantine").fetchall())


def _name(database: str) -> str:
    return f"archive in {database} while processes die"


async def _proof(database: str, where: str, storm: Storm, say: Progress) -> Proof:
    proof = Proof(_name(database))
    server = RestartableRedis()
    with ExitStack() as stack:
        stack.callback(server.remove)
        server.start()
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="swarm-archive-"))
        workers = stack.enter_context(Workers())
        await _Run(proof, storm, server, where, workers, Path(directory), say).run()
    return proof


class _Run:
    def __init__(
        self,
        proof: Proof,
        storm: Storm,
        server: RestartableRedis,
        where: str,
        workers: Workers,
        directory: Path,
        say: Progress,
    ) -> None:
        self._proof = proof
        self._storm = storm
        self._server = server
        self._where = where
        self._workers = workers
        self._directory = directory
        self._say = say
        self._chance = random.Random(11)
        self._rooms = [f"flow-{n}" for n in range(storm.rooms)]
        self._redis: Redis = redis_client(server.url)
        self._producers: list[Worker] = []
        self._broken: Counter[tuple[str, str]] = Counter()
        self._kills = Counter[str]()
        self._told = directory / "told"
        self._wrote = asyncio.Event()
        self._killed = asyncio.Event()
        """All archivers that shall be."""

    async def run(self) -> None:
        started_s = time.monotonic()
        os.mkfifo(self._told)
        pipe = os.open(self._told, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(pipe, self._hear, pipe)
        archivers = [self._archiver() for _ in range(self._storm.archivers)]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._kill_archivers(archivers))
                tasks.create_task(self._write())
            flowed_s = time.monotonic() - started_s
            self._say(f"archive: {await self._written()} written, now archived to the end")
            for archiver in archivers:
                archiver.kill()
            async with open_archive(self._where) as archive:
                await Archiver(self._redis, archive).drain()
                archived_s = time.monotonic() - started_s
                await self._check(archive)
        finally:
            asyncio.get_running_loop().remove_reader(pipe)
            os.close(pipe)
            await self._redis.aclose()
        for what, kills in self._kills.items():
            self._proof.figure(f"{what} kills", kills)
        self._proof.figure("written and killed after", flowed_s, "s")
        self._proof.figure("archived after", archived_s, "s")

    def _hear(self, pipe: int) -> None:
        os.read(pipe, 65536)
        self._wrote.set()

    def _archiver(self) -> Worker:
        return self._workers.start(keep, self._server.url, self._where, str(self._told))

    def _producer(self) -> Worker:
        return self._workers.start(produce, self._server.url, self._rooms, str(self._directory), 0.0)

    async def _written(self) -> int:
        async def ask() -> int:
            return sum([await self._redis.xlen(keys.stream(room)) for room in self._rooms])

        return await until_available(ask, CONNECT_S)

    async def _kill_archivers(self, archivers: list[Worker]) -> None:
        for _ in range(self._storm.archiver_kills):
            self._wrote.clear()
            async with asyncio.timeout(WRITES_WITHIN_S):
                await self._wrote.wait()
            await asyncio.sleep(self._chance.uniform(*LIVES_S))
            at = self._chance.randrange(len(archivers))
            self._proof.expect(archivers[at].alive, "an archiver died by itself")
            archivers[at].kill()
            archivers[at] = self._archiver()
            self._kills["archiver"] += 1
        self._killed.set()

    async def _write(self) -> None:
        storm, kills, restarts, broken = self._storm, 0, 0, 0
        self._producers = [self._producer() for _ in range(PRODUCERS)]
        while (written := await self._written()) < storm.events or not self._killed.is_set():
            await asyncio.sleep(0.02)
            due = kills < storm.producer_kills
            if due and written * (storm.producer_kills + 1) >= (kills + 1) * storm.events:
                kills += 1
                self._producers.pop(self._chance.randrange(PRODUCERS)).kill()
                self._producers.append(self._producer())
                self._kills["producer"] += 1
            if written * storm.broken >= broken * storm.events and broken < storm.broken:
                broken += 1
                room = self._chance.choice(self._rooms)
                entry_id = await self._redis.xadd(keys.stream(room), {"hello": "world"})
                self._broken[room, text(entry_id)] += 1
            if written * (storm.restarts + 1) >= (restarts + 1) * storm.events and restarts < storm.restarts:
                restarts += 1
                self._server.kill()
                await asyncio.sleep(0.1)
                await asyncio.to_thread(self._server.start)
                self._kills["Redis"] += 1
        for producer in self._producers:
            producer.kill()

    async def _check(self, archive: Archive) -> None:
        proof, total, rows = self._proof, 0, 0
        for room in self._rooms:
            written = await self._record(room)
            archived = await self._archived(archive, room)
            total, rows = total + len(written), rows + len(archived)
            twice = len(archived) - len({entry_id for entry_id, *_ in archived})
            proof.expect(not twice, f"{room}: {twice} events are archived twice")
            lost = len({each[0] for each in written} - {each[0] for each in archived})
            proof.expect(not lost, f"{room}: {lost} events are not archived")
            proof.expect(written == archived, f"{room}: what is archived is not what was written")
        aside = await asyncio.to_thread(quarantined, self._where)
        proof.expect(
            aside == self._broken, f"put aside: {list((aside - self._broken) + (self._broken - aside))[:3]}"
        )
        gaps = await archive.gaps()
        proof.expect(not gaps, f"the archive has gaps: {gaps[:3]}")
        proof.expect(total >= self._storm.events - self._storm.broken, f"only {total} events were written")
        proof.figure("events", total, "", f">= {self._storm.events - self._storm.broken}")
        proof.figure("rows", rows, "", f"{total}")

    async def _record(self, room: str) -> list[tuple[Any, ...]]:
        """Return id, session, seq and data of the stream's entries, without those that break the schema."""
        found, after = list[tuple[Any, ...]](), "0-0"
        while page := await self._redis.xrange(keys.stream(room), min=f"({after}", count=5000):
            after = page[-1][0]
            for entry_id, fields in page:
                if (room, entry_id) not in self._broken:
                    recorded = decode_entry(entry_id, fields)
                    found.append((entry_id, recorded.session, recorded.seq, json.loads(fields["data"])))
        return found

    async def _archived(self, archive: Archive, room: str) -> list[tuple[Any, ...]]:
        file = self._directory / "archived.jsonl"
        await archive.export(Selection(rooms=(room,)), 0, 2**62, file, "jsonl")
        found: list[tuple[Any, ...]] = []
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                found.append((row["entry_id"], row["session"], row["seq"], row["data"]))
        return found

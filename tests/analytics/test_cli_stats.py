"""`swarm stats` on a real Redis and on an archive."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from typer.testing import CliRunner

from streams import keys, rooms
from streams.codec import encode_entry
from streams.connection import redis_client
from swarm.archive import open_archive as archive_at
from swarm.archive.rows import Batch
from swarm.commands import app
from swarm.errors import SettingError
from tests.analytics.sessions import archive, recorded_demo
from tests.swarm.commands_run import Running

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from click.testing import Result

pytestmark = pytest.mark.real
ROOM = recorded_demo()[0].room
FOREIGN = 600
"""Entries before the record that are none of the swarm's: more than a page."""


class Plain:
    """Runs work as the command line does, without taking over the signals of the test's process."""

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["stats", *arguments], obj=Plain())


@pytest.fixture
def url(real_redis_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    async def fill() -> None:
        redis = redis_client(real_redis_url)
        try:
            await redis.flushall()
            await rooms.register(redis, ROOM)
            for number in range(FOREIGN):
                await redis.xadd(keys.stream(ROOM), {"hello": "world"}, id=f"1-{number + 1}")
            for entry in recorded_demo():
                await redis.xadd(keys.stream(ROOM), dict(encode_entry(entry)), id=entry.id)
        finally:
            await redis.aclose()

    asyncio.run(fill())
    monkeypatch.setenv("REDIS_URL", real_redis_url)
    return real_redis_url


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "archive.duckdb"
    with duckdb.connect(str(path)) as connection:
        archive(connection, recorded_demo())
    return path


def test_the_stream_and_the_archive_give_the_same_document(url: str, file: Path) -> None:
    live, archived = run(ROOM, "--json"), run(ROOM, "--archive", str(file), "--json")
    assert live.exit_code == 0, live.output
    assert archived.exit_code == 0, archived.output
    told = json.loads(archived.stdout)
    assert told.pop("archive") == str(file)
    assert told == json.loads(live.stdout)
    assert told["participants"]["host"]["turns"] == 4


def test_an_archive_in_postgresql_gives_the_same_document_and_shows_no_password(
    url: str, postgres_url: str
) -> None:
    async def fill() -> None:
        async with archive_at(postgres_url) as opened:
            batch = Batch()
            batch.take(ROOM, [(entry.id, encode_entry(entry)) for entry in recorded_demo()])
            await opened.write(batch)

    asyncio.run(fill())
    archived = run(ROOM, "--archive", postgres_url.replace("swarm@", "swarm:secret@"), "--json")
    assert archived.exit_code == 0, archived.output
    told = json.loads(archived.stdout)
    assert told.pop("archive") == "postgresql:///postgres"
    assert told == json.loads(run(ROOM, "--json").stdout)


def test_tables_name_everybody(url: str) -> None:
    shown = run(ROOM).stdout
    for word in ("host", "expert", "person", "fairness", "onset to silence", "who cut whom off"):
        assert word in shown


def test_all_rooms_of_an_archive_and_a_picture(file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "stats.png"
    result = run("--archive", str(file), "--json", "--plot", str(picture))
    assert json.loads(result.stdout)["picture"] == str(picture)
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "ROOM: missing"),
        (("--archive", "/nowhere.duckdb"), "--archive: there is no file"),
        (("--archive", "mysql://ada:pw@host/swarm"), "--archive: 'mysql://host/swarm' is no archive"),
        (("nowhere",), "ROOM: there is no room 'nowhere'"),
        ((ROOM, "--plot", "/nowhere/at/all.png"), "--plot: there is no folder"),
        ((ROOM, "--watch", "--plot", "x.png"), "--watch: only a live room"),
    ],
)
def test_what_is_wrong_is_named(url: str, arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, SettingError)
    assert said in str(result.exception)


def test_a_file_that_is_no_archive_is_named(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "other.duckdb"
    other.write_text("not a database")
    assert "--archive: " in str(run("--archive", str(other)).exception)
    assert "nothing of 'elsewhere'" in str(run("elsewhere", "--archive", str(file)).exception)
    with duckdb.connect(str(tmp_path / "empty.duckdb")):
        pass
    assert "cannot be read" in str(run("--archive", str(tmp_path / "empty.duckdb")).exception)


async def test_a_watched_room_is_told_again_as_events_come(url: str) -> None:
    redis = redis_client(url)
    last = recorded_demo()[-1]
    async with Running("stats", ROOM, "--watch", "--json", env={"REDIS_URL": url}) as command:
        await command.first_output()
        fields = dict(encode_entry(last.model_copy(update={"seq": last.seq + 1, "prev": last.id})))
        await redis.xadd(keys.stream(ROOM), fields)
        await asyncio.sleep(0.7)  # it shows what came at most every half second
        command.send(signal.SIGINT)
        ended = await command.end()
    await redis.aclose()
    documents = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [document["events"] for document in documents] == [78, 79]
    assert ended.exit_code == 130
    assert not ended.noise

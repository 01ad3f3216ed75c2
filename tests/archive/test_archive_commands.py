"""The commands as a user gives them."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import duckdb
import pytest

from streams import ConversationStream, events, keys
from tests.swarm.commands_run import Running, ended

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


async def fill(redis: Redis, number: int, room: str = "lobby") -> ConversationStream:
    stream = ConversationStream(redis, room)
    for each in range(number):
        await stream.publish(said(f"secret {each}"), source="x")
    return stream


async def test_archive_export_and_forget_work_together(
    real_redis: Redis, real_redis_url: str, where: str, tmp_path: Path
) -> None:
    env = {"REDIS_URL": real_redis_url, "SWARM_ARCHIVE": where}
    await fill(real_redis, 7)
    await fill(real_redis, 2, "den")
    archived = await ended("archive", "--no-follow", "--json", env=env)
    assert (archived.exit_code, archived.stderr) == (0, "")
    assert json.loads(archived.stdout) | {"batches": 0} == {
        "archive": json.loads(archived.stdout)["archive"],
        "events": 11,
        "quarantined": 0,
        "batches": 0,
        "waits": 0,
    }
    out = tmp_path / "out"
    exported = await ended("export", "--out", str(out), "--room", "lobby", "--json", env=env)
    assert (exported.exit_code, exported.stderr) == (0, "")
    assert json.loads(exported.stdout) == {
        "folder": str(out),
        "format": "parquet",
        "events": 8,
        "written": 8,
        "parts": 1,
        "late": 0,
    }
    read = duckdb.sql(f"SELECT count(*) FROM read_parquet('{out}/*.parquet') WHERE room = 'lobby'")
    assert read.fetchall() == [(8,)]
    forgotten = await ended("forget", "ann", "--json", env=env)
    assert (forgotten.exit_code, forgotten.stderr) == (0, "")
    document = json.loads(forgotten.stdout)
    assert (document["entries"], document["archived_rows"], document["rooms"]) == (
        9,
        9,
        {"den": 2, "lobby": 7},
    )
    assert "secret" not in repr(await real_redis.xrange(keys.stream("lobby")))
    again = await ended("forget", "ann", env=env)
    assert again.stdout == "erased 0 entries in 0 rooms, and the words of 0 rows\n"


async def test_a_room_that_the_archive_does_not_have_is_told_and_not_exported_as_empty(
    real_redis: Redis, real_redis_url: str, where: str, tmp_path: Path
) -> None:
    env = {"REDIS_URL": real_redis_url, "SWARM_ARCHIVE": where}
    await fill(real_redis, 1)
    await ended("archive", "--no-follow", env=env)
    done = await ended("export", "--out", str(tmp_path / "out"), "--room", "loby", env=env)
    assert done.stderr == "error --room: the archive has nothing of 'loby'. Name another\n"
    assert (done.exit_code, done.stdout, (tmp_path / "out").exists()) == (2, "", False)
    whole = await ended("export", "--out", str(tmp_path / "out"), env=env)
    assert (whole.exit_code, whole.stderr) == (0, "")


async def test_the_archiver_runs_until_it_is_stopped_and_others_use_the_file_meanwhile(
    real_redis: Redis, real_redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "archive.duckdb"
    env = {"REDIS_URL": real_redis_url, "SWARM_ARCHIVE": str(file)}
    stream = await fill(real_redis, 3)

    def archived() -> int:
        try:
            with duckdb.connect(str(file), read_only=True) as connection:
                return int(connection.execute("SELECT count(*) FROM events").fetchall()[0][0])
        except duckdb.Error:
            return -1

    async with Running("archive", env=env) as command:
        await command.until(lambda: archived() == 4)
        await stream.publish(said("more"), source="x")
        await command.until(lambda: archived() == 5)
        exported = await ended("export", "--out", str(tmp_path / "out"), "--format", "jsonl", env=env)
        assert exported.stdout.startswith("5 events in 1 files")
        command.send(signal.SIGINT)
        stopped = await command.end()
    assert (stopped.exit_code, stopped.stdout, stopped.noise, stopped.left) == (130, "", [], [])
    assert stopped.lasted_s < 2.5


async def test_retention_trims_and_says_what(real_redis: Redis, real_redis_url: str) -> None:
    env = {"REDIS_URL": real_redis_url}
    await fill(real_redis, 9)
    once = await ended("retention", "--max-entries", "4", "--once", "--json", env=env)
    assert (once.exit_code, once.stderr) == (0, "")
    [line] = [json.loads(line) for line in once.stdout.splitlines()]
    assert (line["room"], line["entries"], line["passed"]) == ("lobby", 6, [])
    async with Running("retention", "--max-entries", "2", "--every", "100ms", env=env) as command:
        await command.first_output()
        command.send(signal.SIGTERM)
        stopped = await command.end()
    assert stopped.exit_code == 143
    assert stopped.stdout.startswith("room lobby: 3 entries up to ")
    assert stopped.noise == []


async def test_a_room_is_told_what_to_keep(real_redis: Redis, real_redis_url: str) -> None:
    env = {"REDIS_URL": real_redis_url}
    assert (await ended("transcripts", "lobby", env=env)).stdout == "room lobby: keep\n"
    done = await ended("transcripts", "lobby", "omit", "--json", env=env)
    assert (json.loads(done.stdout), done.stderr) == ({"room": "lobby", "transcripts": "omit"}, "")
    stream = await fill(real_redis, 1)
    assert [getattr(each.event, "text", None) for each in await stream.read()] == [None, ""]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("archive", "--to", "mysql://root:hush@db/x"), "error --to: 'mysql://db/x' is no archive."),
        (
            ("archive", "--to", "/no/such/folder/a.duckdb"),
            "error --to: '/no/such/folder/a.duckdb' lies in a folder",
        ),
        (
            ("archive", "--to", "postgresql://u:hush@127.0.0.1:1/x"),
            "error archive postgresql://127.0.0.1:1/x: ",
        ),
        (
            ("export", "--out", "x", "--archive", "/none.duckdb"),
            "error --archive: there is no file '/none.duckdb'.",
        ),
        (("export", "--out", "x", "--from", "soon"), "error --from: 'soon' is not understood. Write it like"),
        (
            ("export", "--out", "x", "--from", "2026-01-02", "--to", "2026-01-01"),
            "error --to: is not after --from.",
        ),
        (("retention",), "error --max-age: no limit is given. Give --max-age, --max-entries or --max-bytes"),
        (
            ("retention", "--max-age", "7"),
            "error --max-age: '7' is not understood. Write it like 90s, 12h or 7d",
        ),
        (("retention", "--max-age", "0s"), "error --max-age: 0 would keep nothing."),
        (("retention", "--max-bytes", "0"), "error --max-bytes: 0 would keep nothing."),
        (("forget", "a b"), "error PARTICIPANT: participant 'a b': 1 to 128 characters"),
        (("transcripts", "lobby", "omit", "--as", "a b"), "error --as: source 'a b'"),
        (("forget", "ann", "--room", "a b"), "error --room: "),
    ],
)
async def test_a_wrong_setting_is_one_line(
    real_redis: Redis, real_redis_url: str, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    done = await ended(*arguments, "--json", env={"REDIS_URL": real_redis_url}, cwd=tmp_path)
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert "hush" not in done.stderr
    assert done.stdout == ""
    assert done.exit_code in (1, 2)


async def test_without_redis_the_setting_is_named(tmp_path: Path) -> None:
    for arguments in (("archive",), ("retention", "--max-age", "1h"), ("forget", "ann")):
        done = await ended(*arguments, cwd=tmp_path)
        assert done.stderr == "error REDIS_URL: missing. Set it to the Redis of the swarm\n"
        assert done.exit_code == 2

"""`swarm replay`: which part, at what pace, and what is shown of it."""

from __future__ import annotations

import asyncio
import io
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from rich.console import Console
from typer.testing import CliRunner

from streams import keys, rooms
from streams.codec import encode_entry
from streams.connection import redis_client
from streams.room_state import RoomState, after, fold
from swarm import tail_lines
from swarm.archive.errors import ArchiveUnavailableError
from swarm.archive.opening import open_archive as archive_at
from swarm.archive.rows import Batch
from swarm.commands import app
from swarm.errors import SettingError
from swarm.replay.moments import Moment, Pace, moment
from swarm.replay.view import ReplayView, document, shown
from tests.analytics.sessions import archive, recorded_demo

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from click.testing import Result

DEMO = recorded_demo()
ROOM = DEMO[0].room
FOREIGN = 600
"""Entries before the record that are none of the swarm's: more than a page."""


class Plain:
    """Runs work as the command line does, without taking over the signals of the test's process."""

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["replay", *arguments], obj=Plain())


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "archive.duckdb"
    with duckdb.connect(str(path)) as connection:
        archive(connection, DEMO[::-1])
    return str(path)


@pytest.fixture
def url(real_redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fill() -> None:
        redis = redis_client(real_redis_url)
        try:
            await redis.flushall()
            await rooms.register(redis, ROOM)
            for number in range(FOREIGN):
                await redis.xadd(keys.stream(ROOM), {"hello": "world"}, id=f"1-{number + 1}")
            for entry in DEMO:
                await redis.xadd(keys.stream(ROOM), dict(encode_entry(entry)), id=entry.id)
        finally:
            await redis.aclose()

    asyncio.run(fill())
    monkeypatch.setenv("REDIS_URL", real_redis_url)


def test_a_moment_is_an_entry_a_time_or_seconds_into_the_record() -> None:
    assert moment("1795254689197-0") == Moment(entry_id="1795254689197-0")
    assert moment("+1.5") == Moment(after_ms=1_500)
    at_ms = round(datetime(2026, 11, 21, 16, 16, 30, tzinfo=UTC).timestamp() * 1000)
    assert moment("2026-11-21T16:16:30") == Moment(at_ms=at_ms)
    assert moment("2026-11-21T17:16:30+01:00") == Moment(at_ms=at_ms)
    assert moment("2026-11-21T16:16:30", timezone(timedelta(hours=1))) == Moment(at_ms=at_ms - 3_600_000)
    for text in ("", "soon", "+", "12", "-5", "+-1"):
        with pytest.raises(ValueError, match="isoformat"):
            moment(text)


def test_a_moment_is_reached_by_the_first_entry_at_it_or_past_it() -> None:
    first_ms = DEMO[0].at_ms
    for each in (
        Moment(entry_id=DEMO[9].id),
        Moment(at_ms=DEMO[9].at_ms),
        Moment(after_ms=DEMO[9].at_ms - first_ms),
    ):
        reached = [entry.seq for entry in DEMO if each.reached(entry, first_ms)]
        assert reached[0] == 10
        assert reached == list(range(10, 79))


def test_waits_are_those_of_the_conversation_at_another_speed_and_never_long() -> None:
    one, other = DEMO[8], DEMO[9]
    gap_s = (other.at_ms - one.at_ms) / 1000
    assert Pace().wait_s(None, one) == 0
    assert Pace().wait_s(one, other) == pytest.approx(gap_s)
    assert Pace(speed=4).wait_s(one, other) == pytest.approx(gap_s / 4)
    assert Pace(speed=0).wait_s(one, other) == 0
    assert Pace(longest_wait_s=0.005).wait_s(one, other) == 0.005
    assert Pace().wait_s(other, one) == 0


def test_json_lines_carry_every_event_and_the_state_after_it(file: str) -> None:
    result = run(ROOM, "--archive", file, "--json")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, 79))
    plain = [json.loads(tail_lines.document(entry)) for entry in DEMO]
    assert [{**line, "state": None} for line in lines] == [{**each, "state": None} for each in plain]
    held = next(line for line in lines if line["type"] == "FLOOR_QUEUED")["state"]
    assert (held["holder"], held["waiting"]) == (None, ["expert"])
    cut = next(line for line in lines if line["type"] == "INTERRUPTION")["state"]
    assert cut["holder"]["participant"] == "expert"
    assert cut["hosts"] == {"expert": "speaking", "host": "listening"}


@pytest.mark.real
def test_the_stream_and_the_archive_replay_the_same(url: None, file: str) -> None:
    for more in (("--json",), ("--speed", "0"), ("--json", "--from", "+10", "--to", "+30")):
        from_redis, from_archive = run(ROOM, *more), run(ROOM, "--archive", file, *more)
        assert from_redis.exit_code == 0, from_redis.output
        assert from_redis.stdout == from_archive.stdout
        assert from_redis.stdout


@pytest.mark.real
def test_an_archive_in_postgresql_replays_the_same(
    file: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fill() -> None:
        async with archive_at(postgres_url) as opened:
            batch = Batch()
            batch.take(ROOM, [(entry.id, encode_entry(entry)) for entry in DEMO])
            await opened.write(batch)

    asyncio.run(fill())
    monkeypatch.setattr("swarm.replay.sources._PAGE", 30)
    for more in (("--json",), ("--json", "--from", "+10", "--to", "+30")):
        from_server, from_file = (run(ROOM, "--archive", where, *more) for where in (postgres_url, file))
        assert from_server.exit_code == 0, from_server.output
        assert from_server.stdout == from_file.stdout


def test_a_part_begins_with_the_state_that_the_room_was_in(file: str) -> None:
    part = run(ROOM, "--archive", file, "--json", "--from", DEMO[9].id, "--to", DEMO[12].id)
    lines = [json.loads(line) for line in part.stdout.splitlines()]
    assert [line["seq"] for line in lines] == [10, 11, 12, 13]
    assert json.loads(document(DEMO[9], fold(DEMO[:10]))) == lines[0]
    assert lines[0]["state"]["holder"]["participant"] == "host"


def test_lines_come_at_the_pace_of_the_conversation(file: str) -> None:
    begun_s = time.monotonic()
    # 2.2 s of the record, twenty times as fast.
    result = run(ROOM, "--archive", file, "--from", DEMO[6].id, "--to", DEMO[9].id, "--speed", "20")
    lasted_s = time.monotonic() - begun_s
    assert (DEMO[9].at_ms - DEMO[6].at_ms) / 1000 / 20 <= lasted_s < 2.0
    assert [line.split()[1] for line in result.stdout.splitlines()] == [
        "FLOOR_TAKEN",
        "SPEECH_STARTED",
        "BACKCHANNEL",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "yesterday"), "--from: 'yesterday' is no point in time"),
        (("--to", "x"), "--to: 'x' is no point in time"),
        (("--from", "+9999"), "--from: nothing was recorded then. The record begins at 20"),
        (("--to", "2020-01-01"), "--to: nothing was recorded then"),
        (("--archive", "/nowhere.duckdb"), "--archive: there is no file"),
        (("--archive", "mysql://root:hush@db/x"), "--archive: 'mysql://db/x' is no archive"),
        (("--archive", "postgresql://u:hush@127.0.0.1:1/x"), "postgresql://127.0.0.1:1/x"),
    ],
)
def test_what_is_wrong_is_named(file: str, arguments: tuple[str, ...], said: str) -> None:
    given = arguments if "--archive" in arguments else ("--archive", file, *arguments)
    result = run(ROOM, "--speed", "0", *given)
    assert isinstance(result.exception, (SettingError, ArchiveUnavailableError))
    assert said in str(result.exception)
    assert "hush" not in str(result.exception)


def test_a_room_that_an_archive_knows_nothing_of_is_named(file: str) -> None:
    result = run("elsewhere", "--archive", file, "--json")
    assert str(result.exception).startswith("ROOM: nothing is recorded of 'elsewhere'")


def test_the_screen_shows_who_holds_who_waits_and_what_was_said() -> None:
    view, state = ReplayView(ROOM, UTC), RoomState()
    seen: list[str] = []
    for entry in DEMO:
        state = after(state, entry)
        view.feed(entry, state)
        console = Console(file=io.StringIO(), width=120)
        with console.capture() as capture:
            console.print(view)
        seen.append(capture.get())
    assert "● " in next(line for line in seen[6].splitlines() if " host " in line)
    assert "waiting: expert" in seen[17]
    spoken = next(line for line in seen[9].splitlines() if line.startswith("│    person"))
    assert "speaking" in spoken
    assert "yeah" in spoken
    assert "go forward ten meters" in seen[-1]


def test_interim_words_and_bookkeeping_have_no_line_of_their_own() -> None:
    assert {entry.type for entry in DEMO if not shown(entry)} == {
        "STATE_CHANGED",
        "FLOOR_REQUESTED",
        "FLOOR_QUEUED",
        "ROOM_OPENED",
        "USAGE",
        "TRANSCRIPT",
    }

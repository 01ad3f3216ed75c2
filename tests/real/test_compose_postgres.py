"""`docker compose --profile postgres up`: the same record in a PostgreSQL of its own."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.engines.docker import Compose, require_engine, require_image
from tests.swarm.commands_run import ended

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.real, pytest.mark.docker, pytest.mark.timeout(400)]

IMAGE = "postgres:15"
ARCHIVED_WITHIN_S = 30.0


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    require_engine()
    require_image(IMAGE)
    with Compose(COMPOSE_PROFILES="postgres") as project:
        project.up()
        yield project


def test_the_database_runs_without_rights_and_is_published_here_alone(compose: Compose) -> None:
    host: dict[str, Any] = compose.inspect("postgres")["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
    assert compose.run("exec", "-T", "postgres", "id", "-u").strip() == "999"
    ports: dict[str, list[dict[str, str]]] = host["PortBindings"]
    assert {each["HostIp"] for bound in ports.values() for each in bound} == {"127.0.0.1"}


async def test_both_archives_hold_the_stream_after_the_database_was_restarted(compose: Compose) -> None:
    async def in_postgres() -> dict[str, Any]:
        done = await ended("stats", "lobby", "--archive", compose.postgres_url, "--json", env={})
        return json.loads(done.stdout) if done.exit_code == 0 else {"events": 0, "said": done.stderr}

    def in_file() -> dict[str, Any]:
        figures = ("swarm", "stats", "lobby", "--archive", "archive/swarm.duckdb", "--json")
        return json.loads(compose.run("exec", "-T", "archive", *figures))

    async def until_they_have(events: int) -> None:
        end_s = time.monotonic() + ARCHIVED_WITHIN_S
        while (found := await in_postgres())["events"] < events or in_file()["events"] < events:
            assert time.monotonic() < end_s, found
        assert found["missing"] == in_file()["missing"] == 0

    def of_stream() -> int:
        told = compose.run("exec", "-T", "host", "swarm", "stats", "lobby", "--json")
        return int(json.loads(told)["events"])

    await until_they_have(of_stream())
    compose.run("restart", "postgres")
    compose.until_healthy()
    await until_they_have(of_stream() + 1)

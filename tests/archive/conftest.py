"""The archives that a contract is held against, and the records that go into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm.archive import open_archive
from tests.conftest import REDIS_CURE
from tests.restartable_redis import RestartableRedis
from tests.unavailable import unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from swarm.archive import Archive


@pytest.fixture(params=["duckdb", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty archive is: every kind that there is. For contracts."""
    if request.param == "duckdb":
        return str(tmp_path / "archive.duckdb")
    return request.getfixturevalue("postgres_url")


@pytest.fixture
async def archive(where: str) -> AsyncIterator[Archive]:
    async with open_archive(where) as opened:
        yield opened


@pytest.fixture
def server() -> Iterator[RestartableRedis]:
    """A running real Redis that the test may kill and start again."""
    from swarm.embedded_redis import available_binaries

    if not available_binaries():
        unavailable("redis-server", REDIS_CURE)
    server = RestartableRedis().start()
    yield server
    server.remove()

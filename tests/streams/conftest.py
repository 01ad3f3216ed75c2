from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm.embedded_redis import available_binaries
from tests.conftest import REDIS_CURE
from tests.restartable_redis import RestartableRedis
from tests.unavailable import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[RestartableRedis]:
    """A running real Redis that the test may kill and start again."""
    if not available_binaries():
        unavailable("redis-server", REDIS_CURE)
    server = RestartableRedis().start()
    yield server
    server.remove()

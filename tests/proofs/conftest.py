"""What the proofs share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm.embedded_redis import EmbeddedRedis
from swarm.errors import SettingError
from tests.conftest import REDIS_CURE
from tests.proofs.set_clocks import HOW_TO_GET_IT, compiler
from tests.unavailable import unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server_url() -> Iterator[str]:
    """A private real Redis for one proof."""
    server = EmbeddedRedis()
    try:
        url = server.start()
    except SettingError:
        unavailable("redis-server", REDIS_CURE)
    yield url
    server.stop()


@pytest.fixture
def clocks_can_be_set() -> None:
    if compiler() is None:
        unavailable("C compiler", HOW_TO_GET_IT)

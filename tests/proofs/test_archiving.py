"""The proof of the archive at its everyday size: 200,000 rows in a DuckDB file, 50,000 in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swarm.embedded_redis import available_binaries
from tests.conftest import POSTGRES_CURE, REDIS_CURE
from tests.engines.postgres import postgres_binaries
from tests.proofs.archiving import archive_in_duckdb, archive_in_postgres
from tests.proofs.proof import CI
from tests.unavailable import unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.proofs.proof import Progress, Proof, Size

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@pytest.mark.parametrize("archiving", [archive_in_duckdb, archive_in_postgres])
async def test_every_event_is_archived_once_while_processes_and_redis_are_killed(
    archiving: Callable[[Size, Progress], Awaitable[Proof]],
) -> None:
    if not available_binaries():
        unavailable("redis-server", REDIS_CURE)
    if archiving is archive_in_postgres and postgres_binaries() is None:
        unavailable("PostgreSQL", POSTGRES_CURE)
    proof = await archiving(CI, print)
    assert proof.holds, "\n".join(proof.broken)
    print([(figure.name, figure.value) for figure in proof.figures])

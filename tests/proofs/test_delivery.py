"""The proof of delivery at its everyday size, 50,000 events."""

from __future__ import annotations

import pytest

from swarm.embedded_redis import available_binaries
from tests.conftest import REDIS_CURE
from tests.proofs.delivery import delivery
from tests.proofs.proof import CI
from tests.unavailable import unavailable

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


async def test_every_event_is_delivered_in_order_while_processes_and_redis_are_killed() -> None:
    if not available_binaries():
        unavailable("redis-server", REDIS_CURE)
    proof = await delivery(CI, print)
    assert proof.holds, "\n".join(proof.broken)
    print([(figure.name, figure.value) for figure in proof.figures])

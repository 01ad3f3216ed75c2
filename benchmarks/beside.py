"""A PING to a private Redis, measured beside a run: it moves when the machine is busy with something else."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Self

from streams.connection import redis_client
from swarm.embedded_redis import EmbeddedRedis

if TYPE_CHECKING:
    from types import TracebackType

WARM_UP = 50
PINGS = 400


class PingBeside:
    """`async with PingBeside() as beside`, then `await beside.measure()` before, between and after runs."""

    def __init__(self) -> None:
        self.pings_us: list[float] = []
        self._server = EmbeddedRedis()

    async def __aenter__(self) -> Self:
        self._redis = redis_client(self._server.start())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._redis.aclose()
        self._server.stop()

    async def measure(self) -> float:
        """Return and keep the median of PINGS round trips, in us."""
        took: list[float] = []
        for n in range(WARM_UP + PINGS):
            begun = time.perf_counter()
            await self._redis.ping()
            if n >= WARM_UP:
                took.append((time.perf_counter() - begun) * 1e6)
        self.pings_us.append(statistics.median(took))
        return self.pings_us[-1]

"""A DuckDB file is for one process at a time: whoever comes in between waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import duckdb

from streams.connection import backoff_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

__all__ = ("LOCK_WAIT_S", "once_unlocked")

LOCK_WAIT_S = 15.0
"""How long a file that another process has open is waited for."""


async def once_unlocked(work: Callable[[], Awaitable[T]], wait_s: float = LOCK_WAIT_S) -> T:
    """Return what `work` returns, tried again while another process has the file.

    Raises:
        TimeoutError: another process had it all the time.
        duckdb.Error: as `work` does.
    """
    clock = asyncio.get_running_loop().time
    deadline_s, delays = clock() + wait_s, backoff_s(0.005, 0.1)
    while True:
        try:
            return await work()
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
            if clock() > deadline_s:
                raise TimeoutError("another process has the file open all the time") from error
        await asyncio.sleep(next(delays))

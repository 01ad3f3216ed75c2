"""Waiting for a DuckDB file that another process has open."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import duckdb
import pytest

from swarm.archive.file_lock import once_unlocked

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

HOLD = "import duckdb, sys; file = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@asynccontextmanager
async def held(path: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Have another process hold the file open, until left or told to end."""
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, str(path), stdin=pipe, stdout=pipe
    )
    try:
        assert other.stdout is not None
        assert await other.stdout.readline() == b"open\n"
        yield other
    finally:
        if other.returncode is None:
            other.kill()
        await other.wait()


async def test_it_is_there_as_soon_as_the_other_process_is_done(tmp_path: Path) -> None:
    tries = 0

    async def connect() -> duckdb.DuckDBPyConnection:
        nonlocal tries
        tries += 1
        if tries == 3:
            assert other.stdin is not None
            other.stdin.close()
        return duckdb.connect(str(tmp_path / "a.duckdb"))

    async with held(tmp_path / "a.duckdb") as other:
        (await once_unlocked(connect)).close()
    assert tries >= 3


async def test_it_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async def connect() -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(tmp_path / "a.duckdb"))

    async with held(tmp_path / "a.duckdb"):
        with pytest.raises(TimeoutError, match="another process"):
            await once_unlocked(connect, 0.05)


async def test_what_is_wrong_otherwise_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "b.duckdb").write_text("no database")
    tries = 0

    async def connect() -> duckdb.DuckDBPyConnection:
        nonlocal tries
        tries += 1
        return duckdb.connect(str(tmp_path / "b.duckdb"))

    with pytest.raises(duckdb.Error):
        await once_unlocked(connect)
    assert tries == 1

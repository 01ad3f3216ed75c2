"""A Redis that is far away: a link with a fixed delay each way, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

START_LIMIT_S = 5.0


class FarRedis:
    """`with FarRedis(socket_path, one_way_s=0.005) as url`: the same Redis, so much further away."""

    def __init__(self, socket_path: str, *, one_way_s: float) -> None:
        self._socket_path = socket_path
        self._one_way_s = one_way_s
        self._loop = asyncio.new_event_loop()
        self._port = 0
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._stop = asyncio.Event()
        self._links: set[asyncio.Task[None]] = set()

    def __enter__(self) -> str:
        self._thread.start()
        if not self._listening.wait(START_LIMIT_S):
            raise TimeoutError("the link did not start")
        return f"redis://127.0.0.1:{self._port}"

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._listening.set()
        async with server:
            await self._stop.wait()
        if self._links:
            await asyncio.wait(self._links, timeout=1.0)  # the client has hung up: it takes its time to show

    async def _connected(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        far, to_far = await asyncio.open_unix_connection(self._socket_path)
        with suppress(ConnectionError):
            await asyncio.gather(self._carry(near, to_far), self._carry(far, to_near))
        to_near.close()
        to_far.close()

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            self._loop.call_later(self._one_way_s, target.write, data)
        self._loop.call_later(self._one_way_s, target.close)

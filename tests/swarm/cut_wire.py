"""A wire to a real Redis that a test cuts in the middle of a call."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class CutWire:
    """Passes on what clients and server say; `cut` breaks the connection at the next calls with a word."""

    def __init__(self, url: str) -> None:
        self._server = urlsplit(url)
        self._word = b""
        self._arrives = True
        self._times = 0
        self._busy = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.cuts = 0
        self.url = ""

    def cut(self, word: str, *, arrives: bool, times: int = 1) -> None:
        """Break the connection that says `word`, so many times; before the call `arrives`, or its reply."""
        self._word, self._arrives, self._times = word.encode(), arrives, times

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[CutWire]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            self.url = f"redis://{host}:{port}/0"
            yield self
            async with asyncio.timeout(2):
                await self._quiet.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy += 1
        self._quiet.clear()
        there, broken = self._server, asyncio.Event()
        if there.scheme == "unix":
            back, forth = await asyncio.open_unix_connection(there.path)
        else:
            back, forth = await asyncio.open_connection(there.hostname, there.port)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_replies(back, writer, broken))
                while not broken.is_set() and (said := await reader.read(65_536)):
                    if self._times and self._word in said:
                        self._times -= 1
                        self.cuts += 1
                        broken.set()
                    if self._arrives or not broken.is_set():
                        forth.write(said)
                if not broken.is_set() or not self._arrives:
                    forth.close()
        finally:
            for end in (writer, forth):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()
            self._busy -= 1
            if not self._busy:
                self._quiet.set()


async def _replies(back: asyncio.StreamReader, writer: asyncio.StreamWriter, broken: asyncio.Event) -> None:
    while (said := await back.read(65_536)) and not broken.is_set():
        writer.write(said)

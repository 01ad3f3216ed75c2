"""A stretch of a stream, read raw and page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from streams import rooms
from streams.codec import text
from streams.connection import TIMEOUT_S, end_if_cancelled, until_available

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from redis.asyncio import Redis

    from streams.reader import Entry

__all__ = ("PAGE", "entry_pages")

PAGE = 500


async def _patiently(request: Callable[[], Awaitable[Any]]) -> Any:
    return await until_available(request, TIMEOUT_S)


async def entry_pages(
    redis: Redis,
    stream_key: str,
    first: str = "-",
    last: str | None = None,
    *,
    ask: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]] = _patiently,
) -> AsyncGenerator[list[Entry]]:
    """Yield the entries from `first` to `last`, as XRANGE has these, oldest first; no page is empty.

    Without `last`, up to the one that is the newest when this begins. `ask` makes each request; by itself
    this waits while Redis is away.

    Raises:
        redis.exceptions.RedisError: a refusal that waiting does not cure; or as `ask` does.
    """
    end = last if last is not None else await ask(lambda: rooms.last_id(redis, stream_key))
    read, start = cast("Any", redis).xrange, first
    while True:
        end_if_cancelled()
        page = await ask(lambda start=start: read(stream_key, min=start, max=end, count=PAGE))
        if page:
            yield [(text(entry_id), fields) for entry_id, fields in page]
        if len(page) < PAGE:
            return
        start = f"({text(page[-1][0])}"

"""One script on the same keys, called again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis import exceptions

from streams.connection import retries_by_itself
from streams.kept_connections import packed, shared_connections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis


class ScriptCall:
    """A script on one room's keys. Redis's errors (redis.exceptions.RedisError, OSError) pass through.

    On a client of redis-py's Cluster or Sentinel, or of another kind, it is called as redis-py does.
    """

    def __init__(self, redis: Redis, text: str, keys: Sequence[str], *, arguments: int) -> None:
        self._script = redis.register_script(text)
        self._keys = list(keys)
        self._kept = shared_connections(redis)
        if self._kept is not None:
            self._repeats = retries_by_itself(redis)
            parts = ["EVALSHA", self._script.sha, str(len(keys)), *keys]
            self._head = b"*%d\r\n" % (len(parts) + arguments) + packed(self._kept.encode, parts)

    async def __call__(self, *args: str) -> Any:
        """Return the reply to `args`, as many as were told of."""
        if self._kept is None:
            return await self._script(keys=self._keys, args=args)
        try:
            return await self._kept.exchange(self._head + packed(self._kept.encode, args))
        except exceptions.NoScriptError:
            return await self._script(keys=self._keys, args=args)
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError):
            if not self._repeats:
                raise
            return await self._script(keys=self._keys, args=args)

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

    A call gives `more_keys` keys and `arguments` arguments. On a client of redis-py's Cluster or Sentinel, or
    of another kind, it is called as redis-py does.
    """

    def __init__(
        self, redis: Redis, text: str, keys: Sequence[str], *, arguments: int, more_keys: int = 0
    ) -> None:
        self._script = redis.register_script(text)
        self._keys = list(keys)
        self._more_keys = more_keys
        self._kept = shared_connections(redis)
        if self._kept is not None:
            self._repeats = retries_by_itself(redis)
            parts = ["EVALSHA", self._script.sha, len(keys) + more_keys, *keys]
            number = len(parts) + more_keys + arguments
            self._head = b"*%d\r\n" % number + packed(self._kept.encode, parts)

    async def __call__(self, *args: str | int) -> Any:
        """Return the reply to `args`: as many keys and arguments as were told of."""
        if self._kept is None:
            return await self._plainly(args)
        try:
            return await self._kept.exchange(self.command(args))
        except exceptions.NoScriptError:
            return await self._plainly(args)
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError):
            if not self._repeats:
                raise
            return await self._plainly(args)

    def command(self, args: Sequence[str | int]) -> bytes:
        """Return the call as it is sent on a kept connection."""
        assert self._kept is not None
        return self._head + packed(self._kept.encode, args)

    async def _plainly(self, args: Sequence[str | int]) -> Any:
        keys = [*self._keys, *map(str, args[: self._more_keys])]
        return await self._script(keys=keys, args=args[self._more_keys :])

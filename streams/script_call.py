"""One script on the same keys, called again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from redis import exceptions

from streams.connection import retries_by_itself
from streams.kept_connections import packed, shared_connections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis


class ScriptCall:
    """A script on one room's keys. Redis's errors (redis.exceptions.RedisError, OSError) pass through.

    A call gives `more_keys` keys, then `arguments` arguments. On a client of redis-py's Cluster or Sentinel,
    or of another kind, it is called as redis-py does.
    """

    def __init__(
        self, redis: Redis, text: str, keys: Sequence[str], *, arguments: int, more_keys: int = 0
    ) -> None:
        self._redis = cast("Any", redis)
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
            return await self._kept.exchange(self._head + packed(self._kept.encode, args))
        except exceptions.NoScriptError:
            return await self._plainly(args)
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError):
            if not self._repeats:
                raise
            return await self._plainly(args)

    async def together(self, calls: Sequence[Sequence[str | int]]) -> list[Any]:
        """Return the replies to several calls, made in one go with nothing between them."""
        if len(calls) == 1:
            return [await self(*calls[0])]
        try:
            return await self._together(calls)
        except exceptions.NoScriptError:  # in a transaction: none of the calls was made
            await self._redis.script_load(self._script.script)
            return await self._together(calls)

    async def _together(self, calls: Sequence[Sequence[str | int]]) -> list[Any]:
        if self._kept is not None:
            encode = self._kept.encode
            return await self._kept.transaction([self._head + packed(encode, args) for args in calls])
        async with self._redis.pipeline(transaction=True) as pipe:
            for args in calls:
                pipe.evalsha(self._script.sha, len(self._keys) + self._more_keys, *self._keys, *args)
            return await pipe.execute()

    async def _plainly(self, args: Sequence[str | int]) -> Any:
        keys = [*self._keys, *map(str, args[: self._more_keys])]
        return await self._script(keys=keys, args=args[self._more_keys :])

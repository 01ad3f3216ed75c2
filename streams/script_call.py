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

    On a client of redis-py's Cluster or Sentinel, or of another kind, it is called as redis-py does.
    """

    def __init__(self, redis: Redis, text: str, keys: Sequence[str]) -> None:
        self._redis = cast("Any", redis)
        self._script = redis.register_script(text)
        self._keys = list(keys)
        self._kept = shared_connections(redis)
        if self._kept is not None:
            self._repeats = retries_by_itself(redis)
            self._name = packed(self._kept.encode, ["EVALSHA", self._script.sha])
            self._packed_keys = packed(self._kept.encode, keys)

    async def __call__(self, *args: str | int, more_keys: Sequence[str] = ()) -> Any:
        """Return the reply to `args` on the script's keys and, after those, `more_keys`."""
        if self._kept is None:
            return await self._plainly(more_keys, args)
        encode, keys = self._kept.encode, len(self._keys) + len(more_keys)
        number, rest = packed(encode, (keys,)), packed(encode, (*more_keys, *args))
        head = b"*%d\r\n" % (3 + keys + len(args))
        try:
            return await self._kept.exchange(b"".join((head, self._name, number, self._packed_keys, rest)))
        except exceptions.NoScriptError:
            return await self._plainly(more_keys, args)
        except (exceptions.ConnectionError, exceptions.TimeoutError, OSError):
            if not self._repeats:
                raise
            return await self._plainly(more_keys, args)

    async def _plainly(self, more_keys: Sequence[str], args: Sequence[str | int]) -> Any:
        return await self._script(keys=[*self._keys, *more_keys], args=args)

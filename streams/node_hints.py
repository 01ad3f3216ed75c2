"""Subscriptions to the hints of one node of a Cluster, and the reads that follow from them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol, cast

from redis import exceptions
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from streams.codec import text
from streams.connection import TIMEOUT_S, block_ms, end_if_cancelled
from streams.kept_connections import command, own_connection
from streams.sequence import entry_order

if TYPE_CHECKING:
    from redis.asyncio.cluster import ClusterNode, RedisCluster

    from streams.reader import Entry

logger = logging.getLogger(__name__)

__all__ = ("ENTRIES", "Follower", "NodeHints", "Plan")

_BATCH = 100
"""Streams that are read in one round trip."""
ENTRIES = 200
"""Entries that are read of one stream at once."""
_OF_THE_CLIENT = ("host", "port", "retry", "response_callbacks", "max_connections", "event_dispatcher")
_SHARDED_FROM = 7


class Follower(Protocol):
    """Who wants to know. Called on the event loop; must not block."""

    def after(self, stream: str) -> str | None:
        """Return the id after which `stream` is wanted, None where it is not any more."""
        ...

    async def take(self, stream: str, after: str, entries: list[Entry]) -> None:
        """Take what follows `after`; waits while there is no room."""
        ...

    def alive(self) -> None:
        """Note that a server has answered."""
        ...


class Plan(Protocol):
    """Who decides which node is asked for what."""

    def works(self) -> None:
        """Note that a subscription was confirmed."""
        ...

    def moved(self) -> None:
        """Note that a node serves a stream no more."""
        ...

    def ended(self, node: NodeHints, error: Exception | None) -> None:
        """Note that a node's connection has ended, and why."""
        ...


class NodeHints:
    """The subscriptions on one node, and the reads that follow from them.

    `plan` is told how it goes.
    """

    def __init__(self, plan: Plan, redis: RedisCluster, node: ClusterNode, follower: Follower) -> None:
        self._plan = plan
        self._redis = redis
        self._follower = follower
        self.name = node.name
        """The node's, as the client gives it."""
        self.wanted: frozenset[str] = frozenset()
        self.task: asyncio.Task[None] | None = None
        self._asked: set[str] = set()
        self._leaving: set[str] = set()
        self._due: set[str] = set()
        self._woken = asyncio.Event()
        self._changed = asyncio.Event()
        self._ping_s = block_ms(cast("Any", redis)) / 1000
        settings = {key: value for key, value in node.connection_kwargs.items() if key not in _OF_THE_CLIENT}
        pool = ConnectionPool(
            connection_class=node.connection_class,
            host=node.host,
            port=int(node.port),
            retry=Retry(NoBackoff(), 0),
            **settings,
        )
        self._client = Redis.from_pool(pool)
        self._kept = own_connection(self._client)
        self._pubsub = cast("Any", self._client).pubsub()
        self._sharded = True

    def set_wanted(self, streams: set[str]) -> None:
        """Follow these streams and no others."""
        # Wanted again before it was left: no confirmation of a new subscription will have it read.
        self._due |= (streams - self.wanted) & self._asked
        self.wanted = frozenset(streams)
        self._woken.set()
        self._changed.set()

    def read_on(self, stream: str) -> None:
        """Read `stream`, whatever the hints say."""
        self._due.add(stream)
        self._woken.set()

    def end(self) -> None:
        """Have `run` end."""
        if self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        """Listen and read until the node fails or is not needed any more; never raises what Redis does."""
        failure: Exception | None = None
        try:
            info = cast("dict[str, Any]", await cast("Any", self._client).info("server"))
            self._sharded = int(str(info["redis_version"]).split(".", maxsplit=1)[0]) >= _SHARDED_FROM
            await self._pubsub.connect()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._subscribe())
                group.create_task(self._listen())
                group.create_task(self._read())
        except* (RedisError, OSError) as errors:
            failure = cast("Exception", errors.exceptions[0])
        finally:
            self._plan.ended(self, failure)
            await self._close()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._pubsub.aclose()
                if self._kept is not None:
                    await self._kept.give_back()
                await self._client.aclose()
        except (RedisError, OSError):
            logger.debug("streams.hints_not_closed", extra={"node": self.name})

    async def _subscribe(self) -> None:
        add, remove = ("ssubscribe", "sunsubscribe") if self._sharded else ("subscribe", "unsubscribe")
        while True:
            self._changed.clear()
            wanted = self.wanted
            for stream in self._asked - wanted:
                self._leaving.add(stream)
                await getattr(self._pubsub, remove)(stream)
                self._asked.discard(stream)
            for stream in wanted - self._asked:  # one by one: a sharded command takes channels of one slot
                self._asked.add(stream)
                await getattr(self._pubsub, add)(stream)
            end_if_cancelled()
            await self._changed.wait()

    async def _listen(self) -> None:
        asked_alive = False
        while True:
            end_if_cancelled()
            message = await self._pubsub.get_message(timeout=self._ping_s)
            if message is None:
                if asked_alive:
                    raise exceptions.TimeoutError(f"{self.name} is silent")
                asked_alive = True
                await self._pubsub.ping()
                continue
            asked_alive = False
            self._follower.alive()
            stream = text(message["channel"] or "")
            match message["type"]:
                case "subscribe" | "ssubscribe" if stream in self.wanted:
                    self._plan.works()
                    self.read_on(stream)
                case "message" | "smessage" if stream in self.wanted:
                    after = self._follower.after(stream)
                    if after is not None and _is_news(text(message["data"]), after):
                        self.read_on(stream)
                case "sunsubscribe" | "unsubscribe" if stream in self._leaving:
                    self._leaving.discard(stream)
                case "sunsubscribe" if stream in self.wanted:
                    # Not asked for: the slot is another node's now.
                    self._asked.discard(stream)
                    self._plan.moved()
                case _:
                    pass

    async def _read(self) -> None:
        while True:
            end_if_cancelled()
            await self._woken.wait()
            self._woken.clear()
            while self._due:
                batch = [self._due.pop() for _ in range(min(_BATCH, len(self._due)))]
                asked = {stream: self._follower.after(stream) for stream in batch if stream in self.wanted}
                await self._read_batch(
                    {stream: after for stream, after in asked.items() if after is not None}
                )

    async def _read_batch(self, asked: dict[str, str]) -> None:
        if not asked:
            return
        for (stream, after), reply in zip(asked.items(), await self._ranges(asked), strict=True):
            if isinstance(reply, Exception):
                raise reply
            entries = [(text(entry_id), fields) for entry_id, fields in reply]
            if entries:
                await self._follower.take(stream, after, entries)

    async def _ranges(self, asked: dict[str, str]) -> list[Any]:
        if self._kept is not None:
            encode = self._kept.encode
            async with asyncio.timeout(TIMEOUT_S):
                replies = await self._kept.exchange_all(
                    [
                        command(encode, "XRANGE", stream, f"({after}", "+", "COUNT", ENTRIES)
                        for stream, after in asked.items()
                    ]
                )
            self._follower.alive()
            if not any(isinstance(reply, RedisError) for reply in replies):
                return replies
        # The client of the Cluster finds a stream that has moved.
        pipe = cast("Any", self._redis).pipeline(transaction=False)
        for stream, after in asked.items():
            pipe.xrange(stream, min=f"({after}", count=ENTRIES)
        replies = await pipe.execute(raise_on_error=False)
        self._follower.alive()
        return replies


def _is_news(entry_id: str, after: str) -> bool:
    try:
        return entry_order(entry_id) > entry_order(after)
    except ValueError:
        return True  # whoever published that: reading on does no harm

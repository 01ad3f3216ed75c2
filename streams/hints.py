"""Following many streams of a Cluster by the hints that the writing scripts publish."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from redis import exceptions
from redis.exceptions import RedisError

from streams.connection import backoff_s, end_if_cancelled
from streams.node_hints import NodeHints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio.cluster import ClusterNode, RedisCluster

    from streams.node_hints import Follower

logger = logging.getLogger(__name__)

__all__ = ("Hints",)

_LONGEST_RETRY_S = 0.5


class Hints:
    """Reads each wanted stream on when its hint comes, and once whenever its subscription begins anew.

    A subscription lives on the node that serves the stream, so its loss is found by the node's silence (asked
    with a PING) or by the node itself when the slot moves. The nodes do not wait for each other.
    """

    def __init__(self, redis: RedisCluster, follower: Follower) -> None:
        self._redis = redis
        self._follower = follower
        self._wanted: set[str] = set()
        self._changed = asyncio.Event()
        self._stale = False
        self._nodes: dict[str, NodeHints] = {}
        self._delays: Iterator[float] | None = None

    def want(self, stream: str) -> None:
        """Follow `stream`, and read it now: also where that was done before."""
        self._wanted.add(stream)
        self.read_on(stream)  # its subscription may stand already; if not, the read follows that
        self._changed.set()

    def read_on(self, stream: str) -> None:
        """Read `stream` again, if it is followed."""
        for node in self._nodes.values():
            if stream in node.wanted:
                node.read_on(stream)

    def drop(self, stream: str) -> None:
        """Follow `stream` no more."""
        if stream in self._wanted:
            self._wanted.discard(stream)
            self._changed.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                end_if_cancelled()
                self._changed.clear()
                try:
                    await self._plan(group)
                except (RedisError, OSError) as error:
                    self._failed(error)
                if self._stale:
                    self._delays = self._delays or backoff_s(longest_s=_LONGEST_RETRY_S)
                    await asyncio.sleep(next(self._delays))
                else:
                    await self._changed.wait()

    def works(self) -> None:
        """Note that a subscription was confirmed."""
        self._delays = None

    def moved(self) -> None:
        """Note that a node serves a stream no more."""
        self._stale = True
        self._changed.set()

    def ended(self, node: NodeHints, error: Exception | None) -> None:
        """Note that a node's connection has ended."""
        if self._nodes.get(node.name) is node:
            del self._nodes[node.name]
        if error is not None:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        logger.warning("streams.waiting_for_redis", extra={"reason": str(error) or type(error).__name__})
        self.moved()

    async def _plan(self, group: asyncio.TaskGroup) -> None:
        redis = self._redis
        if self._stale:
            await cast("Any", redis).learn_map() if hasattr(redis, "learn_map") else await redis.initialize()
            self._stale = False
        else:
            await redis.initialize()
        streams_of: dict[str, set[str]] = {}
        served_by: dict[str, ClusterNode] = {}
        for stream in self._wanted:
            try:
                node = redis.get_node_from_key(stream)
            except exceptions.SlotNotCoveredError:
                node = None
            if node is None:
                self._stale = True  # nobody serves it at the moment; the others need not wait for it
                continue
            served_by[node.name] = node
            streams_of.setdefault(node.name, set()).add(stream)
        for name, listening in list(self._nodes.items()):
            if name not in served_by:
                del self._nodes[name]
                listening.end()
        for name, node in served_by.items():
            if name not in self._nodes:
                self._nodes[name] = listening = NodeHints(self, self._redis, node, self._follower)
                listening.task = group.create_task(listening.run(), name=f"hints-{name}")
            self._nodes[name].set_wanted(streams_of[name])

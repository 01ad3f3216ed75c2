"""redis-py's client of a Cluster, as the record and the floor need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from redis import exceptions
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection, SSLConnection

from streams.cancellable import CANCELLABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry

__all__ = ("ClusterClient",)

_REDIRECTIONS = 5


class ClusterClient(RedisCluster):
    """A RedisCluster whose absence looks like any server's: redis.exceptions.ConnectionError."""

    @classmethod
    def of(cls, hosts: Sequence[tuple[str, int]], path: Sequence[str], options: dict[str, Any]) -> Redis:
        """Return a client of the Cluster that the nodes at `hosts` belong to.

        Raises:
            ValueError: a path or database is given; a Cluster has only 0.
        """
        if [part for part in path if part != "0"] or options.pop("db", 0):
            raise ValueError("a Cluster has no database but 0")
        places = [ClusterNode(host, port) for host, port in hosts]
        # A failed first command makes redis-py ask for the map again; what is left of it is still served.
        client = cls(startup_nodes=places, require_full_coverage=False, **options)
        connection = CANCELLABLE[SSLConnection if options.get("ssl") else Connection]
        for node in client.startup_nodes:
            node.connection_class = connection
        client.connection_kwargs["connection_class"] = connection  # of the nodes that are found later
        return cast("Redis", client)

    async def aclose(self) -> None:
        self._initialize = False  # else redis-py leaves open what it has: a forgotten map has connections too
        await super().aclose()

    async def initialize(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().initialize(*args, **kwargs)
        except exceptions.RedisClusterException as error:
            raise _away(error) from error

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        try:
            # A map that was never read has no default node, which redis-py takes for a command without key.
            await self.initialize()
            return await super().execute_command(*args, **kwargs)
        except exceptions.SlotNotCoveredError as error:
            self.forget_map()
            raise _away(error) from error

    def forget_map(self) -> None:
        """Have the nodes asked who serves what before the next command."""
        self._initialize = True

    def get_retry(self) -> Retry:
        """Return how often a command is sent again after a lost connection."""
        return self.retry

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> Any:
        """Return a pipeline; with `transaction`, MULTI and EXEC on the one node that serves its keys.

        redis-py's own asks in a thread for each command and does not follow a slot that has moved.
        """
        if transaction:
            return _SlotTransaction(self)
        return super().pipeline(transaction, shard_hint)

    async def learn_map(self) -> None:
        """Ask the nodes who serves what.

        Raises:
            redis.exceptions.ConnectionError: none of them answered.
        """
        await self.initialize()
        try:
            await self.nodes_manager.initialize()
        except exceptions.RedisClusterException as error:
            raise _away(error) from error


class _SlotTransaction(Pipeline):
    """Commands on keys of one slot, run together where the slot is served; an aborted one was not run."""

    def __init__(self, cluster: ClusterClient) -> None:
        callbacks = cast("Any", cluster.response_callbacks)
        super().__init__(cast("Any", None), callbacks, transaction=True, shard_hint=None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        cluster, stack = self._cluster, list(self.command_stack)
        if not stack:
            return []
        [name, *args] = stack[0][0]
        slot = cluster.keyslot(args[2] if str(name).upper() in {"EVAL", "EVALSHA"} else args[0])
        for _ in range(_REDIRECTIONS):
            await cluster.initialize()
            try:
                node: ClusterNode = cast("Any", cluster.nodes_manager).get_node_from_slot(slot)
            except exceptions.SlotNotCoveredError as error:
                raise _away(error) from error
            self.connection_pool = cast("Any", _NodePool(node))
            self.command_stack = list(stack)
            try:
                return await super().execute(raise_on_error)
            except exceptions.MovedError as error:
                await cluster.nodes_manager.move_slot(error)
            except exceptions.AskError as error:
                raise exceptions.TryAgainError(f"slot {slot} is on its way to another node") from error
            except (exceptions.ConnectionError, exceptions.TimeoutError):
                cluster.forget_map()
                raise
        raise exceptions.ClusterError(f"slot {slot} has moved {_REDIRECTIONS} times in a row")


class _NodePool:
    """The connections of one node of a Cluster, as a pipeline takes them."""

    def __init__(self, node: ClusterNode) -> None:
        self._node = node
        self.connection_kwargs = node.connection_kwargs

    def get_encoder(self) -> Any:
        return self._node.get_encoder()

    async def get_connection(self, *_: Any, **__: Any) -> Any:
        connection = self._node.acquire_connection()
        try:
            await self._node.disconnect_if_needed(connection)
            await connection.connect()
        except BaseException:
            self._node.release(connection)
            raise
        return connection

    async def release(self, connection: Any) -> None:
        self._node.release(connection)


def _away(error: Exception) -> exceptions.ConnectionError:
    cause = error.__cause__ or error.__context__
    return exceptions.ConnectionError(f"{error}" + (f" ({cause})" if cause else ""))

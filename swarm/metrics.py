"""The metrics of one process, served to Prometheus on 127.0.0.1. Needs the extra `metrics`."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from streams.sequence import Sequence
from swarm.errors import SettingError
from swarm.metric_names import METRICS, Kind
from swarm.metric_rules import Reading, of_agents, of_consumer, of_missed, of_room

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Iterator

    from adapters.ports import Room
    from streams.events import Recorded
    from streams.group_consumer import Consumer
    from swarm.session import SwarmSession

__all__ = ("ProcessMetrics", "both", "serve")

_log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
_SCRAPE_LIMIT_S = 2.0
"""So long a scrape waits for the event loop: one that is stuck is a failed scrape."""


@runtime_checkable
class DropsFrames(Protocol):
    """A connection that counts the frames which its transport took no more."""

    @property
    def dropped_frames(self) -> int: ...


class ProcessMetrics:
    """Counts what a process's rooms, agents and consumers do; `text()` is what a scrape gets.

    For the event loop's thread, on which what is shown is also read. `follow` and `follow_consumer` add to
    what is shown; `feed` takes every event of the session's room.

    Raises:
        SettingError: prometheus-client is not installed.
    """

    def __init__(self) -> None:
        try:
            import prometheus_client as client
        except ImportError as error:
            raise SettingError(
                "--metrics-port", "prometheus-client is not installed", "Install the extra 'metrics'"
            ) from error
        self.port = 0
        """Where it is served."""
        self.registry = client.CollectorRegistry()
        self._loop = asyncio.get_running_loop()
        self._sequence = Sequence()
        self._shown: list[Callable[[], Iterable[Reading]]] = []
        self._session: SwarmSession | None = None
        self._rooms: dict[str, Room] = {}
        self._made: dict[str, Any] = {}
        self._series: dict[tuple[str, tuple[str, ...]], Callable[[float], None]] = {}
        for metric in METRICS.values():
            about: Any = (metric.name, metric.meaning, metric.labels)
            if metric.kind is Kind.HISTOGRAM:
                self._made[metric.name] = client.Histogram(
                    *about, buckets=metric.buckets, registry=self.registry
                )
            elif metric.kind is Kind.COUNTER and metric.name not in _SHOWN:
                self._made[metric.name] = client.Counter(*about, registry=self.registry)
        client.ProcessCollector(registry=self.registry)
        client.GCCollector(registry=self.registry)
        self.registry.register(cast("Any", self))

    def feed(self, recorded: Recorded) -> None:
        """Count an event of the followed session's room."""
        session = self._session
        if session is None:
            return
        missed = self._sequence.observe(recorded)
        if missed is not None:
            self._count(of_missed(missed))
        for reading in of_room(recorded, read_at_ms=session.stream.server_clock.now_ms()):
            self._count(reading)
        for reading in of_agents(recorded, session.agents):
            self._count(reading)

    def counting(self, connect: Callable[[str], Room]) -> Callable[[str], Room]:
        """Return `connect`, so that the frames are counted that each agent's connection drops."""

        def connected(name: str) -> Room:
            room = self._rooms[name] = connect(name)
            return room

        return connected

    def follow(self, session: SwarmSession) -> None:
        """Show the session's outbox, connection and tracks."""
        self._session = session
        self.show(lambda: self._of_session(session))

    def follow_consumer(self, consumer: Consumer) -> None:
        """Show what a member of a consumer group has done, and how far behind it is."""
        self.show(lambda: of_consumer(consumer.figures))

    def show(self, read: Callable[[], Iterable[Reading]]) -> None:
        """Show at each scrape what `read` gives: gauges, and counters that somebody else keeps."""
        self._shown.append(read)

    def text(self) -> str:
        """Return everything in Prometheus's text format. Not on the event loop's thread."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry).decode()

    def collect(self) -> Iterator[Any]:
        """Yield what is shown; called by the registry, on the thread of the scrape.

        Raises:
            TimeoutError: the event loop does not get to it.
        """
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        found: dict[str, Any] = {}
        for reading in asyncio.run_coroutine_threadsafe(self._read(), self._loop).result(_SCRAPE_LIMIT_S):
            metric = METRICS[reading.metric]
            family = GaugeMetricFamily if metric.kind is Kind.GAUGE else CounterMetricFamily
            if metric.name not in found:
                found[metric.name] = family(metric.name, metric.meaning, labels=metric.labels)
            found[metric.name].add_metric(reading.labels, reading.value)
        yield from found.values()

    def describe(self) -> Iterator[Any]:
        """Yield nothing: the registry would collect to know the names, with the loop not at hand."""
        yield from ()

    async def _read(self) -> list[Reading]:
        return [reading for read in self._shown for reading in read()]

    def _count(self, reading: Reading) -> None:
        series = (reading.metric, reading.labels)
        add = self._series.get(series)
        if add is None:
            child = self._made[reading.metric].labels(*reading.labels)
            is_histogram = METRICS[reading.metric].kind is Kind.HISTOGRAM
            add = self._series[series] = child.observe if is_histogram else child.inc
        add(reading.value)

    def _of_session(self, session: SwarmSession) -> Iterator[Reading]:
        room = (session.room,)
        yield Reading("swarm_outbox_reports", session.outbox.waiting, room)
        yield Reading("swarm_outbox_refused", session.outbox.refused, room)
        if (alive_at_s := session.hub.alive_at_s) is not None:
            yield Reading("swarm_redis_silence_seconds", time.monotonic() - alive_at_s, room)
        for name, connection in self._rooms.items():
            if isinstance(connection, DropsFrames):
                yield Reading("swarm_dropped_frames", connection.dropped_frames, (session.room, name))


_SHOWN = frozenset(
    name
    for name in METRICS
    if name.startswith(("swarm_archive_", "swarm_consumer_"))
    or name in ("swarm_outbox_refused", "swarm_dropped_frames", "swarm_retention_passes")
    or name in ("swarm_retention_removed_entries", "swarm_retention_passed_readers")
)
"""Counters that somebody else keeps: read at each scrape."""


def _unless_stuck(app: Callable[..., list[bytes]]) -> Callable[..., list[bytes]]:
    """Return `app` with a 503 in the place of the error that wsgiref would print."""

    def answer(environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
        try:
            return app(environ, start)
        except TimeoutError:
            start("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"the event loop does not get to it\n"]

    return answer


@asynccontextmanager
async def serve(port: int | None) -> AsyncGenerator[ProcessMetrics | None]:
    """Serve metrics on 127.0.0.1, at `/metrics`, until left; None, and nothing is done, for no port.

    With 0 the system chooses the port; `port` of what is given names it.

    Raises:
        SettingError: the port cannot be had, or prometheus-client is not installed.
    """
    if port is None:
        yield None
        return
    metrics = ProcessMetrics()
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, addr=ADDRESS, registry=cast("Any", metrics.registry))
    except (OSError, OverflowError) as error:
        raise SettingError(
            "--metrics-port", f"{port} cannot be had ({error})", "Name a free port, 1 to 65535"
        ) from error

    server.set_app(_unless_stuck(cast("Any", server.get_app())))

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    metrics.port = server.server_port
    _log.info("metrics.served", extra={"url": f"http://{ADDRESS}:{metrics.port}/metrics"})
    try:
        yield metrics
    finally:
        await asyncio.to_thread(end)


def both(first: Callable[[Recorded], None], second: Callable[[Recorded], None]) -> Callable[[Recorded], None]:
    """Return what hands an event to two."""

    def hand_over(recorded: Recorded) -> None:
        first(recorded)
        second(recorded)

    return hand_over

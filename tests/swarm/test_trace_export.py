"""Traces reach a collector that the environment names; without one nothing is set up."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.util._once import Once

from streams import ConversationStream, events
from streams.tracing import tracer
from swarm import trace_export
from swarm.errors import SettingError
from swarm.trace_export import exporting
from tests.swarm.commands_run import Running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis


class Collector:
    """Takes OTLP over HTTP and keeps what came."""

    def __init__(self, server: HTTPServer, requests: list[ExportTraceServiceRequest]) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self._requests = requests

    @property
    def spans(self) -> list[tuple[str, str]]:
        """(service, span name) of all that came."""
        return [
            (attribute.value.string_value, span.name)
            for request in self._requests
            for part in request.resource_spans
            for attribute in part.resource.attributes
            if attribute.key == "service.name"
            for scope in part.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collector() -> Iterator[Collector]:
    requests: list[ExportTraceServiceRequest] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                pytest.fail("not asked for")
            requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Takes)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Collector(server, requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process without a provider; one can be set once only."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setenv("ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS", "false")


async def test_spans_reach_the_collector_at_the_latest_when_it_is_left(
    real_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as there:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", there.url)
        async with exporting("swarm-host"):
            await ConversationStream(real_redis, "lobby").publish(events.FloorOpened(by="x"), source="x")
        assert there.spans == [("swarm-host", "send FLOOR_OPENED")]
        trace.get_tracer_provider().shutdown()  # type: ignore[attr-defined]


async def test_a_collector_that_is_away_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(trace_export, "_LEAVE_LIMIT_S", 0.1)
    async with exporting("swarm"):
        by = tracer()
        assert by is not None
        by.start_span("one").end()
        left_s = time.monotonic()
    assert time.monotonic() - left_s < 1.0
    await asyncio.to_thread(trace.get_tracer_provider().shutdown)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "env", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}]
)
async def test_without_a_collector_nothing_is_traced(env: dict[str, str]) -> None:
    async with exporting("swarm", env):
        assert tracer() is None


async def test_without_the_exporter_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingError, match="opentelemetry-exporter-otlp-proto-http"):
        async with exporting("swarm", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}):
            pass


@pytest.mark.real
@pytest.mark.timeout(90)
async def test_the_demo_exports_what_it_publishes() -> None:
    with collector() as there:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": there.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        async with Running("demo", "--json", env=env) as command:
            async with asyncio.timeout(60):
                while ("swarm-demo", "send STATE_CHANGED") not in there.spans:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            command.send(2, to_all=True)  # type: ignore[arg-type]
            ended = await command.end()
    assert (ended.exit_code, ended.noise) == (130, [])

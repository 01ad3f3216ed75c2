"""Traces of one process sent to a collector (OTLP over HTTP), where the environment names one."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from opentelemetry.sdk.trace import TracerProvider

__all__ = ("exporting",)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_LEAVE_LIMIT_S = 2.0
_NO_WORDS = "ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS"
"""Off unless set: what was said is in the record, under its rules, and not in traces."""


@asynccontextmanager
async def exporting(service: str, env: Mapping[str, str] | None = None) -> AsyncGenerator[None]:
    """Export spans until left, if one of ENDPOINTS is set; what is unsent is sent at the end, within 2 s.

    The other OTEL_ variables count as OpenTelemetry has them; `service` is the service's name where they give
    none. A process that has a tracer provider already is left alone.

    Raises:
        SettingError: the exporter is not installed.
    """
    env = os.environ if env is None else env
    if not any(env.get(name) for name in ENDPOINTS) or env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider as Provider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingError(
            ENDPOINTS[0],
            "the exporter is not installed",
            "pip install opentelemetry-exporter-otlp-proto-http",
        ) from error
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        yield
        return
    os.environ.setdefault(_NO_WORDS, "false")
    resource = Resource({"service.name": env.get("OTEL_SERVICE_NAME") or service})
    provider = Provider(resource=Resource.create().merge(resource), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        await _flushed(provider)


async def _flushed(provider: TracerProvider) -> None:
    # The exporter's own limits are longer, and a thread of the loop's pool would be waited for at the exit.
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def flush() -> None:
        provider.force_flush()
        with suppress(RuntimeError):  # the loop has ended: it was not waited for
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=flush, name="trace-export", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LEAVE_LIMIT_S):
            await done.wait()

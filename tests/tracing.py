"""A process that traces: OpenTelemetry's own SDK, with an exporter that keeps the spans."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan


class Traced:
    """The finished spans, and the provider that they come from."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def named(self, name: str) -> ReadableSpan:
        """Return the one span of that name."""
        [found] = [span for span in self.spans if span.name == name]
        return found


@contextmanager
def traced_process() -> Iterator[Traced]:
    """Be a process with a tracer provider, until left. It can be set once only, so it is patched in."""
    traced = Traced()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trace, "_TRACER_PROVIDER", traced.provider)
        yield traced
    traced.provider.shutdown()

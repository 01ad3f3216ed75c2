"""Interruptions as traces: detector, gate, judge, model, host, and by `traceparent` whoever reads of them.

The spans are made from the times that the report brings, once it is on its way: nothing is traced in the
callback that has to silence an agent.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from streams.events import Interruption, Utterance
from streams.tracing import traceparent_of, tracer
from swarm.interruption_steps import judged, steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Tracer

    from streams.events import Event
    from swarm.interruption_steps import Judged

__all__ = ("TracedRecord",)


class _Outbox(Protocol):
    def report(
        self,
        event: Event,
        *,
        source: str,
        token: int | None = None,
        occurred_s: float | None = None,
        traceparent: str | None = None,
    ) -> None: ...


class TracedRecord:
    """Hands reports on to `outbox`, those of an interruption with the trace of its steps.

    The UTTERANCE that was interrupted goes into the same trace. `clock` is the one of `occurred_s`.
    """

    def __init__(self, outbox: _Outbox, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbox = outbox
        self._clock = clock
        self._interrupted = ("", "")
        """Utterance and `traceparent` of the last interruption."""

    def report(
        self,
        event: Event,
        *,
        source: str,
        token: int | None = None,
        occurred_s: float | None = None,
        traceparent: str | None = None,
    ) -> None:
        """Have `event` recorded; never waits."""
        if traceparent is None and (by := tracer()) is not None:
            traceparent = self._trace(by, event, source, occurred_s)
        self._outbox.report(event, source=source, token=token, occurred_s=occurred_s, traceparent=traceparent)

    def _trace(self, by: Tracer, event: Event, source: str, occurred_s: float | None) -> str | None:
        if isinstance(event, Utterance) and event.utterance_id == self._interrupted[0]:
            return self._interrupted[1]
        about = judged(event)
        if about is None:
            return None
        traceparent = self._spans(by, about, source, occurred_s)
        if isinstance(about, Interruption):
            self._interrupted = (about.utterance_id, traceparent)
        return traceparent

    def _spans(self, by: Tracer, event: Judged, source: str, occurred_s: float | None) -> str:
        """Write the spans and return the `traceparent` of the last one: what follows is its child."""
        now_s = self._clock()
        made = steps(event, now_s if occurred_s is None else occurred_s, now_s)
        since_1970_ns = time.time_ns() - round(now_s * 1e9)
        around = trace.get_current_span().get_span_context()  # of the model call, which began before
        root = by.start_span(
            event.type,
            context=Context(),
            links=[Link(around)] if around.is_valid else [],
            start_time=since_1970_ns + round(made[0].from_s * 1e9),
            attributes={"swarm.utterance.id": event.utterance_id, "swarm.source": source},
        )
        span = root
        for step in made:
            span = by.start_span(
                step.name,
                context=trace.set_span_in_context(root, Context()),
                start_time=since_1970_ns + round(step.from_s * 1e9),
            )
            span.end(since_1970_ns + round(step.to_s * 1e9))
        root.end(since_1970_ns + round(made[-1].to_s * 1e9))
        return traceparent_of(span)

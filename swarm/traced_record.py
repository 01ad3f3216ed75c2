"""An agent's reports in their traces: that of the turn they belong to, or of the interruption that ended it.

The spans of an interruption (detector, gate, judge, model, host) are made from the times that its report
brings, once it is on its way: nothing is traced before the agent is silent.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from streams.events import Interruption, Utterance
from streams.tracing import context_of, joining, traceparent_of, tracer
from swarm.interruption_steps import judged, steps

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span, Tracer

    from streams.events import Event
    from streams.outbox import Outbox
    from swarm.interruption_steps import Judged

__all__ = ("TracedRecord",)


class TracedRecord:
    """Hands reports on to `outbox`, those of an interruption with the trace of its steps.

    The UTTERANCE that was interrupted goes into the same trace; what else is reported under a grant's token
    goes into the trace of the grant. `clock` is the one of `occurred_s`.
    """

    def __init__(self, outbox: Outbox, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbox = outbox
        self._clock = clock
        self._grant: tuple[int | None, str | None] = (None, None)
        """Token and `traceparent` of the last grant."""
        self._cut: _Begun | None = None
        """An interruption that is not reported yet."""
        self._interrupted = ("", "")
        """Utterance and `traceparent` of the last interruption."""

    def granted(self, token: int | None, traceparent: str | None) -> None:
        """Have what comes under `token` go into the trace of the grant."""
        self._grant = (token, traceparent)

    def turn(self, token: int) -> AbstractContextManager[None]:
        """Do what belongs to the turn under `token` in the trace of the grant."""
        return joining(self._of_grant(token))

    @contextmanager
    def interrupting(self, utterance_id: str, onset_s: float) -> Generator[None]:
        """Do what an interruption brings about in its trace, before it can be reported."""
        by = tracer()
        if by is None:
            yield
            return
        if self._cut is not None:
            self._cut.root.end()
        # The report gives its times in whole microseconds: no step may begin before the whole.
        self._cut = self._begun(by, "INTERRUPTION", utterance_id, onset_s - 0.0001)
        with joining(traceparent_of(self._cut.root)):
            yield

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
            traceparent = self._trace(by, event, source, occurred_s) or self._of_grant(token)
        self._outbox.report(event, source=source, token=token, occurred_s=occurred_s, traceparent=traceparent)

    def _of_grant(self, token: int | None) -> str | None:
        return self._grant[1] if token is not None and token == self._grant[0] else None

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
        cut = self._cut
        if cut is not None and cut.utterance_id == event.utterance_id and isinstance(event, Interruption):
            self._cut = None
        else:
            cut = self._begun(by, event.type, event.utterance_id, made[0].from_s)
        cut.root.set_attribute("swarm.source", source)
        span = cut.root
        for step in made:
            span = by.start_span(
                step.name,
                context=trace.set_span_in_context(cut.root, Context()),
                start_time=cut.since_1970_ns(step.from_s),
            )
            span.end(cut.since_1970_ns(step.to_s))
        cut.root.end(cut.since_1970_ns(made[-1].to_s))
        return traceparent_of(span)

    def _begun(self, by: Tracer, name: str, utterance_id: str, from_s: float) -> _Begun:
        zero_ns = time.time_ns() - round(self._clock() * 1e9)
        # Linked to the model call around it and to the turn: both began before.
        around = [trace.get_current_span()]
        turn = context_of(self._grant[1])
        around += [] if turn is None else [trace.get_current_span(turn)]
        root = by.start_span(
            name,
            context=Context(),
            links=[Link(it.get_span_context()) for it in around if it.get_span_context().is_valid],
            start_time=zero_ns + round(from_s * 1e9),
            attributes={"swarm.utterance.id": utterance_id},
        )
        return _Begun(utterance_id, root, zero_ns)


@dataclass(frozen=True, slots=True)
class _Begun:
    """The span around what became of speech over an utterance, begun and not ended."""

    utterance_id: str
    root: Span
    zero_ns: int
    """When the clock showed 0, in Unix time."""

    def since_1970_ns(self, at_s: float) -> int:
        return self.zero_ns + round(at_s * 1e9)

"""OpenTelemetry traces across the record: W3C `traceparent` out with an event, and in with its entry.

Where the process has configured no tracer provider nothing is done, at the cost of one look. Span names and
attributes follow OpenTelemetry's conventions for messaging.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from streams import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from opentelemetry.trace import Span, Tracer

    from streams.events import Event, Recorded

__all__ = (
    "Sending",
    "context_of",
    "handling",
    "here",
    "joining",
    "processing",
    "publishing",
    "sending",
    "traceparent_of",
    "tracer",
    "writing",
)

_SCOPE = "hybrid-agentic-swarm"
_W3C = TraceContextTextMapPropagator()
_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Room(Protocol):
    @property
    def room(self) -> str: ...


_RoomT = TypeVar("_RoomT", bound=_Room)


def tracer() -> Tracer | None:
    """Return the tracer of the swarm's spans; None where the process has configured no provider."""
    provider = trace.get_tracer_provider()
    return None if isinstance(provider, (ProxyTracerProvider, NoOpTracerProvider)) else _tracer_of(provider)


@functools.lru_cache(maxsize=1)
def _tracer_of(provider: trace.TracerProvider) -> Tracer:
    return provider.get_tracer(_SCOPE)


def context_of(traceparent: str | None) -> Context | None:
    """Return the context that a `traceparent` names; None where it names none."""
    if not traceparent:
        return None
    context = _W3C.extract({"traceparent": traceparent}, context=Context())
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def traceparent_of(span: Span) -> str:
    """Return `span` as a `traceparent`."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, context=trace.set_span_in_context(span, Context()))
    return carrier.get("traceparent", "")


def here() -> str:
    """Return the current span as a `traceparent`; empty where there is none, or nothing is traced."""
    return "" if tracer() is None else traceparent_of(trace.get_current_span())


@contextmanager
def joining(traceparent: str | None) -> Generator[None]:
    """Do what the body does, and what it starts, in the trace of `traceparent`, where that names one."""
    context = None if tracer() is None else context_of(traceparent)
    if context is None:
        yield
        return
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


@contextmanager
def writing(name: str, *, room: str, source: str) -> Generator[str]:
    """Have a script write events in a span of that name, and yield the `traceparent` for them.

    In the caller's trace, or in a new one. Empty where nothing is traced.
    """
    by = tracer()
    if by is None:
        yield ""
        return
    attributes = {"messaging.destination.name": keys.stream(room), "swarm.source": source}
    with by.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
        yield traceparent_of(span)


class Sending:
    """An event on its way to the stream: the `traceparent` to write, and the span of the way, if traced."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, traceparent: str | None, span: Span | None = None) -> None:
        self.traceparent = traceparent
        self._span = span

    def ended(self, outcome: Recorded | Exception | str) -> None:
        """Tell where the entry is, or why there is none. Again is harmless."""
        span, self._span = self._span, None
        if span is None:
            return
        if isinstance(outcome, str):
            span.set_status(Status(StatusCode.ERROR, outcome))
        elif isinstance(outcome, Exception):
            span.set_status(Status(StatusCode.ERROR, type(outcome).__name__))
        else:
            span.set_attributes({"messaging.message.id": outcome.id, "swarm.seq": outcome.seq})
        span.end()


def sending(event: Event, *, room: str, source: str, traceparent: str | None = None) -> Sending:
    """Begin the way of `event`: in the trace of `traceparent`, else in the caller's, else in a new one.

    A `traceparent` that names no context is written as it is, and nothing is traced.
    """
    by = tracer()
    if by is None:
        return Sending(traceparent)
    context = context_of(traceparent)
    if traceparent and context is None:
        return Sending(traceparent)
    event_type = str(getattr(event, "type", ""))
    span = by.start_span(
        f"send {event_type}",
        context=context,
        kind=SpanKind.PRODUCER,
        attributes=_attributes("send", room, event_type, source),
    )
    return Sending(traceparent_of(span), span)


def publishing(
    publish: Callable[Concatenate[_RoomT, Event, _P], Coroutine[Any, Any, _T]],
) -> Callable[Concatenate[_RoomT, Event, _P], Coroutine[Any, Any, _T]]:
    """Make a method that publishes one event of a room do so in a span, whose `traceparent` is written."""

    @functools.wraps(publish)
    def traced(self: _RoomT, event: Event, *args: _P.args, **kwargs: _P.kwargs) -> Coroutine[Any, Any, _T]:
        if tracer() is None:
            return publish(self, event, *args, **kwargs)
        return _in_span(publish, self, event, *args, **kwargs)

    return traced


async def _in_span(publish: Any, stream: _Room, event: Event, **kwargs: Any) -> Any:
    way = sending(
        event, room=stream.room, source=str(kwargs.get("source", "")), traceparent=kwargs.get("traceparent")
    )
    try:
        entry = await publish(stream, event, **{**kwargs, "traceparent": way.traceparent})
    except BaseException as error:
        way.ended(error if isinstance(error, Exception) else "cancelled")
        raise
    way.ended(entry)
    return entry


@contextmanager
def processing(recorded: Recorded, *, consumer: str = "") -> Generator[None]:
    """Handle an entry in a span of the trace that it came with; an error in the body is the span's too.

    An entry without `traceparent` begins a trace of its own. `consumer` names the consumer group.
    """
    by = tracer()
    if by is None:
        yield
        return
    attributes = _attributes("process", recorded.room, recorded.type, recorded.source)
    attributes |= {"messaging.message.id": recorded.id, "swarm.seq": recorded.seq}
    if consumer:
        attributes["messaging.consumer.group.name"] = consumer
    with by.start_as_current_span(
        f"process {recorded.type}",
        context=context_of(recorded.traceparent) or Context(),
        kind=SpanKind.CONSUMER,
        attributes=attributes,
    ):
        yield


def handling(handler: Callable[[Recorded], object], *, consumer: str) -> Callable[[Recorded], object]:
    """Return `handler` so that it handles each entry in a span, or as it is where nothing is traced."""
    if tracer() is None:
        return handler

    async def traced(recorded: Recorded) -> None:
        with processing(recorded, consumer=consumer):
            answer = handler(recorded)
            if isawaitable(answer):
                await answer

    return traced


def _attributes(operation: str, room: str, event_type: str, source: str) -> dict[str, str | int]:
    return {
        "messaging.system": "redis",
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
        "messaging.destination.name": keys.stream(room),
        "swarm.event.type": event_type,
        "swarm.source": source,
    }

"""Hypothesis strategies for events and entries."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from streams import events
from streams.codec import MODELS, encode_event
from streams.events import SCHEMA_VERSION, Event, Recorded, UnknownEvent
from streams.vocabulary import Decision, ParticipantKind

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAME = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
WHOLE = st.integers(0, 10**15)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | FLOAT | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)

BY_ANNOTATION: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: WHOLE,
    float: FLOAT,
    bool: st.booleans(),
    ParticipantKind: st.sampled_from(ParticipantKind),
    str | None: st.none() | TEXT,
    int | None: st.none() | WHOLE,
    float | None: st.none() | FLOAT,
    Decision | None: st.none() | st.sampled_from(Decision),
    list[str]: st.lists(TEXT, max_size=3),
    list[int]: st.lists(WHOLE, max_size=3),
    dict[str, Any]: st.dictionaries(TEXT, JSON, max_size=3),
    events.Latency: st.builds(events.Latency, gate_to_decision_ms=st.none() | FLOAT),
}


@st.composite
def known_events(draw: st.DrawFn) -> Event:
    model = draw(st.sampled_from(sorted(MODELS.values(), key=lambda model: model.__name__)))
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if name == "type":
            continue
        values[name] = draw(
            st.floats(0.0, 10.0)
            if (model, name) == (events.Bid, "score")
            else BY_ANNOTATION[field.annotation]
        )
    return model(**values)


@st.composite
def unknown_events(draw: st.DrawFn) -> UnknownEvent:
    newer = draw(st.booleans())
    return UnknownEvent(
        original_kind=draw(NAME),
        original_type=draw(st.sampled_from(sorted(MODELS)) if newer else NAME.map(lambda name: "x" + name)),
        original_v=draw(st.integers(SCHEMA_VERSION + 1, 99) if newer else st.integers(1, 99)),
        data=draw(st.dictionaries(TEXT, JSON, max_size=4)),
    )


@st.composite
def recorded_entries(draw: st.DrawFn) -> Recorded:
    event = draw(known_events() | unknown_events())
    encoded = encode_event(event)
    return Recorded(
        id=f"{draw(WHOLE)}-{draw(st.integers(0, 9))}",
        kind=encoded.kind,
        type=encoded.type,
        v=encoded.v,
        room=draw(NAME),
        session=draw(NAME),
        seq=draw(st.integers(1, 10**9)),
        prev=draw(st.just("") | st.just("1-0")),
        source=draw(NAME),
        at_ms=draw(WHOLE),
        occurred_ms=draw(WHOLE),
        token=draw(st.none() | WHOLE),
        late=draw(st.booleans()),
        traceparent=draw(st.none() | NAME),
        unknown_fields=draw(st.dictionaries(NAME.map(lambda name: "x_" + name), TEXT, max_size=2)),
        event=event,
    )

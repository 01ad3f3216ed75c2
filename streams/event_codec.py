"""Events as the data of a stream entry, and back. No I/O.

Unknown types and newer versions become `UnknownEvent`; encoding that gives the same data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from streams.errors import InvalidEventError
from streams.events import SCHEMA_VERSION, Event, KnownEvent, UnknownEvent

__all__ = ("MODELS", "EncodedEvent", "Text", "as_read", "decode_event", "encode_event")

Text = str | bytes


def _known_models() -> dict[str, type[Event]]:
    union = get_args(KnownEvent)[0] if get_origin(KnownEvent) is Annotated else KnownEvent
    models = cast("tuple[type[Event], ...]", get_args(union))
    return {cast("str", model.model_fields["type"].default): model for model in models}


MODELS: dict[str, type[Event]] = _known_models()
"""Every known event model by its type."""

_NOT_IN_DATA = {"type"}


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """The part of an entry that the event itself gives."""

    kind: str
    type: str
    v: int
    data: str
    """JSON object, without `type`."""


def encode_event(event: Event) -> EncodedEvent:
    """Return the event's own fields of an entry.

    Raises:
        InvalidEventError: a value in it has no JSON form, or the class declares no `type`.
    """
    try:
        if isinstance(event, UnknownEvent):
            data = to_json(event.data, inf_nan_mode="constants").decode()
            return EncodedEvent(event.original_kind, event.original_type, event.original_v, data)
        event_type = getattr(event, "type", None)
        if not isinstance(event_type, str) or not event_type:
            raise InvalidEventError(f"{type(event).__name__} declares no type")
        data = event.__pydantic_serializer__.to_json(event, exclude=_NOT_IN_DATA).decode()
    except (PydanticSerializationError, ValueError) as error:
        raise InvalidEventError(f"{type(event).__name__} has no JSON form: {error}") from error
    return EncodedEvent(event.kind, event_type, SCHEMA_VERSION, data)


def decode_event(kind: str, event_type: str, v: int, data: Text) -> Event:
    """Return the typed event; `UnknownEvent` for an unknown type, kind or newer version.

    Raises:
        InvalidEventError: `data` is no JSON object, or breaks the schema of a known type.
    """
    model = MODELS.get(event_type)
    if model is not None and v <= SCHEMA_VERSION and kind == model.kind:
        try:
            return model.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "data"
            raise InvalidEventError(f"{event_type}: {where}: {first['msg']}") from error
    try:
        values: object = from_json(data)
    except ValueError as error:
        raise InvalidEventError(f"{event_type}: data is no JSON") from error
    if not isinstance(values, dict):
        raise InvalidEventError(f"{event_type}: data is no JSON object")
    return UnknownEvent(
        original_kind=kind,
        original_type=event_type,
        original_v=v,
        data=cast("dict[str, Any]", values),
    )


def as_read(event: Event, encoded: EncodedEvent) -> Event:
    """Return `event` as a reader of its entry gets it: an `UnknownEvent` for a type of the caller's own."""
    known = isinstance(event, UnknownEvent) or type(event) is MODELS.get(encoded.type)
    return event if known else decode_event(encoded.kind, encoded.type, encoded.v, encoded.data)

"""Events and their envelopes as the flat fields of a stream entry, and back. No I/O.

A reader takes what it knows and passes on what it does not: unknown types and newer versions become
`UnknownEvent`, unknown fields stay in `Recorded.unknown_fields`, and encoding either gives the same entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from streams.errors import InvalidEventError
from streams.events import SCHEMA_VERSION, Event, KnownEvent, Recorded, UnknownEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

Text = str | bytes


def _known_models() -> dict[str, type[Event]]:
    union = get_args(KnownEvent)[0] if get_origin(KnownEvent) is Annotated else KnownEvent
    models = cast("tuple[type[Event], ...]", get_args(union))
    return {cast("str", model.model_fields["type"].default): model for model in models}


MODELS: dict[str, type[Event]] = _known_models()
"""Every known event model by its type."""

_ENVELOPE = frozenset(
    (
        "kind",
        "type",
        "room",
        "session",
        "seq",
        "prev",
        "source",
        "at_ms",
        "occurred_ms",
        "v",
        "token",
        "late",
        "traceparent",
        "entry_id",
        "data",
    )
)
_MAX_DIGITS = 18
_RECORDED_FIELDS = set(Recorded.model_fields)
_set = object.__setattr__


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
        data = event.model_dump_json(exclude={"type"})
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


def encode_entry(recorded: Recorded) -> dict[str, str]:
    """Return the fields of the entry that `recorded` was read from, in the order of the append step.

    The entry id is not among them.

    Raises:
        InvalidEventError: a value in the event has no JSON form.
    """
    encoded = encode_event(recorded.event)
    fields = {
        "kind": recorded.kind,
        "type": recorded.type,
        "room": recorded.room,
        "session": recorded.session,
        "seq": str(recorded.seq),
        "prev": recorded.prev,
        "source": recorded.source,
        "at_ms": str(recorded.at_ms),
        "occurred_ms": str(recorded.occurred_ms),
        "v": str(recorded.v),
    }
    if recorded.token is not None:
        fields["token"] = str(recorded.token)
    if recorded.late:
        fields["late"] = "1"
    if recorded.traceparent is not None:
        fields["traceparent"] = recorded.traceparent
    fields["data"] = encoded.data
    return fields | recorded.unknown_fields


def decode_entry(entry_id: Text, fields: Mapping[Any, Any] | Iterable[Any]) -> Recorded:
    """Return the entry as an event with its envelope.

    `fields` as a client gives them: a mapping or a flat list, of str or bytes. On the stream of all rooms
    the field `entry_id` names the entry in its room's stream, and that becomes the id.

    Raises:
        InvalidEventError: a field is missing or malformed, or the data breaks the schema; with the entry id.
    """
    own_id = _checked(entry_id)
    try:
        return _decode(own_id, _as_dict(fields))
    except InvalidEventError as error:
        raise InvalidEventError(error.reason, entry_id=own_id) from error
    except ValueError as error:  # bytes, or characters standing for bytes, that are no UTF-8
        raise InvalidEventError("a field is no UTF-8 text", entry_id=own_id) from error


def _decode(own_id: str, fields: dict[str, str]) -> Recorded:
    # The names and numbers of an entry of ours are looked at in one go; what is amiss is found one by one.
    try:
        seq, at_ms, occurred_ms, v = fields["seq"], fields["at_ms"], fields["occurred_ms"], fields["v"]
        kind, event_type, room = fields["kind"], fields["type"], fields["room"]
        session, source, data = fields["session"], fields["source"], fields["data"]
    except KeyError:
        return _check_and_decode(own_id, fields)
    digits = f"{seq}{at_ms}{occurred_ms}{v}"
    if (
        not (seq and at_ms and occurred_ms and v and kind and event_type and room and session and source)
        or not (digits.isdecimal() and digits.isascii())
        or len(seq) > _MAX_DIGITS
        or len(at_ms) > _MAX_DIGITS
        or len(occurred_ms) > _MAX_DIGITS
        or len(v) > _MAX_DIGITS
    ):
        return _check_and_decode(own_id, fields)
    version = int(v)
    token = _number(fields, "token") if "token" in fields else None
    unknown: dict[str, str] = {}
    if not fields.keys() <= _ENVELOPE:
        unknown = {name: value for name, value in fields.items() if name not in _ENVELOPE}
    return recorded_of(
        id=fields.get("entry_id", own_id),
        kind=kind,
        type=event_type,
        room=room,
        session=session,
        seq=int(seq),
        prev=fields.get("prev", ""),
        source=source,
        at_ms=int(at_ms),
        occurred_ms=int(occurred_ms),
        v=version,
        token=token,
        late=fields.get("late") == "1",
        traceparent=fields.get("traceparent"),
        unknown_fields=unknown,
        event=decode_event(kind, event_type, version, data),
    )


def recorded_of(**values: Any) -> Recorded:
    """Return a `Recorded` of all its fields, each of which is of its type already: none is looked at.

    To have pydantic check them again would take as long as all the rest of reading an entry.
    """
    recorded = Recorded.__new__(Recorded)
    _set(recorded, "__dict__", values)
    _set(recorded, "__pydantic_fields_set__", _RECORDED_FIELDS)
    _set(recorded, "__pydantic_extra__", None)
    _set(recorded, "__pydantic_private__", None)
    return recorded


def _check_and_decode(own_id: str, fields: dict[str, str]) -> Recorded:
    kind, event_type, v = _required(fields, "kind"), _required(fields, "type"), _number(fields, "v")
    data = fields.get("data")
    if data is None:
        raise InvalidEventError("field data is missing")
    token = _number(fields, "token") if "token" in fields else None
    unknown: dict[str, str] = {}
    if not fields.keys() <= _ENVELOPE:
        unknown = {name: value for name, value in fields.items() if name not in _ENVELOPE}
    return Recorded(
        id=fields.get("entry_id", own_id),
        kind=kind,
        type=event_type,
        room=_required(fields, "room"),
        session=_required(fields, "session"),
        seq=_number(fields, "seq"),
        prev=fields.get("prev", ""),
        source=_required(fields, "source"),
        at_ms=_number(fields, "at_ms"),
        occurred_ms=_number(fields, "occurred_ms"),
        v=v,
        token=token,
        late=fields.get("late") == "1",
        traceparent=fields.get("traceparent"),
        unknown_fields=unknown,
        event=cast("Any", decode_event(kind, event_type, v, data)),
    )


def _required(fields: dict[str, str], name: str) -> str:
    value = fields.get(name)
    if not value:
        raise InvalidEventError(f"field {name} is missing")
    return value


def _number(fields: dict[str, str], name: str) -> int:
    value = _required(fields, name)
    if not (value.isascii() and value.isdecimal() and len(value) <= _MAX_DIGITS):
        raise InvalidEventError(f"field {name} is no whole number")
    return int(value)


def text(value: object) -> str:
    """Return what a client replied as text, whether it decodes or not."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _checked(value: object) -> str:
    checked = text(value)
    if not checked.isascii():
        checked.encode()  # raises for what a client's surrogateescape made of bytes that are no UTF-8
    return checked


def _as_dict(fields: Mapping[Any, Any] | Iterable[Any]) -> dict[str, str]:
    if isinstance(fields, dict):  # what a client replies, as text: looked at in one go
        entry = cast("dict[Any, Any]", fields)
        try:
            whole = "".join([*entry, *entry.values()])
        except TypeError:
            pass
        else:
            if not whole.isascii():
                whole.encode()
            return entry
    if isinstance(fields, Mapping):
        mapping = cast("Mapping[Any, Any]", fields)
        return {_checked(name): _checked(value) for name, value in mapping.items()}
    flat = [_checked(part) for part in fields]
    if len(flat) % 2:
        raise InvalidEventError("a field has no value")
    return dict(zip(flat[::2], flat[1::2], strict=True))

"""Events and their envelopes as the flat fields of a stream entry, and back. No I/O.

A reader takes what it knows and passes on what it does not: unknown types and newer versions become
`UnknownEvent`, unknown fields stay in `Recorded.unknown_fields`, and encoding either gives the same entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from streams.errors import InvalidEventError
from streams.event_codec import MODELS, EncodedEvent, Text, as_read, decode_event, encode_event
from streams.events import SCHEMA_VERSION, Recorded

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = (
    "MODELS",
    "EncodedEvent",
    "as_read",
    "decode_entry",
    "decode_event",
    "decode_listed",
    "encode_entry",
    "encode_event",
    "recorded_of",
    "text",
)

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
_IN_ORDER = ["kind", "type", "room", "session", "seq", "prev", "source", "at_ms", "occurred_ms", "v", "data"]
_IN_ORDER_WITH_TOKEN = [*_IN_ORDER[:-1], "token", "data"]
_VALIDATORS = {
    (model.kind, name, str(SCHEMA_VERSION)): model.__pydantic_validator__.validate_json
    for name, model in MODELS.items()
}
_MAX_DIGITS = 18
_RECORDED_FIELDS = set(Recorded.model_fields)
_set = object.__setattr__


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
        if isinstance(fields, list) and (recorded := decode_listed(own_id, fields)) is not None:
            return recorded
        return _decode(own_id, _as_dict(fields))
    except InvalidEventError as error:
        raise InvalidEventError(error.reason, entry_id=own_id) from error
    except ValueError as error:  # bytes, or characters standing for bytes, that are no UTF-8
        raise InvalidEventError("a field is no UTF-8 text", entry_id=own_id) from error


def decode_listed(own_id: str, flat: list[Any]) -> Recorded | None:
    """Return the entry if it is plainly one of ours, of a known type; None where that takes a closer look.

    That is: its fields are text, those that the append step writes for most events, in that order. A reader
    gets such nearly always, so what `decode_entry` checks field by field is checked in one go.
    """
    names, values = flat[::2], flat[1::2]
    if names == _IN_ORDER:
        kind, event_type, room, session, seq, prev, source, at_ms, occurred_ms, v, data = values
        token = None
    elif names == _IN_ORDER_WITH_TOKEN:
        kind, event_type, room, session, seq, prev, source, at_ms, occurred_ms, v, token, data = values
    else:
        return None
    validate = _VALIDATORS.get((kind, event_type, v))
    digits = f"{seq}{at_ms}{occurred_ms}{token or ''}"
    if (
        validate is None
        or not (room and session and source and seq and at_ms and occurred_ms and token != "")
        or not (digits.isdecimal() and digits.isascii())
        or len(seq) > _MAX_DIGITS
        or len(at_ms) > _MAX_DIGITS
        or len(occurred_ms) > _MAX_DIGITS
        or (token is not None and len(token) > _MAX_DIGITS)
    ):
        return None
    try:
        whole = "".join(values)
        if not whole.isascii():
            whole.encode()
        event = validate(data)
    except (TypeError, ValueError):
        return None
    return recorded_of(
        {
            "id": own_id,
            "kind": kind,
            "type": event_type,
            "room": room,
            "session": session,
            "seq": int(seq),
            "prev": prev,
            "source": source,
            "at_ms": int(at_ms),
            "occurred_ms": int(occurred_ms),
            "v": SCHEMA_VERSION,
            "token": None if token is None else int(token),
            "late": False,
            "traceparent": None,
            "unknown_fields": {},
            "event": event,
        }
    )


def _well_formed(names: tuple[str, ...], numbers: tuple[str, ...]) -> bool:
    """Whether the names and numbers of an entry are such: looked at in one go."""
    digits = "".join(numbers)
    fit = all(names) and all(numbers) and max(map(len, numbers)) <= _MAX_DIGITS
    return fit and digits.isdecimal() and digits.isascii()


def _decode(own_id: str, fields: dict[str, str]) -> Recorded:
    # What is amiss is found one by one.
    try:
        seq, at_ms, occurred_ms, v = fields["seq"], fields["at_ms"], fields["occurred_ms"], fields["v"]
        kind, event_type, room = fields["kind"], fields["type"], fields["room"]
        session, source, data = fields["session"], fields["source"], fields["data"]
    except KeyError:
        return _check_and_decode(own_id, fields)
    if not _well_formed((kind, event_type, room, session, source), (seq, at_ms, occurred_ms, v)):
        return _check_and_decode(own_id, fields)
    version = int(v)
    token = _number(fields, "token") if "token" in fields else None
    unknown: dict[str, str] = {}
    if not fields.keys() <= _ENVELOPE:
        unknown = {name: value for name, value in fields.items() if name not in _ENVELOPE}
    return recorded_of(
        {
            "id": fields.get("entry_id", own_id),
            "kind": kind,
            "type": event_type,
            "room": room,
            "session": session,
            "seq": int(seq),
            "prev": fields.get("prev", ""),
            "source": source,
            "at_ms": int(at_ms),
            "occurred_ms": int(occurred_ms),
            "v": version,
            "token": token,
            "late": fields.get("late") == "1",
            "traceparent": fields.get("traceparent"),
            "unknown_fields": unknown,
            "event": decode_event(kind, event_type, version, data),
        }
    )


def recorded_of(values: dict[str, Any]) -> Recorded:
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
    if not isinstance(fields, Mapping):
        flat = list(fields)
        if len(flat) % 2:
            raise InvalidEventError("a field has no value")
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
    if isinstance(fields, dict):  # as text it is looked at in one go
        entry = cast("dict[Any, Any]", fields)
        try:
            whole = "".join([*entry, *entry.values()])
        except TypeError:
            pass
        else:
            if not whole.isascii():
                whole.encode()
            return entry
    mapping = cast("Mapping[Any, Any]", fields)
    return {_checked(name): _checked(value) for name, value in mapping.items()}

"""JSON Schema of every event and an AsyncAPI 3 document, from the models themselves. Pure.

What is described is the entry as any client of Redis sees it: flat fields of text, of which `data` is the
event as JSON. Fields that a schema does not name are allowed everywhere: within a version only new ones come.
"""

from __future__ import annotations

import inspect
from typing import Any, cast

from pydantic.json_schema import models_json_schema

from streams import keys
from streams.codec import MODELS
from streams.event_examples import EXAMPLES
from streams.event_notes import note_of
from streams.events import SCHEMA_VERSION, Event

__all__ = (
    "ENVELOPE",
    "asyncapi",
    "breaking_changes",
    "entry_schema",
    "event_schema",
    "line_schema",
    "meaning",
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_COMPONENTS = "#/components/schemas/{model}"
_WHOLE = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_NAME = {"type": "string", "minLength": 1, "maxLength": 128}
_ENTRY_ID = {"type": "string", "pattern": "^[0-9]+-[0-9]+$"}

ENVELOPE: dict[str, tuple[bool, dict[str, Any], str]] = {
    "kind": (True, {"type": "string"}, "Group of types: SYSTEM_SIGNAL, TRANSCRIPT, UTTERANCE or USAGE."),
    "type": (True, {"type": "string"}, "What happened; the meaning of `data` follows from it."),
    "room": (True, _NAME, "The room."),
    "session": (True, _NAME, "A new one each time the room opens."),
    "seq": (True, _WHOLE, "Counts the entries of the session from 1, without a gap."),
    "prev": (True, {"type": "string"}, "Id of the session's entry before this one; empty for the first."),
    "source": (True, _NAME, "Who reports it: a participant, or a process."),
    "at_ms": (True, _WHOLE, "Redis's time of writing, ms since 1970."),
    "occurred_ms": (
        True,
        _WHOLE,
        "When it happened, on Redis's clock, as the source estimates it.",
    ),
    "v": (True, _WHOLE, f"Version of the schema; {SCHEMA_VERSION} at present."),
    "token": (False, _WHOLE, "Fencing token of the grant that it belongs to."),
    "late": (False, {"const": "1"}, "There where the token was no longer the current one."),
    "traceparent": (False, {"type": "string"}, "W3C Trace Context of what led to it."),
    "entry_id": (
        False,
        _ENTRY_ID,
        f"On the stream `{keys.ALL_ROOMS_STREAM}` only: the id in the room's own stream.",
    ),
    "data": (True, {"type": "string"}, "The event as a JSON object."),
}
"""Field of an entry to (always there, schema of its text, meaning)."""

_NUMBERS = ("seq", "at_ms", "occurred_ms", "v", "token")


def meaning(event_type: str) -> str:
    """Return what an event of this type says."""
    return inspect.cleandoc(MODELS[event_type].__doc__ or "").replace("\n", " ")


def event_schema(event_type: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of an event's `data`, complete in itself."""
    model = MODELS[event_type]
    schema = _described(model.model_json_schema())
    head = {
        "$schema": DIALECT,
        "title": event_type,
        "description": meaning(event_type),
        "x-kind": model.kind,
        "x-version": SCHEMA_VERSION,
    }
    return head | {name: part for name, part in schema.items() if name not in head}


def entry_schema() -> dict[str, Any]:
    """Return the JSON Schema of an entry's fields as Redis keeps them: all of them text."""
    return {
        "$schema": DIALECT,
        "title": "Entry",
        "description": "The fields of one entry of a room's stream.",
        **_fields(ENVELOPE),
    }


def line_schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of `swarm tail --json`: whole numbers as such, `data` as an object.

    A type that it does not know is allowed, and so is a newer version.
    """
    typed: dict[str, dict[str, Any]] = {name: dict(schema) for name, (_, schema, _) in ENVELOPE.items()}
    typed |= {name: {"type": "integer", "minimum": 0} for name in _NUMBERS}
    typed |= {"id": _ENTRY_ID, "late": {"const": True}, "data": {"type": "object"}}
    del typed["entry_id"]
    known = [
        {
            "if": {"properties": {"type": {"const": name}, "v": {"maximum": SCHEMA_VERSION}}},
            "then": {
                "properties": {"kind": {"const": model.kind}, "data": {"$ref": f"{name}.json"}},
            },
        }
        for name, model in MODELS.items()
    ]
    return {
        "$schema": DIALECT,
        "title": "Line",
        "description": "One event with its envelope, as a line of JSON.",
        "type": "object",
        "properties": typed,
        "required": ["id", *(name for name, (always, _, _) in ENVELOPE.items() if always)],
        "additionalProperties": True,
        "allOf": known,
    }


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3 document: the streams, and a message for each event.

    A message's headers are the entry's fields, its payload is `data`.
    """
    models = [(model, "validation") for model in MODELS.values()]
    _, found = models_json_schema(cast("Any", models), ref_template=_COMPONENTS)
    schemas: dict[str, Any] = {name: _described(part) for name, part in found["$defs"].items()}
    headers = {name: about for name, about in ENVELOPE.items() if name != "data"}
    schemas["Envelope"] = _fields(headers)
    messages = {name: _message(name, model) for name, model in MODELS.items()}

    of_channel = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "conversation_stream",
            "version": f"{SCHEMA_VERSION}.0.0",
            "description": (
                "Everything that happens in the rooms of a swarm, as entries of Redis Streams. "
                "One entry is one message: the payload is its field `data`, the headers are its other fields."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"redis": {"host": "localhost:6379", "pathname": "/0", "protocol": "redis"}},
        "channels": {
            "room": {
                "address": keys.stream("ROOM").replace("{ROOM}", "{roomInBraces}"),
                "title": "The record of one room",
                "description": f"A Redis Stream: `{keys.stream('lobby')}` for the room `lobby`.",
                "parameters": {
                    "roomInBraces": {
                        "description": "The room's name in braces, the hash tag of a Redis Cluster.",
                        "examples": ["{lobby}"],
                    }
                },
                "messages": of_channel,
            },
            "allRooms": {
                "address": keys.ALL_ROOMS_STREAM,
                "title": "The records of all rooms",
                "description": (
                    "A Redis Stream, written at least once and in order within a room; the field `entry_id` "
                    "is the entry's id in its room's own stream."
                ),
                "messages": of_channel,
            },
        },
        "operations": {
            "readRoom": {
                "action": "receive",
                "channel": {"$ref": "#/channels/room"},
                "summary": "XREAD or XREADGROUP the record of one room.",
            },
            "readAllRooms": {
                "action": "receive",
                "channel": {"$ref": "#/channels/allRooms"},
                "summary": "XREAD or XREADGROUP the records of all rooms.",
            },
        },
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def breaking_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return what a reader that knows `old` would stumble over in `new`: both are schemas of `data`.

    Only new fields that may be missing are none.
    """
    found: list[str] = []
    was, now = old.get("properties", {}), new.get("properties", {})
    for name, schema in was.items():
        if name not in now:
            found.append(f"{name} has gone")
        elif not _types(old, schema) <= _types(new, now[name]):
            found.append(f"{name} takes less than it did")
        elif not _types(new, now[name]) <= _types(old, schema):
            found.append(f"{name} may be what it never was")
    for name in new.get("required", []):
        if name not in old.get("required", []):
            found.append(f"{name} is required now")
    for name in old.get("required", []):
        if name not in new.get("required", []) and name in now:
            found.append(f"{name} may be missing now")
    return found


def _message(event_type: str, model: type[Event]) -> dict[str, Any]:
    example = EXAMPLES[event_type]
    return {
        "name": event_type,
        "title": event_type.replace("_", " ").capitalize(),
        "summary": meaning(event_type),
        "contentType": "application/json",
        "tags": [{"name": model.kind}],
        "headers": {
            "allOf": [
                {"$ref": "#/components/schemas/Envelope"},
                {"properties": {"kind": {"const": model.kind}, "type": {"const": event_type}}},
            ]
        },
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": [{"name": event_type, "payload": example.model_dump(mode="json", exclude={"type"})}],
    }


def _fields(envelope: dict[str, tuple[bool, dict[str, Any], str]]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            name: {**schema, "description": about} for name, (_, schema, about) in envelope.items()
        },
        "required": [name for name, (always, _, _) in envelope.items() if always],
        "additionalProperties": {"type": "string"},
    }


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema without `type`, which is no part of `data`, and with what the model says."""
    schema = {name: part for name, part in schema.items() if name != "$defs"} | {
        name: {model: _described(part) for model, part in definitions.items()}
        for name, definitions in schema.items()
        if name == "$defs"
    }
    model = str(schema.get("title"))
    properties: dict[str, Any] = {}
    for name, part in schema.get("properties", {}).items():
        if name != "type":
            properties[name] = {key: value for key, value in part.items() if key != "title"}
            if note := note_of(model, name):
                properties[name]["description"] = note
    return schema | {"properties": properties} if "properties" in schema else schema


def _types(root: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """Return what a value may be, as words that can be compared."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _types(root, root["$defs"][name])
    if "anyOf" in schema:
        return {word for part in schema["anyOf"] for word in _types(root, part)}
    if "enum" in schema:
        return {f"={value}" for value in schema["enum"]}
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return {f"array of {word}" for word in _types(root, schema.get("items", {}))}
    bounds = "".join(f" {name} {schema[name]}" for name in ("minimum", "maximum") if name in schema)
    return {kind + bounds}

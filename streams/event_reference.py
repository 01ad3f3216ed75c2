"""The reference of all events, as a document. Pure."""

from __future__ import annotations

import json
from typing import Any

from streams import keys
from streams.codec import MODELS
from streams.event_examples import EXAMPLES
from streams.event_schema import ENVELOPE, event_schema, meaning
from streams.events import SCHEMA_VERSION

__all__ = ("reference",)

_HEAD = f"""\
<!-- Written by `uv run python -m streams.schema`; change `streams/events.py` instead. -->
# Events

Every change and every word of a room is one entry of the Redis Stream `{keys.stream("ROOM")}`; the
stream `{keys.ALL_ROOMS_STREAM}` carries those of all rooms. An entry is a flat list of text fields; `data` is
the event as a JSON object. The same as JSON Schema (2020-12): a file for each type in [schema](schema),
[entry.json](schema/entry.json) for the fields of an entry, [line.json](schema/line.json) for a line of
`swarm tail --json`. And as AsyncAPI 3: [asyncapi.json](asyncapi.json).

## Versions

The version is `v`, {SCHEMA_VERSION} at present.
- Within a version changes only add: a new type, a new field of `data` that may be missing, a new field of
  the entry. Nothing goes, no field changes its meaning or its type, and what is always there stays so.
- A reader takes what it knows and passes over the rest: fields it does not know, types it does not know,
  and entries with a `v` above its own. This project's reader gives those out as `UnknownEvent`, with
  everything in them, and never fails on them.
- What cannot be said by adding is a new version. The envelope (all fields but `data`) keeps its meaning in
  every version, so order, gaps and filters by `kind`, `type`, `room` and `source` work on what is to come.

## Read it from any language

`XREAD STREAMS {keys.stream("lobby")} 0` reads a room from its beginning, `XREADGROUP` shares it among the
members of a consumer group. Whole subscribers to start from, all of them tested:
- `examples/subscribers/plain_redis.py`: redis-py and nothing else; it notices gaps by `seq`.
- `examples/subscribers/with_faststream.py`: FastStream takes the field `data` for the message, so that its
  handler gets the event; the other fields are in the raw message. A new FastStream group begins with what is
  still to come: create it with id 0 for what is kept.
- `tests/node/reader.mjs`: Node, alone or in a group.

An entry may come more than once on `{keys.ALL_ROOMS_STREAM}`: `room`, `session` and `seq` tell which it is.
A number that is not finite is written as one of the texts `NaN`, `Infinity`, `-Infinity`.
"""


def reference() -> str:
    """Return the document: the fields of an entry, then each type with meaning, fields and an example."""
    parts = [_HEAD, "\n## Fields of an entry\n\n| field | there | meaning |\n|---|---|---|\n"]
    for name, (always, _, about) in ENVELOPE.items():
        parts.append(f"| `{name}` | {'always' if always else 'sometimes'} | {about} |\n")
    kinds = dict.fromkeys(model.kind for model in MODELS.values())
    parts.append("\n## Types\n\n")
    for kind in kinds:
        types = [name for name, model in MODELS.items() if model.kind == kind]
        linked = ", ".join(f"[{name}](#{name.lower()})" for name in types)
        parts.append(f"- {kind}: {linked}\n")
    parts += [
        _section(event_type) for kind in kinds for event_type in MODELS if MODELS[event_type].kind == kind
    ]
    return "".join(parts)


def _section(event_type: str) -> str:
    schema = event_schema(event_type)
    properties: dict[str, Any] = schema.get("properties", {})
    lines = [f"\n### {event_type}\n", f"{meaning(event_type)} Kind `{MODELS[event_type].kind}`.\n"]
    if properties:
        lines += ["| field of `data` | type | default | meaning |", "|---|---|---|---|"]
        for name, part in properties.items():
            default = "" if name in schema.get("required", []) else f"`{_default(schema, part)}`"
            row = (f"`{name}`", _type_words(schema, part), default, part.get("description", ""))
            lines.append("| " + " | ".join(row) + " |")
        lines.append("")
    example = EXAMPLES[event_type].model_dump(mode="json", exclude={"type"})
    lines += ["```json", json.dumps(example, indent=2, ensure_ascii=False), "```", ""]
    return "\n".join(lines)


def _default(schema: dict[str, Any], part: dict[str, Any]) -> str:
    if "$ref" in part:
        return "{}"
    return json.dumps(part.get("default", [] if part.get("type") == "array" else None))


def _type_words(schema: dict[str, Any], part: dict[str, Any]) -> str:
    if "$ref" in part:
        target: dict[str, Any] = schema["$defs"][part["$ref"].rpartition("/")[2]]
        if "enum" in target:
            return " or ".join(f"`{value}`" for value in target["enum"])
        return "object: " + ", ".join(f"`{name}`" for name in target["properties"])
    if "anyOf" in part:
        return " or ".join(_type_words(schema, each) for each in part["anyOf"])
    words = str(part.get("type", "any"))
    if words == "array":
        return f"list of {_type_words(schema, part['items'])}"
    if "minimum" in part:
        words += (
            f" {part['minimum']:g} to {part['maximum']:g}"
            if "maximum" in part
            else f" from {part['minimum']:g}"
        )
    return words

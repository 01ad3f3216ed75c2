"""The schemas and the reference say what the models say, and what the record holds keeps to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from hypothesis import given
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from streams import schema
from streams.codec import MODELS, decode_entry, decode_event, encode_entry, encode_event
from streams.event_examples import EXAMPLES
from streams.event_notes import BY_NAME
from streams.event_schema import asyncapi, entry_schema, event_schema, line_schema
from streams.events import Event, Latency, UnknownEvent
from swarm import tail_lines
from tests.streams.strategies import recorded_entries

if TYPE_CHECKING:
    from streams.events import Recorded

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = {name: event_schema(name) for name in MODELS}
REGISTRY = Registry().with_resources(
    (f"{name}.json", Resource.from_contents(each)) for name, each in SCHEMAS.items()
)
OF_EVENT = {name: Draft202012Validator(each) for name, each in SCHEMAS.items()}
OF_ENTRY = Draft202012Validator(entry_schema())
OF_LINE = Draft202012Validator(line_schema(), registry=REGISTRY)


def test_the_documents_are_what_the_models_say() -> None:
    assert schema.stale(DOCS) == [], "run: uv run python -m streams.schema"


def test_what_is_stale_is_named_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert schema.main(["--folder", str(tmp_path)]) == 0
    assert schema.stale(tmp_path) == []
    (tmp_path / "schema" / "BID.json").write_text("{}")
    (tmp_path / "schema" / "GONE.json").write_text("{}")
    (tmp_path / "events.md").unlink()
    capsys.readouterr()
    assert schema.main(["--check", "--folder", str(tmp_path)]) == 1
    assert {line.rpartition("/")[2] for line in capsys.readouterr().out.splitlines()} == {
        "BID.json",
        "GONE.json",
        "events.md",
    }
    assert schema.main(["--folder", str(tmp_path)]) == 0
    assert schema.main(["--check", "--folder", str(tmp_path)]) == 0
    assert not (tmp_path / "schema" / "GONE.json").exists()


@pytest.mark.parametrize("event_type", sorted(MODELS))
def test_every_event_has_an_example_that_its_model_and_its_schema_take(event_type: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[event_type])
    example = EXAMPLES[event_type]
    assert type(example) is MODELS[event_type]
    encoded = encode_event(example)
    assert decode_event(encoded.kind, event_type, encoded.v, encoded.data) == example
    OF_EVENT[event_type].validate(json.loads(encoded.data))
    assert json.dumps(json.loads(encoded.data), indent=2) in (DOCS / "events.md").read_text()


def test_every_field_is_explained_and_no_explanation_is_left_over() -> None:
    fields = {name for model in (*MODELS.values(), Latency) for name in model.model_fields} - {"type"}
    assert set(BY_NAME) <= fields
    for event_type, each in SCHEMAS.items():
        for name, part in each.get("properties", {}).items():
            assert part.get("description"), f"{event_type}.{name}"


@given(recorded_entries())
def test_whatever_is_written_keeps_to_the_schemas(recorded: Recorded) -> None:
    fields = encode_entry(recorded)
    OF_ENTRY.validate(fields)
    if not isinstance(recorded.event, UnknownEvent):
        OF_EVENT[recorded.type].validate(json.loads(fields["data"]))
    line = json.loads(tail_lines.document(recorded))
    OF_LINE.validate(line)


@pytest.mark.parametrize("event_type", sorted(MODELS))
def test_the_schema_refuses_what_the_model_refuses(event_type: str) -> None:
    data = json.loads(encode_event(EXAMPLES[event_type]).data)
    for name in SCHEMAS[event_type].get("required", []):
        assert not OF_EVENT[event_type].is_valid({key: data[key] for key in data if key != name})
    for name in SCHEMAS[event_type].get("properties", {}):
        assert not OF_EVENT[event_type].is_valid(data | {name: {"no": "such"}}) or name in FREE
    assert OF_EVENT[event_type].is_valid(data | {"came_later": 1})


FREE = {"settings", "latency"}
"""Fields that are objects, and take names that nobody knows yet."""


def test_the_asyncapi_document_is_one_by_the_model_of_a_library_that_reads_them() -> None:
    document = asyncapi()
    ApplicationSchema.model_validate(document)
    assert set(document["components"]["messages"]) == set(MODELS)
    for channel in document["channels"].values():
        assert set(channel["messages"]) == set(MODELS)
    for reference in references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [each for part in node.values() for each in references(part)]
    return [each for part in node for each in references(part)] if isinstance(node, list) else []


def test_a_message_of_the_asyncapi_document_is_an_entry() -> None:
    document = asyncapi()
    envelope = Draft202012Validator(document["components"]["schemas"]["Envelope"])
    fields = {
        "kind": "USAGE",
        "type": "USAGE",
        "room": "lobby",
        "session": "s",
        "seq": "1",
        "prev": "",
        "source": "host",
        "at_ms": "1",
        "occurred_ms": "1",
        "v": "1",
        "data": '{"participant": "host"}',
    }
    assert isinstance(decode_entry("1-0", fields).event, Event)
    envelope.validate({name: text for name, text in fields.items() if name != "data"})
    assert not envelope.is_valid({"kind": "USAGE"})
    assert not envelope.is_valid(fields | {"seq": "one"})

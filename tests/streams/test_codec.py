from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import events
from streams.codec import MODELS, decode_entry, decode_event, encode_entry, encode_event
from streams.errors import InvalidEventError
from streams.events import Event, Recorded, UnknownEvent
from tests.streams.strategies import TEXT, WHOLE, recorded_entries


@given(recorded_entries())
def test_an_entry_reads_back_as_it_was_written(recorded: Recorded) -> None:
    fields = encode_entry(recorded)
    assert decode_entry(recorded.id, fields) == recorded
    assert encode_entry(decode_entry(recorded.id, fields)) == fields


@given(recorded_entries())
def test_bytes_and_flat_lists_read_as_text_and_mappings_do(recorded: Recorded) -> None:
    fields = encode_entry(recorded)
    in_bytes = {name.encode(): value.encode() for name, value in fields.items()}
    assert decode_entry(recorded.id.encode(), in_bytes) == recorded
    assert decode_entry(recorded.id, [part for pair in in_bytes.items() for part in pair]) == recorded


@given(
    st.dictionaries(
        st.sampled_from(["kind", "type", "room", "session", "seq", "source", "at_ms", "occurred_ms", "v"])
        | TEXT,
        st.text() | st.binary() | WHOLE.map(str),
    ),
    st.text() | st.binary(),
)
def test_whatever_an_entry_holds_it_is_read_or_refused(fields: dict[str, Any], data: str | bytes) -> None:
    whole = {"kind": "K", "type": "T", "room": "r", "session": "s", "seq": "1", "source": "a", "v": "1"}
    whole |= {"at_ms": "1", "occurred_ms": "1", "data": data}
    for broken in (fields, whole, whole | fields, whole | {"type": "BID", "kind": "SYSTEM_SIGNAL"}):
        refusal = refused("7-1", broken)
        if refusal is not None:
            assert refusal.entry_id == "7-1"
        flat = [part for pair in broken.items() for part in pair]
        assert str(refused("7-1", flat)) == str(refusal)


@given(
    st.sampled_from(
        ["seq", "at_ms", "occurred_ms", "v", "token", "kind", "room", "session", "source", "data"]
    ),
    st.sampled_from(["", "-1", "1.5", " 1", "1_0", "²", "9" * 19, "\udcff", "é"]) | TEXT,
    st.booleans(),
)
def test_a_flat_list_of_ours_reads_as_its_mapping_does(name: str, value: str, fenced: bool) -> None:
    data = ENTRY["data"]
    envelope = {each: text for each, text in ENTRY.items() if each != "data"}
    fields = envelope | ({"token": "7"} if fenced else {}) | {"data": data}
    if name in fields:
        fields[name] = value
    flat = [part for pair in fields.items() for part in pair]
    assert str(refused("7-1", flat)) == str(refused("7-1", fields))
    if refused("7-1", fields) is None:
        assert decode_entry("7-1", flat) == decode_entry("7-1", fields)


def refused(entry_id: str, fields: Any) -> InvalidEventError | None:
    try:
        decode_entry(entry_id, fields)
    except InvalidEventError as error:
        return error
    return None


ENTRY = {
    "kind": "SYSTEM_SIGNAL",
    "type": "BID",
    "room": "r",
    "session": "s",
    "seq": "3",
    "prev": "1-0",
    "source": "a",
    "at_ms": "5",
    "occurred_ms": "4",
    "v": "1",
    "data": '{"participant":"a","score":0.5,"reason":"knows it"}',
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": None}, "field data is missing"),
        ({"room": None}, "field room is missing"),
        ({"seq": "three"}, "field seq is no whole number"),
        ({"seq": "-1"}, "field seq is no whole number"),
        ({"seq": "1" * 5000}, "field seq is no whole number"),
        ({"at_ms": "1e3"}, "field at_ms is no whole number"),
        ({"token": "x"}, "field token is no whole number"),
        ({"data": "[1]"}, "BID: data"),
        ({"data": "{"}, "BID: data"),
        ({"data": "{}"}, "BID: participant"),
        ({"data": '{"participant":"a","score":11,"reason":""}'}, "BID: score"),
        ({"type": "NOVELTY", "data": "[1]"}, "NOVELTY: data is no JSON object"),
        ({"type": "NOVELTY", "data": "nonsense"}, "NOVELTY: data is no JSON"),
        ({"type": "NOVELTY", "data": "[" * 5000}, "NOVELTY: data is no JSON"),
        ({"source": b"\xff"}, "no UTF-8"),
        ({"source": "\udcff"}, "no UTF-8"),
    ],
)
def test_a_broken_entry_is_named_with_its_id_and_fault(change: dict[str, Any], reason: str) -> None:
    fields = {name: value for name, value in (ENTRY | change).items() if value is not None}
    with pytest.raises(InvalidEventError, match="entry 9-9") as caught:
        decode_entry("9-9", fields)
    assert reason in caught.value.reason


def test_what_somebody_said_is_not_in_the_error() -> None:
    secret = ENTRY | {"data": '{"participant":"a","score":"my password is hunter2","reason":""}'}
    with pytest.raises(InvalidEventError) as caught:
        decode_entry("9-9", secret)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [{"type": "NOVELTY"}, {"v": "2"}, {"kind": "NEW_KIND"}],
    ids=["unknown type", "newer version", "unknown kind"],
)
def test_what_a_reader_does_not_know_passes_through_untouched(change: dict[str, str]) -> None:
    data = '{"deep":{"list":[1,2.5,null,{"x":"\u00e4"}]},"big":123456789012345678901234567890}'
    fields = ENTRY | change | {"data": data, "new_field": "kept"}
    recorded = decode_entry("9-9", fields)
    assert isinstance(recorded.event, UnknownEvent)
    assert recorded.type == fields["type"]
    assert recorded.kind == fields["kind"]
    assert encode_entry(recorded) == fields


def test_fields_that_a_newer_producer_added_to_an_event_stay() -> None:
    fields = ENTRY | {"data": '{"participant":"a","score":0.5,"reason":"r","turn_id":"","mood":"glad"}'}
    recorded = decode_entry("9-9", fields)
    assert isinstance(recorded.event, events.Bid)
    assert json.loads(encode_entry(recorded)["data"])["mood"] == "glad"


def test_a_copy_on_the_stream_of_all_rooms_has_the_original_id() -> None:
    assert decode_entry("9-9", ENTRY | {"entry_id": "2-0"}).id == "2-0"


def test_every_type_of_the_design_is_known() -> None:
    signals = {
        "INTERRUPTION",
        "FALSE_INTERRUPTION",
        "BACKCHANNEL",
        "FLOOR_REQUESTED",
        "FLOOR_QUEUED",
        "FLOOR_GRANTED",
        "FLOOR_DENIED",
        "FLOOR_RELEASED",
        "FLOOR_REVOKED",
        "FLOOR_EXPIRED",
        "FLOOR_WITHDRAWN",
        "FLOOR_OPENED",
        "FLOOR_CLOSED",
        "FLOOR_TAKEN",
        "FLOOR_REVOKING",
        "FLOOR_LENT",
        "BID",
        "SPEECH_STARTED",
        "SPEECH_ENDED",
        "STATE_CHANGED",
        "SETTINGS_CHANGED",
        "ROOM_OPENED",
        "ROOM_CLOSED",
        "PARTICIPANT_JOINED",
        "PARTICIPANT_LEFT",
        "PARTICIPANT_MUTED",
        "AGENT_FAILED",
        "RETENTION_TRIMMED",
        "RECORD_GAP",
        "WORDS_FORGOTTEN",
    }
    assert {name for name, model in MODELS.items() if model.kind == "SYSTEM_SIGNAL"} == signals
    assert {model.kind for model in MODELS.values()} == {
        "SYSTEM_SIGNAL",
        "TRANSCRIPT",
        "UTTERANCE",
        "USAGE",
    }


def test_an_event_without_a_json_form_is_refused() -> None:
    with pytest.raises(InvalidEventError):
        encode_event(events.SettingsChanged(by="chair", settings={"x": object()}))
    with pytest.raises(InvalidEventError):
        encode_event(events.RoomClosed.model_construct(reason="\ud800"))
    with pytest.raises(InvalidEventError, match="declares no type"):
        encode_event(Event())


def test_infinite_numbers_survive() -> None:
    usage = events.Usage(participant="a", audio_in_s=math.inf)
    encoded = encode_event(usage)
    assert decode_event(encoded.kind, encoded.type, encoded.v, encoded.data) == usage
    strange = UnknownEvent(original_kind="K", original_type="T", data={"x": math.inf})
    encoded = encode_event(strange)
    assert decode_event(encoded.kind, encoded.type, encoded.v, encoded.data) == strange

"""Whatever lies in a stream: no crash, no silent drop, and nothing that a database refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams import events
from swarm.archive import Batch, Selection, open_archive
from tests.archive.record import T0_MS, entry

if TYPE_CHECKING:
    from pathlib import Path

GOOD = entry(1, events.Transcript(participant="ann", speech_id="s", text="x", final=True))[1]
_NASTY = st.one_of(
    st.text(max_size=12),
    st.binary(max_size=6).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.sampled_from(["", "-1", "9" * 18, "9" * 19, "\0", "{}", "[]", "null", '{"text":1}', '{"a":NaN}']),
    st.sampled_from(['{"participant":[],"text":{"a":1},"final":3}', '{"text":"\\u0000\\ud83d"}', "1e5", "٣"]),
)
BROKEN = st.dictionaries(st.sampled_from(sorted(GOOD)), _NASTY, max_size=4).map(lambda change: GOOD | change)
UNKNOWN = st.dictionaries(_NASTY, _NASTY, max_size=3).map(lambda more: GOOD | {"type": "NOVELTY"} | more)
BYTES = BROKEN.map(
    lambda fields: {name.encode(): value.encode("utf-8", "surrogateescape") for name, value in fields.items()}
)
ENTRIES = st.lists(st.one_of(BROKEN, UNKNOWN, BYTES), min_size=1, max_size=25)


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES)
async def test_every_entry_becomes_one_row(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, entries: list[Any]
) -> None:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    where = request.getfixturevalue("postgres_url") if kind == "postgres" else folder / "archive.duckdb"
    async with open_archive(where) as archive:
        begun = int((await archive.positions()).get("lobby", f"{T0_MS}-0").partition("-")[0])
        taken = Batch()
        taken.take("lobby", [(f"{begun + at}-0", fields) for at, fields in enumerate(entries, 1)])
        assert len(taken) == len(entries)
        assert await archive.write(taken) == len(entries)
        path = folder / "some.parquet"
        last_ms = begun + len(entries)
        assert await archive.export(Selection(), begun, last_ms, path, "parquet") == len(taken.events)
        await archive.forget("ann")

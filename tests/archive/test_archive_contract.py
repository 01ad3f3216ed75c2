"""What every archive promises, whatever the database."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from streams import events
from swarm.archive import Archive, Selection, SeqGap, open_archive
from tests.archive.record import T0_MS, batch, entry, rows

if TYPE_CHECKING:
    from pathlib import Path


def said(text: str, who: str = "ann", **more: Any) -> events.Transcript:
    return events.Transcript(participant=who, speech_id="s", text=text, final=True, **more)


def cut(words: str, heard: str, unheard: str) -> events.Interruption:
    return events.Interruption(
        interrupted="bot",
        interruptor="ann",
        interruptor_kind=events.ParticipantKind.PERSON,
        utterance_id="u1",
        heard_text=heard,
        unheard_text=unheard,
        heard_ms=1200.5,
        generated_ms=4000,
        reason="words",
        words=words,
    )


async def test_an_event_comes_back_as_it_was_written(archive: Archive, tmp_path: Path) -> None:
    nasty = "naïve \"quoted\" \\ back\nline\ttab 😀 'single' $who %s {x}"
    more = {"token": "18", "late": "1", "traceparent": "00-ab-cd-01", "novelty": "kept"}
    written = batch(entry(1, events.RoomOpened()), entry(2, said(nasty, confidence=0.5), **more))
    assert await archive.write(written) == 2
    opened, row = await rows(archive, tmp_path)
    assert opened["type"] == "ROOM_OPENED"
    assert opened["data"] == {}
    envelope = ("room", "session", "seq", "kind", "type", "participant")
    assert tuple(row[name] for name in envelope) == ("lobby", "s1", 2, "TRANSCRIPT", "TRANSCRIPT", "ann")
    assert (row["token"], row["late"], row["traceparent"], row["spoken"]) == (18, True, "00-ab-cd-01", True)
    assert row["unknown_fields"] == {"novelty": "kept"}
    assert row["data"]["confidence"] == 0.5
    assert row["data"]["text"] == nasty
    assert not row["forgotten"]
    assert (row["entry_id"], row["entry_ms"], row["entry_n"]) == (f"{T0_MS + 2}-0", T0_MS + 2, 0)


async def test_who_did_what_to_whom_is_in_columns(archive: Archive, tmp_path: Path) -> None:
    ended = events.SpeechEnded(participant="ann", speech_id="sp", duration_ms=812.5)
    await archive.write(batch(entry(1, cut("wait", "so we", "begin")), entry(2, ended)))
    row, speech = await rows(archive, tmp_path)
    assert (row["participant"], row["other"], row["spoken"]) == ("bot", "ann", True)
    assert (speech["participant"], speech["other"], speech["spoken"]) == ("ann", None, False)


async def test_a_batch_again_or_overlapping_doubles_nothing(archive: Archive, tmp_path: Path) -> None:
    entries = [entry(seq, said(str(seq))) for seq in range(1, 11)]
    assert await archive.write(batch(*entries[:6])) == 6
    assert await archive.write(batch(*entries[:6])) == 0
    assert await archive.write(batch(*entries[3:])) == 4
    assert [row["seq"] for row in await rows(archive, tmp_path)] == list(range(1, 11))
    assert await archive.positions() == {"lobby": entries[-1][0]}


async def test_writers_of_the_same_entries_at_once_double_nothing(where: str, tmp_path: Path) -> None:
    async with open_archive(where) as one, open_archive(where) as other:
        for start in range(1, 60, 20):
            same = [
                entry(seq, said("x"), room=room) for seq in range(start, start + 20) for room in ("lobby",)
            ]
            written = await asyncio.gather(one.write(batch(*same)), other.write(batch(*same)))
            assert sorted(written) == [0, 20]
        assert [row["seq"] for row in await rows(one, tmp_path)] == list(range(1, 61))


async def test_positions_outlive_the_process_and_rooms_do_not_mix(where: str) -> None:
    async with open_archive(where) as archive:
        both = batch(entry(3, said("a")))
        both.take("den", [entry(1, said("b"), room="den")])
        await archive.write(both)
    async with open_archive(where) as archive:
        assert await archive.positions() == {"lobby": f"{T0_MS + 3}-0", "den": f"{T0_MS + 1}-0"}
        assert (await archive.extent(Selection(rooms=("den",)))).events == 1


async def test_a_record_that_forked_keeps_both_branches(archive: Archive) -> None:
    await archive.write(batch(entry(1, said("a")), entry(2, said("lost to others"))))
    await archive.write(batch(entry(2, said("again"), at_ms=T0_MS + 9)))
    assert (await archive.extent(Selection())).events == 3


POISON: list[dict[Any, Any]] = [
    {"nothing": "of ours"},
    entry(2, said("x"), room="elsewhere")[1],
    entry(2, said("x"))[1] | {"entry_id": "1-1"},
    entry(2, said("x"))[1] | {"source": "a\0b"},
    entry(2, said("x"))[1] | {"data": "[]"},
    entry(2, said("x"))[1] | {"data": '{"participant":"a","speech_id":"s","text":"\\ud800","final":true}'},
    entry(2, said("x"))[1] | {"odd": "\udcff"},
    {b"kind": b"\xff\xfe", b"data": b"\x00"},
]


@pytest.mark.parametrize("fields", POISON, ids=range(len(POISON)))
async def test_poison_is_kept_aside_once_and_stops_nothing(
    archive: Archive, fields: dict[Any, Any], tmp_path: Path
) -> None:
    poisoned = batch(entry(1, said("a")), (f"{T0_MS + 2}-0", fields), entry(3, said("b")))
    assert len(poisoned.quarantined) == 1
    assert await archive.write(poisoned) == 3
    assert await archive.write(poisoned) == 0
    assert [row["seq"] for row in await rows(archive, tmp_path)] == [1, 3]


@pytest.mark.parametrize(
    "data",
    [
        '{"participant":"a","speech_id":"s","text":"a\\u0000b","final":true}',
        '{"participant":"a\\u0000","speech_id":"\\u0000","text":"","final":true,"more":"\\u0000"}',
        '{"participant":"a","speech_id":"s","text":"x","final":true,"more":NaN,"most":[1e999,12345678901234567890]}',
        '{"participant":"a","speech_id":"s","text":"x","final":true,"deep":' + "[" * 60 + "]" * 60 + "}",
    ],
)
async def test_odd_but_valid_data_is_archived(archive: Archive, data: str, tmp_path: Path) -> None:
    entry_id, fields = entry(1, said("x"))
    made = batch((entry_id, fields | {"data": data}))
    assert not made.quarantined
    await archive.write(made)
    [row] = await rows(archive, tmp_path)
    assert row["data"]["speech_id"] in ("s", "\0")


async def test_an_unknown_type_and_a_newer_version_are_archived(archive: Archive, tmp_path: Path) -> None:
    entry_id, fields = entry(1, said("x"))
    data = '{"participant":"ann","mood":"good","text":"hm"}'
    await archive.write(batch((entry_id, fields | {"type": "MOOD", "v": "7", "data": data})))
    [row] = await rows(archive, tmp_path)
    assert (row["type"], row["v"], row["participant"], row["data"]) == ("MOOD", 7, "ann", json.loads(data))
    assert await archive.forget("ann") == 1


async def test_forgetting_takes_the_words_of_one_and_leaves_the_rows(
    archive: Archive, tmp_path: Path
) -> None:
    utterance = events.Utterance(
        participant="bot",
        utterance_id="u",
        generated_text="all of it",
        heard_text="all",
        heard_ms=1,
        generated_ms=2,
        interrupted=True,
    )
    heard = events.Backchannel(speaker="bot", by="ann", utterance_id="u", words="mhm")
    given = batch(
        entry(1, said("secret")),
        entry(2, said("mine", who="bob")),
        entry(3, cut("stop", "so we", "begin")),
        entry(4, utterance),
        entry(5, heard),
    )
    given.take("den", [entry(1, said("also secret"), room="den", at_ms=T0_MS + 50)])
    await archive.write(given)
    assert await archive.forget("ann", "lobby") == 3
    assert await archive.forget("ann", "lobby") == 0
    texts = [
        [row["data"].get(name) for name in ("text", "generated_text", "heard_text", "unheard_text", "words")]
        for row in await rows(archive, tmp_path)
    ]
    assert texts == [
        ["", None, None, None, None],
        ["mine", None, None, None, None],
        [None, None, "so we", "begin", ""],
        [None, "all of it", "all", None, None],
        [None, None, None, None, ""],
        ["also secret", None, None, None, None],
    ]
    assert await archive.forget("ann") == 1
    assert await archive.forget("bot") == 2
    marks = [(row["spoken"], row["forgotten"]) for row in await rows(archive, tmp_path)]
    assert marks == [(False, True), (True, False), (False, True), (False, True), (False, True), (False, True)]
    assert (await archive.extent(Selection())).events == 6


async def test_words_that_an_event_names_as_forgotten_are_erased_with_it(
    archive: Archive, tmp_path: Path
) -> None:
    await archive.write(
        batch(entry(1, said("one")), entry(2, said("two")), entry(3, said("of bob", who="bob")))
    )
    await archive.write(batch(entry(1, said("later"), session="s2", at_ms=T0_MS + 10)))
    forgotten = events.WordsForgotten(participant="ann", seqs=[2, 3], session="s1")
    await archive.write(batch(entry(2, forgotten, session="s2", at_ms=T0_MS + 11)))
    found = [(row["session"], row["data"].get("text")) for row in await rows(archive, tmp_path)]
    assert found == [("s1", "one"), ("s1", ""), ("s1", "of bob"), ("s2", "later"), ("s2", None)]


async def test_gaps_are_told_but_not_those_of_forgotten_words(archive: Archive) -> None:
    await archive.write(batch(*(entry(seq, said(str(seq))) for seq in (1, 2, 5, 6, 9))))
    forgotten = events.WordsForgotten(participant="ann", seqs=[3, 8])
    await archive.write(batch(entry(10, forgotten)))
    assert await archive.gaps() == [SeqGap("lobby", "s1", 3, 5), SeqGap("lobby", "s1", 6, 8)]
    assert await archive.gaps("den") == []


async def test_selection_is_by_room_and_time(archive: Archive, tmp_path: Path) -> None:
    both = batch(*(entry(seq, said(str(seq))) for seq in range(1, 11)))
    both.take("den", [entry(seq, said("den"), room="den") for seq in range(1, 11)])
    await archive.write(both)
    chosen = Selection(rooms=("lobby",), from_ms=T0_MS + 3, before_ms=T0_MS + 6)
    extent = await archive.extent(chosen)
    assert (extent.events, extent.first_ms, extent.last_ms) == (3, T0_MS + 3, T0_MS + 5)
    assert [row["seq"] for row in await rows(archive, tmp_path, chosen)] == [3, 4, 5]
    assert await archive.slice_end(chosen, T0_MS + 3, 1) == T0_MS + 4
    assert await archive.slice_end(chosen, T0_MS + 5, 1) is None
    assert (await archive.extent(Selection(rooms=("nowhere",)))).events == 0


async def test_parquet_and_lines_hold_the_same(archive: Archive, tmp_path: Path) -> None:
    nasty = 'x "y" \\ \n , ; \t é 😀'
    await archive.write(
        batch(entry(1, said(nasty)), entry(2, cut("", "", "b")), entry(3, events.RoomClosed()))
    )
    assert await archive.export(Selection(), 0, 2**62, tmp_path / "a.parquet", "parquet") == 3
    read = duckdb.sql(f"SELECT * FROM read_parquet('{tmp_path / 'a.parquet'}')")
    found = [dict(zip(read.columns, row, strict=True)) for row in read.fetchall()]
    for row in found:
        row["data"] = json.loads(row["data"])
        row["unknown_fields"] = json.loads(row["unknown_fields"]) if row["unknown_fields"] else None
    assert found == await rows(archive, tmp_path)

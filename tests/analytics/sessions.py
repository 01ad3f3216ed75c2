"""Sessions for the tests of analytics: made by Hypothesis, and a recorded one; and an archive of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from streams import events as ev
from streams.codec import decode_entry, encode_entry, encode_event
from streams.events import Recorded
from streams.vocabulary import ParticipantKind
from swarm.archive import sql
from swarm.archive.rows import COLUMNS, Batch
from tests.streams.strategies import known_events, unknown_events

if TYPE_CHECKING:
    import duckdb

RECORDED = Path(__file__).parent / "demo_events.jsonl"
"""The record of a run of `swarm demo --json`, as it wrote it."""
START_MS = 1_795_000_000_000
AGENTS, PEOPLE = ("ada", "bob", "éva"), ("paul", "quinn")
agents, people = st.sampled_from(AGENTS), st.sampled_from(PEOPLE)
anybody = st.sampled_from((*AGENTS, *PEOPLE))
texts = st.sampled_from(
    ["", "yes", "well, I think", " two  spaces ", "a\tb\nc", "no\u00a0break", "wait — what?"]
)
spans = st.floats(0, 400_000) | st.sampled_from([0.0, 0.4, 63.9, 64.0, 127.999, 128.0, 1e7])
whole = st.integers(0, 90_000) | st.sampled_from([0, 31, 32, 63, 64, 65, 10**7])
maybe = st.none() | spans
latencies = st.builds(ev.Latency, onset_to_detector_ms=maybe, detector_to_gate_ms=maybe)
slots = st.integers(1, 5)


def _speech(slot: int) -> str:
    return f"speech-{slot}"


plausible = st.one_of(
    st.builds(ev.SpeechStarted, participant=people, speech_id=slots.map(_speech)),
    st.builds(ev.SpeechStarted, participant=people, speech_id=slots.map(_speech)),
    st.builds(ev.SpeechEnded, participant=people, speech_id=slots.map(_speech), duration_ms=spans),
    st.builds(ev.SpeechEnded, participant=people, speech_id=slots.map(_speech), duration_ms=spans),
    st.builds(
        ev.Transcript, participant=people, speech_id=slots.map(_speech), text=texts, final=st.booleans()
    ),
    st.builds(
        ev.FloorRequested,
        participant=anybody,
        priority=st.just(2),
        request_id=st.just("r"),
        on_behalf_of=st.sampled_from([None, "", "ada"]),
    ),
    st.builds(
        ev.FloorGranted,
        participant=agents,
        request_id=st.just("r"),
        lease_ms=whole,
        waited_ms=whole,
        position=st.none() | slots,
    ),
    st.builds(ev.FloorDenied, participant=agents, request_id=st.just("r"), reason=st.just("closed")),
    st.builds(
        ev.FloorTaken,
        participant=anybody,
        participant_kind=st.sampled_from(ParticipantKind),
        granted_to_audio_ms=maybe,
    ),
    st.builds(ev.FloorTaken, participant=agents),
    st.builds(ev.FloorReleased, participant=anybody, held_ms=whole),
    st.builds(ev.FloorRevoked, participant=agents, by=people, held_ms=whole, reason=texts),
    st.builds(
        ev.FloorExpired,
        participant=agents,
        held_ms=whole,
        due_ms=st.integers(START_MS, START_MS + 900_000),
        reason=st.sampled_from(["lease", "take_up"]),
    ),
    st.builds(
        ev.Interruption,
        interrupted=agents,
        interruptor=anybody,
        interruptor_kind=st.sampled_from(ParticipantKind),
        utterance_id=st.just("u"),
        heard_text=texts,
        unheard_text=texts,
        heard_ms=spans,
        generated_ms=spans,
        reason=texts,
        latency=latencies,
    ),
    st.builds(
        ev.FalseInterruption,
        speaker=agents,
        by=people,
        utterance_id=st.just("u"),
        reason=texts,
        held_ms=spans,
    ),
    st.builds(ev.Backchannel, speaker=agents, by=people, utterance_id=st.just("u"), held_ms=spans),
    st.builds(
        ev.Utterance,
        participant=agents,
        utterance_id=st.just("u"),
        generated_text=texts,
        heard_text=texts,
        heard_ms=spans,
        generated_ms=spans,
        interrupted=st.booleans(),
    ),
    st.builds(ev.ParticipantJoined, participant=anybody, participant_kind=st.sampled_from(ParticipantKind)),
    st.builds(ev.Bid, participant=agents, score=st.just(3.0), reason=texts),
    st.builds(ev.AgentFailed, participant=agents, what=texts),
    st.builds(ev.RoomClosed),
    st.builds(ev.WordsForgotten, participant=people, seqs=st.lists(st.integers(1, 40), max_size=6)),
)
odd = known_events() | unknown_events()
steps = st.tuples(
    st.one_of(*[plausible] * 9, odd),
    st.sampled_from([1, 1, 1, 1, 1, 1, 2, 5]),
    st.sampled_from([0, 1, 3, 40, 250, 2_000, 45_000, 400_000]),
    st.sampled_from([0, 2, 90, 700]),
    st.none() | st.integers(1, 6),
    st.integers(0, 30),
)
"""Event; how far seq moves on; time since the entry before; how long before its entry it happened; token;
and 0 for a new session."""
lengths = st.lists(steps, max_size=8) | st.lists(steps, min_size=20, max_size=70)
sessions = lengths.map(lambda made: told(made))


def told(made: list[tuple[Any, ...]], room: str = "studio") -> list[Recorded]:
    """Return the entries of a room, in order."""
    entries: list[Recorded] = []
    session, seq, at_ms = 1, 0, START_MS
    for event, moves, gap_ms, before_ms, token, fate in made:
        if fate == 0:
            session, seq = session + 1, 0
        seq, at_ms = seq + moves, at_ms + gap_ms
        encoded = encode_event(event)
        entries.append(
            Recorded(
                id=f"{at_ms}-{len(entries)}",
                kind=encoded.kind,
                type=encoded.type,
                room=room,
                session=f"s{session}",
                seq=seq,
                prev=entries[-1].id if entries else "",
                source="test",
                at_ms=at_ms,
                occurred_ms=at_ms - before_ms,
                v=encoded.v,
                token=token,
                event=event,
            )
        )
    return entries


def recorded_demo() -> list[Recorded]:
    """Return the entries of the recorded run."""
    entries: list[Recorded] = []
    for line in RECORDED.read_text().splitlines():
        fields: dict[str, Any] = json.loads(line)
        entry_id, fields["data"] = fields.pop("id"), json.dumps(fields["data"])
        if "late" in fields:
            fields["late"] = "1"
        entries.append(decode_entry(entry_id, {name: str(value) for name, value in fields.items()}))
    return entries


def archive(connection: duckdb.DuckDBPyConnection, entries: list[Recorded]) -> None:
    """Write entries into an archive's tables, which are made anew."""
    write_rows(connection, rows(entries))


def write_rows(connection: duckdb.DuckDBPyConnection, made: list[tuple[Any, ...]]) -> None:
    """Write rows into an archive's tables, which are made anew."""
    for table in ("events", "positions", "quarantine"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for migration in sql.migrations("duckdb"):
        connection.execute(migration.statements)
    shape = json.dumps([sql.column_types(postgres=False)])
    told = json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in made])
    connection.execute(
        f"INSERT INTO events SELECT unnest(from_json($rows, '{shape}'), recursive := true)", {"rows": told}
    )


def rows(entries: list[Recorded]) -> list[tuple[Any, ...]]:
    """Return the entries as the archiver makes rows of them."""
    batch = Batch()
    for entry in entries:
        batch.take(entry.room, [(entry.id, encode_entry(entry))])
    assert not batch.quarantined
    return [tuple(getattr(row, name) for name in COLUMNS) for row in batch.events]

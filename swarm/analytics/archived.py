"""The figures of an archive, by SQL: one tally for a room, or for all of them."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, LiteralString, cast

from pydantic_core import from_json

from streams.sequence import Gap, without
from swarm.analytics import queries
from swarm.analytics.dialects import DUCKDB, POSTGRES
from swarm.analytics.tally import Histogram, Pair, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import duckdb
    import psycopg

    from swarm.analytics.dialects import Dialect

    Ask = Callable[[str, Mapping[str, str]], list[tuple[Any, ...]]]
    """Runs a statement with its parameters, and returns its rows."""

MEMORY_LIMIT = "640MB"
"""Of the database; what needs more goes through a temporary folder."""
_ENDS = {"FLOOR_RELEASED": "released", "FLOOR_REVOKED": "revoked", "FLOOR_EXPIRED": "expired"}
_COUNTERS = _ENDS | {
    "FLOOR_REQUESTED": "requests",
    "FLOOR_GRANTED": "grants",
    "FLOOR_DENIED": "denials",
    "FLOOR_TAKEN": "turns",
    "BID": "bids",
    "AGENT_FAILED": "agent_failures",
    "UTTERANCE": "utterances",
}
_DURATIONS = {
    "FLOOR_GRANTED": "queue_wait",
    "FLOOR_TAKEN": "grant_to_audio",
    "INTERRUPTION": "onset_to_silence",
    "FLOOR_RELEASED": "turn",
    "FLOOR_REVOKED": "turn",
    "FLOOR_EXPIRED": "turn",
}


def tally_of(connection: duckdb.DuckDBPyConnection, room: str | None = None) -> Tally:
    """Return the tally of `room`, or of all rooms, from the table `events` of a DuckDB connection.

    Makes a table of the connection's own (TEMP) on the way, and limits its memory.

    Raises:
        duckdb.Error: there is no such table, or it cannot be read.
    """

    def ask(statement: str, given: Mapping[str, str]) -> list[tuple[Any, ...]]:
        return connection.execute(statement, dict(given) or None).fetchall()

    with tempfile.TemporaryDirectory(prefix="swarm-stats-") as folder:
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute("SET temp_directory = $folder", {"folder": folder})
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET enable_progress_bar = false")
        return _Archive(ask, DUCKDB, room).tally()


def postgres_tally_of(connection: psycopg.Connection[Any], room: str | None = None) -> Tally:
    """Return the same from the table `events` on the search path of a PostgreSQL connection.

    To be called in a transaction of its own: one that is REPEATABLE READ sees one state of the archive.

    Raises:
        psycopg.Error: there is no such table, or it cannot be read.
    """

    def ask(statement: str, given: Mapping[str, str]) -> list[tuple[Any, ...]]:
        done = connection.execute(cast("LiteralString", statement), given or None)
        return done.fetchall() if done.description else []

    return _Archive(ask, POSTGRES, room).tally()


class _Archive:
    def __init__(self, ask: Ask, dialect: Dialect, room: str | None) -> None:
        self._ask_it = ask
        self._dialect = dialect
        self._events = "events"
        self._room: dict[str, str] = {}
        if room is not None:
            self._events = f"(SELECT * FROM events WHERE room = {dialect.given('room')}) AS events"
            self._room["room"] = room
        self._tally = Tally()

    def tally(self) -> Tally:
        self._count_types()
        self._count_sessions()
        for row in self._ask(queries.counts(self._dialect, self._events)):
            self._take_counts(*row)
        self._ask(queries.speeches(self._dialect, self._events))
        for who, count, spoken_ms, as_person in self._ask_it(queries.SPOKEN, {}):
            self._tally.count(who, "speeches", count)
            self._tally.count(who, "speech_ms", spoken_ms)
            self._tally.count(who, "is_person", as_person)
        for name, answers, number, count, total_ms in self._ask_it(queries.RELATIONS, {}):
            self._add(name, number, count, total_ms)
            if answers:
                self._add("response", number, count, total_ms)
        self._ask_it("DROP TABLE speeches", {})
        return self._tally

    def _ask(self, query: str, **given: str) -> list[tuple[Any, ...]]:
        return self._ask_it(query, given | self._room)

    def _count_types(self) -> None:
        tally = self._tally
        for event_type, count, first_ms, last_ms in self._ask(queries.types(self._events)):
            tally.types[event_type] = count
            tally.first_ms = first_ms if tally.first_ms is None else min(tally.first_ms, first_ms)
            tally.last_ms = last_ms if tally.last_ms is None else max(tally.last_ms, last_ms)

    def _count_sessions(self) -> None:
        broken: list[tuple[str, str]] = []
        for room, session, has_holes in self._ask(queries.sessions(self._events)):
            self._tally.sessions += 1
            if has_holes:
                broken.append((room, session))
        forgotten = self._forgotten() if broken else {}
        for room, session in broken:
            holes = queries.holes(self._dialect, self._events)
            for after_seq, before_seq in self._ask(holes, in_room=room, in_session=session):
                hole = Gap(room, session, after_seq, before_seq)
                left = without(hole, forgotten.get((room, session), ()))
                self._tally.missing += sum(gap.missing for gap in left)

    def _forgotten(self) -> dict[tuple[str, str], set[int]]:
        found: dict[tuple[str, str], set[int]] = {}
        for room, session, raw in self._ask(queries.forgotten(self._events)):
            data = from_json(raw)
            of = data.get("session") or session
            seqs = (seq for seq in data.get("seqs", ()) if isinstance(seq, int))
            found.setdefault((room, of), set()).update(seqs)
        return found

    def _take_counts(
        self,
        event_type: str,
        who: str | None,
        whom: str | None,
        flag: bool,
        number: int | None,
        by_who: bool,
        count: int,
        ms: int,
        generated_ms: int,
        words: int,
        words_heard: int,
    ) -> None:
        if not by_who:
            if number is not None:
                self._add(_DURATIONS[event_type], number, count, ms)
            return
        if who is None:
            return
        tally = self._tally
        if whom is not None:
            pair = tally.pairs.setdefault((event_type.lower(), who, whom), Pair())
            pair.count += count
            pair.held_ms += 0 if event_type == "INTERRUPTION" else ms
            return
        if event_type in _COUNTERS:
            tally.count(who, _COUNTERS[event_type], count)
        match event_type:
            case "FLOOR_RELEASED" | "FLOOR_REVOKED" | "FLOOR_EXPIRED":
                tally.count(who, "floor_ms", ms)
                if event_type == "FLOOR_EXPIRED" and flag:
                    tally.count(who, "expired_untaken", count)
            case "UTTERANCE":
                tally.count(who, "words_generated", words)
                tally.count(who, "words_heard", words_heard)
                tally.count(who, "generated_ms", generated_ms)
                tally.count(who, "heard_ms", ms)
                if flag:
                    tally.count(who, "utterances_cut", count)
            case "TRANSCRIPT" if flag:
                tally.count(who, "words_said", words)
            case "PARTICIPANT_JOINED":
                tally.count(who, "is_person" if flag else "joined_as_agent", count)
            case _:
                pass

    def _add(self, name: str, number: int, count: int, total_ms: int) -> None:
        histogram = self._tally.durations.setdefault(name, Histogram())
        histogram.bins[number] = histogram.bins.get(number, 0) + count
        histogram.total_ms += total_ms

"""An entry of the stream as a row of the archive, and a batch of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import from_json, to_json

from streams.codec import decode_entry, text
from streams.errors import InvalidEventError
from streams.events import WordsForgotten
from streams.sequence import entry_order
from swarm.archive import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.reader import Entry

_LARGEST = 2**63 - 1
_LONGEST_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class EventRow:
    """One row of `events`: the columns in their order, under their names."""

    room: str
    session: str
    entry_id: str
    entry_ms: int
    entry_n: int
    seq: int
    prev: str
    kind: str
    type: str
    source: str
    at_ms: int
    occurred_ms: int
    v: int
    token: int | None
    late: bool
    traceparent: str | None
    participant: str | None
    """Whom it is about: its participant, who was interrupted, who was spoken over."""
    other: str | None
    """The other one: the interruptor, or who did it."""
    spoken: bool
    """Whether somebody's words are in `data`."""
    forgotten: bool
    """Whether words in it were erased."""
    data: str
    """JSON object: the event's data."""
    unknown_fields: str | None


COLUMNS = tuple(column.name for column in fields(EventRow))
"""Columns of `events`."""


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """One row of `quarantine`: an entry that breaks the schema."""

    room: str
    entry_id: str
    reason: str
    fields: str
    """JSON object of the fields as they came; cut off at 100,000 characters."""


@dataclass(frozen=True, slots=True)
class ErasedRow:
    """What an event's row becomes where words are erased from it."""

    room: str
    session: str
    entry_id: str
    spoken: bool
    data: str


@dataclass(frozen=True, slots=True)
class ForgottenWords:
    """Words that an event of the batch says are erased."""

    room: str
    session: str
    participant: str
    seqs: tuple[int, ...]


def erased_rows(rows: Iterable[tuple[str, str, str, str]], participant: str) -> list[ErasedRow]:
    """Return those of `rows` (room, session, entry id, data) that hold the participant's words, without."""
    changed: list[ErasedRow] = []
    for room, session, entry_id, data in rows:
        left = words.erased(cast("dict[str, Any]", from_json(data)), participant)
        if left is not None:
            changed.append(ErasedRow(room, session, entry_id, words.spoken(left), to_json(left).decode()))
    return changed


@dataclass(slots=True)
class Batch:
    """Entries of several rooms, in order within a room, and how far they reach."""

    events: list[EventRow] = field(default_factory=list[EventRow])
    quarantined: list[QuarantinedRow] = field(default_factory=list[QuarantinedRow])
    forgotten: list[ForgottenWords] = field(default_factory=list[ForgottenWords])
    positions: dict[str, str] = field(default_factory=dict[str, str])
    """Room to the id of the last entry taken."""

    def take(self, room: str, entries: Iterable[Entry]) -> None:
        """Add entries of `room` that come after all that were added for it before."""
        for entry_id, raw in entries:
            self.positions[room] = entry_id
            try:
                row, event = _row(room, entry_id, raw)
            except InvalidEventError as error:
                self.quarantined.append(QuarantinedRow(room, entry_id, _plain(error.reason), _as_json(raw)))
                continue
            self.events.append(row)
            if isinstance(event, WordsForgotten):
                session = event.session or row.session
                self.forgotten.append(ForgottenWords(room, session, event.participant, tuple(event.seqs)))

    def after(self, positions: Mapping[str, str]) -> Batch:
        """Return what of the batch comes after `positions`: rooms that are not in there, whole."""
        reached = {
            room: entry_order(entry_id) for room, entry_id in positions.items() if room in self.positions
        }
        if not reached:
            return self

        def is_new(room: str, entry_id: str) -> bool:
            return room not in reached or entry_order(entry_id) > reached[room]

        return Batch(
            [row for row in self.events if is_new(row.room, row.entry_id)],
            [row for row in self.quarantined if is_new(row.room, row.entry_id)],
            self.forgotten,
            {room: entry_id for room, entry_id in self.positions.items() if is_new(room, entry_id)},
        )

    def __len__(self) -> int:
        return len(self.events) + len(self.quarantined)


def _row(room: str, entry_id: str, raw: Any) -> tuple[EventRow, object]:
    recorded = decode_entry(entry_id, raw)
    entry_ms, entry_n = entry_order(entry_id)
    if recorded.room != room or recorded.id != entry_id:
        raise InvalidEventError("names another room or entry than where it stands", entry_id=entry_id)
    if max(entry_ms, entry_n) > _LARGEST:
        raise InvalidEventError("the entry id is no time", entry_id=entry_id)
    envelope = (room, recorded.session, recorded.prev, recorded.kind, recorded.type, recorded.source)
    if "\0" in "".join((*envelope, recorded.traceparent or "")):
        raise InvalidEventError("a field of the envelope holds a NUL character", entry_id=entry_id)
    data = cast("dict[str, Any]", from_json(_data_of(raw)))
    row = EventRow(
        room=room,
        session=recorded.session,
        entry_id=entry_id,
        entry_ms=entry_ms,
        entry_n=entry_n,
        seq=recorded.seq,
        prev=recorded.prev,
        kind=recorded.kind,
        type=recorded.type,
        source=recorded.source,
        at_ms=recorded.at_ms,
        occurred_ms=recorded.occurred_ms,
        v=recorded.v,
        token=recorded.token,
        late=recorded.late,
        traceparent=recorded.traceparent,
        participant=_plain(words.about(data)),
        other=_plain(words.other(data)),
        spoken=words.spoken(data),
        forgotten=False,
        data=to_json(data, inf_nan_mode="strings").decode(),
        unknown_fields=to_json(recorded.unknown_fields).decode() if recorded.unknown_fields else None,
    )
    return row, recorded.event


def _data_of(raw: Any) -> str:
    if hasattr(raw, "get"):
        return text(raw.get("data", raw.get(b"data")))
    flat = list(raw)
    return text(dict(zip((text(name) for name in flat[::2]), flat[1::2], strict=True))["data"])


def _plain(value: Any) -> Any:
    """Without NUL characters, which PostgreSQL's text cannot hold."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _as_json(raw: Any) -> str:
    if hasattr(raw, "items"):
        pairs = [(_shown(name), _shown(value)) for name, value in raw.items()]
    else:
        flat = [_shown(part) for part in raw]
        pairs = list(zip(flat[::2], flat[1::2], strict=False))
    return to_json(dict(pairs)).decode()[:_LONGEST_KEPT]


def _shown(value: Any) -> str:
    """Bytes that are no UTF-8, also those that a client has let through, as backslash escapes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

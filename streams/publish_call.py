"""Calls of the publish script: what goes in, and what its reply means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from streams import keys
from streams.codec import EncodedEvent, as_read, decode_entry, encode_event, recorded_of, text
from streams.errors import ForeignTokenError, InvalidEventError, RequestTooOldError
from streams.request_ids import KEPT_MS, checked_request_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events import Event, Recorded


def publish_keys(room: str) -> list[str]:
    """Return the keys that all runs of the publish script in `room` share; one more is of each call."""
    return [keys.stream(room), keys.meta(room), keys.tokens(room), keys.floor(room)]


def publish_args(room: str, session: str, calls: Sequence[PublishCall]) -> list[str]:
    """Return the script's ARGV; `session` is what a room without one is opened with."""
    return [room, session, str(KEPT_MS), *(part for call in calls for part in call.args())]


@dataclass(frozen=True, slots=True)
class PublishCall:
    """An event on its way to the stream of `room`."""

    event: Event
    encoded: EncodedEvent
    room: str
    source: str
    token: int | None
    occurred_ms: int | None
    request_id: str | None
    traceparent: str | None

    @classmethod
    def of(
        cls,
        event: Event,
        *,
        room: str,
        source: str,
        token: int | None = None,
        occurred_ms: int | None = None,
        request_id: str | None = None,
        traceparent: str | None = None,
    ) -> Self:
        """Return the call for `event`.

        Raises:
            InvalidEventError: the event has no JSON form, or a name is malformed.
        """
        encoded = encode_event(event)
        keys.checked_name(source, "source")
        if request_id is not None:
            checked_request_id(request_id)
        return cls(event, encoded, room, source, token, occurred_ms, request_id, traceparent)

    @property
    def request_key(self) -> str:
        """The key of its own."""
        return keys.request(self.room, self.request_id or "")

    def args(self) -> tuple[str, ...]:
        """Return its part of ARGV."""
        encoded = self.encoded
        return (
            encoded.kind,
            encoded.type,
            self.source,
            encoded.data,
            "" if self.occurred_ms is None else str(self.occurred_ms),
            str(encoded.v),
            "" if self.token is None else str(self.token),
            self.traceparent or "",
            self.request_id or "",
        )

    def outcome(self, reply: Sequence[Any]) -> Recorded:
        """Return the entry that its part of the script's reply tells of.

        Raises:
            InvalidEventError: the entry that the request id led to was removed since.
            ForeignTokenError: the token was never granted to the source.
            RequestTooOldError: the request id is older than KEPT_MS.
        """
        outcome, *told = reply
        match text(outcome):
            case "new":
                return written(
                    self.event,
                    self.encoded,
                    room=self.room,
                    source=self.source,
                    written_as=told,
                    occurred_ms=self.occurred_ms,
                    token=self.token,
                    late=bool(told[5]),
                    traceparent=self.traceparent,
                )
            case "again":
                entry_id, fields = told
                if not fields:
                    reason = f"the entry of request {self.request_id!r} was removed"
                    raise InvalidEventError(reason, entry_id=text(entry_id))
                return decode_entry(entry_id, fields)
            case "old":
                raise RequestTooOldError(self.request_id or "", int(told[0]), KEPT_MS)
            case _:
                raise ForeignTokenError(room=self.room, source=self.source, token=self.token or 0)


def written(
    event: Event,
    encoded: EncodedEvent,
    *,
    room: str,
    source: str,
    written_as: Sequence[Any],
    occurred_ms: int | None = None,
    token: int | None = None,
    late: bool = False,
    traceparent: str | None = None,
) -> Recorded:
    """Return the entry of `event`; `written_as` begins with what the append step told.

    That is id, seq, session, prev, at_ms.
    """
    entry_id, seq, session, prev, at_ms = written_as[:5]
    return recorded_of(
        {
            "id": text(entry_id),
            "kind": encoded.kind,
            "type": encoded.type,
            "room": room,
            "session": text(session),
            "seq": int(seq),
            "prev": text(prev),
            "source": source,
            "at_ms": int(at_ms),
            "occurred_ms": int(at_ms) if occurred_ms is None else occurred_ms,
            "v": encoded.v,
            "token": token,
            "late": late,
            "traceparent": traceparent,
            "unknown_fields": {},
            "event": as_read(event, encoded),
        }
    )

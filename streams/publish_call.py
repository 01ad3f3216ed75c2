"""One call of the publish script: what goes in, and what its reply means. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from streams import keys
from streams.codec import EncodedEvent, as_read, decode_entry, encode_event, text
from streams.errors import ForeignTokenError, InvalidEventError, RequestTooOldError
from streams.events import Event, Recorded
from streams.request_ids import KEPT_MS, checked_request_id

if TYPE_CHECKING:
    from collections.abc import Sequence

PUBLISH_ARGUMENTS = 12
"""How many arguments follow the key in `PublishCall.args`."""


def publish_keys(room: str) -> list[str]:
    """Return the keys that all calls of the publish script in `room` share; one more is of each call."""
    return [keys.stream(room), keys.meta(room), keys.tokens(room), keys.floor(room)]


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

    def args(self, session: str) -> list[str]:
        """Return the script's last key and its ARGV; `session` is what a room without one is opened with."""
        return [
            keys.request(self.room, self.request_id or ""),
            self.room,
            self.encoded.kind,
            self.encoded.type,
            self.source,
            self.encoded.data,
            "" if self.occurred_ms is None else str(self.occurred_ms),
            str(self.encoded.v),
            "" if self.token is None else str(self.token),
            self.traceparent or "",
            session,
            self.request_id or "",
            str(KEPT_MS),
        ]

    def outcome(self, reply: Sequence[Any]) -> tuple[Recorded, int]:
        """Return the entry that the script's reply tells of, and Redis's time in µs.

        Raises:
            InvalidEventError: the entry that the request id led to was removed since.
            ForeignTokenError: the token was never granted to the source.
            RequestTooOldError: the request id is older than KEPT_MS.
        """
        match [text(reply[0]), *reply[1:]]:
            case ["new", entry_id, seq, session, prev, at_ms, late, now_us]:
                entry = written(
                    self.event,
                    self.encoded,
                    room=self.room,
                    source=self.source,
                    written_as=(entry_id, seq, session, prev, at_ms),
                    occurred_ms=self.occurred_ms,
                    token=self.token,
                    late=bool(late),
                    traceparent=self.traceparent,
                )
                return entry, int(now_us)
            case ["again", now_us, entry_id, fields]:
                if not fields:
                    reason = f"the entry of request {self.request_id!r} was removed"
                    raise InvalidEventError(reason, entry_id=text(entry_id))
                return decode_entry(entry_id, fields), int(now_us)
            case ["old", age_ms]:
                raise RequestTooOldError(self.request_id or "", int(age_ms), KEPT_MS)
            case _:
                raise ForeignTokenError(room=self.room, source=self.source, token=self.token or 0)


def written(
    event: Event,
    encoded: EncodedEvent,
    *,
    written_as: Sequence[Any],
    occurred_ms: int | None = None,
    **envelope: Any,
) -> Recorded:
    """Return the entry of `event`; `written_as` is id, seq, session, prev, at_ms from the append step."""
    entry_id, seq, session, prev, at_ms = written_as
    return Recorded(
        id=text(entry_id),
        kind=encoded.kind,
        type=encoded.type,
        v=encoded.v,
        seq=int(seq),
        session=text(session),
        prev=text(prev),
        at_ms=int(at_ms),
        occurred_ms=int(at_ms) if occurred_ms is None else occurred_ms,
        event=cast("Any", as_read(event, encoded)),
        **envelope,
    )

"""What the record can refuse or fail at. Every error carries the fields a caller needs to act."""

from __future__ import annotations


class StreamError(Exception):
    """Anything the conversation stream refuses or fails at."""


class InvalidEventError(StreamError):
    """An event, or the fields of an entry, break the schema."""

    def __init__(self, reason: str, *, entry_id: str | None = None) -> None:
        super().__init__(f"invalid event: {reason}" + (f" (entry {entry_id})" if entry_id else ""))
        self.reason = reason
        self.entry_id = entry_id


class ForeignTokenError(StreamError):
    """A report names a fencing token that was never granted to its source."""

    def __init__(self, *, room: str, source: str, token: int) -> None:
        super().__init__(f"token {token} was never granted to {source!r} in room {room!r}")
        self.room = room
        self.source = source
        self.token = token


class RequestTooOldError(StreamError):
    """A request id is older than the time for which retries are remembered."""

    def __init__(self, request_id: str, age_ms: int, kept_ms: int) -> None:
        super().__init__(f"request {request_id!r} is {age_ms} ms old; retries are kept for {kept_ms} ms")
        self.request_id = request_id
        self.age_ms = age_ms
        self.kept_ms = kept_ms


class StreamUnavailableError(StreamError):
    """Redis did not answer within the limit, or refused the connection."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Redis is not available: {reason}")
        self.reason = reason

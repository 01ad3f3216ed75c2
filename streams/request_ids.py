"""Request ids: time-ordered, so that a server can refuse what it no longer remembers."""

from __future__ import annotations

import secrets

from streams.errors import InvalidEventError

KEPT_MS = 120_000
"""How long the outcome of a request id is remembered."""

_LONGEST = 200


def new_request_id(now_ms: int) -> str:
    """Return a fresh id that begins with `now_ms` (Redis time), 13 digits and a dash.

    A retry with the same id within KEPT_MS has no second effect; an older one is refused.
    """
    return f"{now_ms:013d}-{secrets.token_hex(8)}"


def checked_request_id(request_id: str) -> str:
    """Return `request_id` if it can be one: any text without white space that fits a key's name.

    An id that does not begin with 13 digits and a dash says nothing about its age: it is remembered for
    KEPT_MS and never refused.

    Raises:
        InvalidEventError: empty, too long, or holding white space, braces or control characters.
    """
    if not 0 < len(request_id) <= _LONGEST or any(
        character.isspace() or character in "{}" or not character.isprintable() for character in request_id
    ):
        raise InvalidEventError(
            f"request id {request_id[:40]!r}: 1 to {_LONGEST} characters, no white space, no braces"
        )
    return request_id

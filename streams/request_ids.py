"""What a request id may be, and how long it is remembered."""

from __future__ import annotations

import re

from streams.errors import InvalidEventError
from streams.keys import NAME_CHARACTER

KEPT_MS = 120_000
"""How long the outcome of a request id is remembered."""

_LONGEST = 200
_FITS = re.compile(rf"{NAME_CHARACTER}{{1,{_LONGEST}}}")


def checked_request_id(request_id: str) -> str:
    """Return `request_id` if it can be one: up to 200 of the characters that a name may hold.

    An id that does not begin with 13 digits and a dash says nothing about its age: it is remembered for
    KEPT_MS and never refused.

    Raises:
        InvalidEventError: empty, too long, or holding white space, braces or control characters.
    """
    if not _FITS.fullmatch(request_id):
        raise InvalidEventError(
            f"request id {request_id[:40]!r}: 1 to {_LONGEST} characters, no white space, no braces"
        )
    return request_id

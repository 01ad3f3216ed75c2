"""New request ids: time-ordered, so that a server can refuse what it no longer remembers."""

from __future__ import annotations

import secrets


def new_request_id(now_ms: int) -> str:
    """Return a fresh id that begins with `now_ms` (Redis time), 13 digits and a dash.

    A retry with the same id within KEPT_MS has no second effect; an older one is refused.
    """
    return f"{now_ms:013d}-{secrets.token_hex(8)}"

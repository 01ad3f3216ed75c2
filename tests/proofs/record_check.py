"""Reads a room's record entry by entry and says which promise of the floor it breaks. No I/O.

What a record can tell by itself: no gap and no fork, one grant at a time, tokens that only rise, every end of
a grant named by its own token, and for each request only the legal ways from one state to the next.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

NEXT: dict[str, tuple[str, ...]] = {
    "": ("FLOOR_REQUESTED",),
    "FLOOR_REQUESTED": ("FLOOR_QUEUED", "FLOOR_GRANTED", "FLOOR_DENIED", "joined"),
    "FLOOR_QUEUED": ("FLOOR_GRANTED", "FLOOR_WITHDRAWN", "FLOOR_DENIED"),
    "FLOOR_GRANTED": ("FLOOR_RELEASED", "FLOOR_REVOKED", "FLOOR_EXPIRED"),
}
"""From the last event of a request to those that may follow; nothing follows the others.

`joined`: withdrawn without having waited, for what its participant had asked for itself.
"""
OVER = ("FLOOR_RELEASED", "FLOOR_REVOKED", "FLOOR_EXPIRED", "FLOOR_DENIED", "FLOOR_WITHDRAWN", "joined")


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant as the record tells it."""

    token: int
    participant: str
    request_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a grant as the record tells it."""

    grant: Granted
    type: str
    reason: str
    at_ms: int
    due_ms: int
    """When it fell due, for one that expired; 0 otherwise."""


@dataclass(slots=True)
class RecordCheck:
    """Fed with a room's entries in order; `broken` names what is wrong with them."""

    broken: list[str] = field(default_factory=list)
    seq: int = 0
    last_id: str = ""
    session: str = ""
    token: int = 0
    holding: Granted | None = None
    grants: dict[int, Granted] = field(default_factory=dict)
    ends: list[Ended] = field(default_factory=list)
    next_grants: dict[int, int] = field(default_factory=dict)
    """Token that ended to the token that was granted next."""
    counts: dict[str, int] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    """Last event of each request that is not over."""
    _ended: int = 0

    def feed(self, entry_id: str, fields: dict[str, str]) -> None:
        kind = fields["type"]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self._sequence(entry_id, fields)
        if not kind.startswith("FLOOR_"):
            return
        data: dict[str, Any] = json.loads(fields["data"])
        token = int(fields.get("token") or 0)
        if kind == "FLOOR_GRANTED":
            self._granted(entry_id, fields, data, token)
        elif kind in ("FLOOR_RELEASED", "FLOOR_REVOKED", "FLOOR_EXPIRED"):
            if token:  # people hold the floor without one
                self._over(entry_id, kind, fields, data, token)
        elif data.get("request_id") and "was" not in data:  # else it only waits at another place
            joined = kind == "FLOOR_WITHDRAWN" and data["reason"] == "joined" and "position" not in data
            self._step(entry_id, data["request_id"], "joined" if joined else kind)

    def _wrong(self, entry_id: str, what: str) -> None:
        if len(self.broken) < 20:
            self.broken.append(f"{entry_id}: {what}")

    def _sequence(self, entry_id: str, fields: dict[str, str]) -> None:
        seq = int(fields["seq"])
        if fields["session"] != self.session:
            if fields["type"] != "ROOM_OPENED" or seq != 1:
                self._wrong(entry_id, "a session that was not opened")
            self.session = fields["session"]
        elif seq != self.seq + 1:
            self._wrong(entry_id, f"seq {seq} after {self.seq}")
        if seq > 1 and fields["prev"] != self.last_id:
            self._wrong(entry_id, f"prev {fields['prev']} after {self.last_id}")
        self.seq, self.last_id = seq, entry_id

    def _granted(self, entry_id: str, fields: dict[str, str], data: dict[str, Any], token: int) -> None:
        if self.holding is not None:
            self._wrong(entry_id, f"{token} granted while {self.holding.token} is held")
        if token <= self.token:
            self._wrong(entry_id, f"token {token} after {self.token}")
        self._step(entry_id, data["request_id"], "FLOOR_GRANTED")
        grant = Granted(token, data["participant"], data["request_id"], int(fields["at_ms"]))
        self.token, self.holding, self.grants[token] = max(token, self.token), grant, grant
        if self._ended:
            self.next_grants[self._ended] = token

    def _over(
        self, entry_id: str, kind: str, fields: dict[str, str], data: dict[str, Any], token: int
    ) -> None:
        held, self.holding = self.holding, None
        if held is None or (held.token, held.participant) != (token, data["participant"]):
            self._wrong(entry_id, f"{kind} of {token}, held was {held and held.token}")
            return
        self._step(entry_id, held.request_id, kind)
        self.ends.append(
            Ended(held, kind, data.get("reason", ""), int(fields["at_ms"]), int(data.get("due_ms", 0)))
        )
        self._ended = token

    def _step(self, entry_id: str, request_id: str, kind: str) -> None:
        before = self.states.get(request_id, "")
        if kind not in NEXT.get(before, ()):
            self._wrong(entry_id, f"{request_id}: {kind} after {before or 'nothing'}")
        if kind in OVER:
            self.states.pop(request_id, None)
        else:
            self.states[request_id] = kind

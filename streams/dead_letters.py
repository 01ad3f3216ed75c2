"""Entries that a consumer group gave up on, and why: kept in a stream of their own in each room."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from streams import keys
from streams.codec import text
from streams.connection import TIMEOUT_S, until_available

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ("DeadLetter", "Reason", "discard", "pack", "read_dead_letters")

Reason = Literal["schema", "handler", "unanswered"]
"""Breaks the schema; its handler failed at each try; its consumers died, one after the other, with it."""

_LONGEST_ERROR = 2000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that a group gave up on."""

    id: str
    """Its id among the dead letters."""
    entry_id: str
    """The entry's id in the room's stream."""
    group: str
    consumer: str
    reason: str
    """See `Reason`."""
    error: str
    tries: int
    at_ms: int
    """Redis time of giving up."""
    entry: Mapping[str, str]
    """The entry's own fields. What was no UTF-8 is in surrogate escapes."""


def pack(fields: Any) -> str:
    r"""Return the fields of an entry, as a client gives them, as one JSON object of plain ASCII.

    Bytes that are no UTF-8 become surrogate escapes (`\udc80` to `\udcff`), so nothing is lost.
    """
    if not isinstance(fields, Mapping):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    pairs = cast("Mapping[Any, Any]", fields).items()
    return json.dumps({_kept(name): _kept(value) for name, value in pairs})


async def read_dead_letters(
    redis: Redis, room: str, after_id: str = "0-0", *, group: str | None = None, count: int = 100
) -> list[DeadLetter]:
    """Return the dead letters of `room` after `after_id`, oldest first; of one group, or of all.

    At most `count` are looked at. While Redis is away this waits.

    Raises:
        redis.exceptions.RedisError: a refusal that waiting does not cure.
    """
    read = cast("Any", redis).xrange
    entries = await until_available(
        lambda: read(keys.dead_letters(room), min=f"({after_id}", count=count), TIMEOUT_S
    )
    letters = [_letter(text(entry_id), fields) for entry_id, fields in entries]
    return [letter for letter in letters if group is None or letter.group == group]


async def discard(redis: Redis, room: str, *ids: str) -> int:
    """Remove dead letters by their ids; returns how many there were."""
    return int(await cast("Any", redis).xdel(keys.dead_letters(room), *ids)) if ids else 0


def shortened(error: str) -> str:
    """Return the error's words as they are kept."""
    kept = error if len(error) <= _LONGEST_ERROR else error[: _LONGEST_ERROR - 3] + "..."
    return kept.encode(errors="backslashreplace").decode()


def _letter(letter_id: str, fields: Mapping[Any, Any]) -> DeadLetter:
    named = {text(name): text(value) for name, value in fields.items()}
    return DeadLetter(
        id=letter_id,
        entry_id=named["entry_id"],
        group=named["group"],
        consumer=named["consumer"],
        reason=named["reason"],
        error=named["error"],
        tries=int(named["tries"]),
        at_ms=int(named["at_ms"]),
        entry=cast("dict[str, str]", json.loads(named["entry"])),
    )


def _kept(value: object) -> str:
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)

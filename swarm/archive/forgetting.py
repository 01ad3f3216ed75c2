"""Erases a participant's words from the streams, their copies, the dead letters and an archive."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from streams import keys, rooms, scripts
from streams.codec import text
from streams.connection import TIMEOUT_S, block_ms, until_available
from streams.entry_pages import PAGE, entry_pages
from swarm.archive import words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from swarm.archive.ports import Archive

_A_CALL = 200
_RELAY_LIMIT_S = 5.0
_LARGEST_SEQ = 2**53


@dataclass(slots=True)
class Forgotten:
    """What was erased."""

    participant: str
    rooms: dict[str, int] = field(default_factory=dict[str, int])
    """Entries of each room's stream; rooms without any are left out."""
    copies: int = 0
    """Entries of the stream of all rooms."""
    dead_letters: int = 0
    archived: int | None = None
    """Rows of the archive that lost texts; None where no archive was named."""
    relay_behind: bool = False
    """The relay did not get to the end in time, and may yet write a copy: forget once more."""

    @property
    def entries(self) -> int:
        """Entries of the rooms' streams."""
        return sum(self.rooms.values())

    def document(self) -> dict[str, Any]:
        """Return this as JSON has it."""
        return {
            "participant": self.participant,
            "entries": self.entries,
            "rooms": self.rooms,
            "copies": self.copies,
            "dead_letters": self.dead_letters,
            "archived_rows": self.archived,
            "relay_behind": self.relay_behind,
        }


async def forget(
    redis: Redis,
    participant: str,
    *,
    only: Sequence[str] | None = None,
    archive: Archive | None = None,
    source: str = "forget",
) -> Forgotten:
    """Erase the words of `participant` in the rooms of `only`, or in all that are listed.

    Entries that hold them are deleted, each batch in one step with the WORDS_FORGOTTEN that names their seq;
    a running archiver erases the same from its archive when it comes to that event. With `archive`, its rows
    of these rooms lose the texts too, whatever their age, and stay. Said again, it finds nothing to erase.
    While Redis is away this waits.

    Raises:
        InvalidEventError: a name can be no participant or room.
        redis.exceptions.RedisError: a refusal that waiting does not cure.
        ArchiveError: as the archive does.
    """
    keys.checked_name(participant, "participant")
    chosen = [keys.checked_name(room, "room") for room in only] if only is not None else None
    if chosen is None:
        chosen, _ = await until_available(lambda: rooms.listed(redis), TIMEOUT_S)
    found = Forgotten(participant)
    work = _Forgetting(redis, participant, source)
    notices: set[str] = set()
    for room in dict.fromkeys(chosen):
        erased, written = await work.in_room(room)
        notices |= written
        if erased:
            found.rooms[room] = erased
        found.dead_letters += await work.in_dead_letters(room)
    found.copies, found.relay_behind = await work.in_copies(frozenset(chosen), notices)
    if archive is not None:
        in_rooms = [None] if only is None else list(dict.fromkeys(chosen))
        found.archived = sum([await archive.forget(participant, room) for room in in_rooms])
    return found


class _Forgetting:
    def __init__(self, redis: Redis, participant: str, source: str) -> None:
        self._redis = redis
        self._calls = cast("Any", redis)
        self._participant = participant
        self._source = source
        self._script = redis.register_script(scripts.load("swarm", "forget.lua"))

    async def in_room(self, room: str) -> tuple[int, set[str]]:
        """Return how many entries were erased, and the ids of the events that say so."""
        erased, notices = 0, set[str]()
        await self._erase(room, "", [])  # what the scribe keeps at hand, also where the stream has nothing
        async for page in self._pages(keys.stream(room)):
            by_session: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
            for entry_id, fields in page:
                if not self._speaks(fields):
                    continue
                session, seq = fields.get("session", ""), fields.get("seq", "")
                if session and seq.isascii() and seq.isdecimal() and int(seq) < _LARGEST_SEQ:
                    by_session[session].append((entry_id, int(seq)))
                else:  # of a foreign producer: it has no place in the sequence to be named
                    erased += await self._delete(keys.stream(room), [entry_id])
            for session, entries in by_session.items():
                for start in range(0, len(entries), _A_CALL):
                    number, notice = await self._erase(room, session, entries[start : start + _A_CALL])
                    erased += number
                    notices |= {notice} if notice else set()
        return erased, notices

    async def in_dead_letters(self, room: str) -> int:
        """Return how many of the room's dead letters were erased."""
        erased = 0
        async for page in self._pages(keys.dead_letters(room)):
            letters = [entry_id for entry_id, fields in page if self._speaks(_json(fields.get("entry")))]
            erased += await self._delete(keys.dead_letters(room), letters)
        return erased

    async def in_copies(self, chosen: frozenset[str], notices: set[str]) -> tuple[int, bool]:
        """Return how many copies were erased, and whether the relay was too far behind to be waited for.

        The relay copies a room in order: once it has copied the notice, no older copy will come.
        """
        erased, waiting = 0, set(notices)
        after = "0-0"
        async for page in self._pages(keys.ALL_ROOMS_STREAM):
            after = page[-1][0]
            erased += await self._delete_copies(page, chosen, waiting)
        if not waiting or not await until_available(lambda: self._calls.exists(keys.RELAY_LEASE), TIMEOUT_S):
            return erased, False
        try:
            async with asyncio.timeout(_RELAY_LIMIT_S):
                while waiting:
                    wait_ms = min(block_ms(self._redis), int(_RELAY_LIMIT_S * 1000))
                    reply = await self._calls.xread({keys.ALL_ROOMS_STREAM: after}, count=PAGE, block=wait_ms)
                    for _, entries in reply or ():
                        page = [(text(entry_id), _texts(fields)) for entry_id, fields in entries]
                        after = page[-1][0]
                        erased += await self._delete_copies(page, chosen, waiting)
        except TimeoutError:
            return erased, True
        return erased, False

    async def _delete_copies(
        self, page: list[tuple[str, dict[str, str]]], chosen: frozenset[str], waiting: set[str]
    ) -> int:
        waiting.difference_update(fields.get("entry_id", "") for _, fields in page)
        found = [
            entry_id for entry_id, fields in page if fields.get("room") in chosen and self._speaks(fields)
        ]
        return await self._delete(keys.ALL_ROOMS_STREAM, found)

    def _speaks(self, fields: dict[str, str]) -> bool:
        return words.speaks(self._participant, _json(fields.get("data")))

    async def _erase(self, room: str, session: str, entries: list[tuple[str, int]]) -> tuple[int, str]:
        script_keys = [keys.stream(room), keys.meta(room), keys.speeches(room)]
        args = [room, self._source, self._participant, session, json.dumps(entries)]
        reply = await until_available(
            lambda: cast("Any", self._script(keys=script_keys, args=args)), TIMEOUT_S
        )
        return int(reply[0]), text(reply[1])

    async def _delete(self, stream: str, entry_ids: list[str]) -> int:
        if not entry_ids:
            return 0
        return int(await until_available(lambda: self._calls.xdel(stream, *entry_ids), TIMEOUT_S))

    async def _pages(self, stream: str) -> AsyncIterator[list[tuple[str, dict[str, str]]]]:
        async for page in entry_pages(self._redis, stream):
            yield [(entry_id, _texts(fields)) for entry_id, fields in page]


def _texts(fields: dict[Any, Any]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in fields.items()}


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _json(value: str | None) -> dict[str, Any]:
    try:  # json, which takes what breaks the schema: half a character, NaN
        found: object = json.loads(value or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

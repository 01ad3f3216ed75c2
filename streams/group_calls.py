"""What a consumer asks of Redis: its lease of a room, new entries, those of the dead, acknowledgements."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from redis.asyncio import RedisCluster
from redis.exceptions import NoScriptError, RedisError

from streams import keys, scripts
from streams.codec import text
from streams.connection import TIMEOUT_S, UNAVAILABLE, until_available
from streams.dead_letters import pack, shortened
from streams.kept_connections import command, shared_connections
from streams.sequence import Position

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from redis.asyncio import Redis

    from streams.dead_letters import Reason
    from streams.events import Recorded
    from streams.reader import Entry

logger = logging.getLogger(__name__)

__all__ = ("Claimed", "GroupCalls", "Held", "Taken")

_PENDING_PAGE = 500


@dataclass(frozen=True, slots=True)
class Held:
    """Another consumer has the room."""

    left_ms: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The room is ours, for another lease."""

    handled: Position | None
    """The last entry that the group has handled."""
    session: str
    seq: int
    """Of the room's last event."""
    pending: int
    given_out: str
    """Id of the last entry that was given out; empty where that was not asked for."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Entries that were given out before, oldest first, and where to go on."""

    cursor: str
    entries: list[Entry]
    removed: bool
    """Some that waited for an ack are not in the stream any more."""


class GroupCalls:
    """The calls of one consumer of one group. Raises what the client raises, unless it is said otherwise."""

    def __init__(self, redis: Redis, group: str, consumer: str, owner: str) -> None:
        self.redis = redis
        self.group = group
        self.consumer = consumer
        self.owner = owner
        """The consumer, and which process of that name: leases are held under it."""
        self._in_slots = isinstance(cast("Any", redis), RedisCluster)
        self._take = redis.register_script(scripts.load("streams", "group_take.lua"))
        self._note = redis.register_script(scripts.load("streams", "group_note.lua"))
        self._try = redis.register_script(scripts.load("streams", "group_try.lua"))
        self._leave = redis.register_script(scripts.load("streams", "group_leave.lua"))
        self._dead = redis.register_script(scripts.load("streams", "dead_letter.lua"))
        self._members = redis.register_script(scripts.load("streams", "group_members.lua"))
        self._execute: Any = cast("Any", redis).execute_command
        self._kept = shared_connections(redis)

    async def take(
        self, rooms: Sequence[str], lease_ms: int, begin: str, *, new: bool
    ) -> list[Taken | Held | RedisError]:
        """Take (`new`) or renew the lease of each room; a refusal is in its place."""
        args = [self.group, self.owner, lease_ms, begin, "1" if new else ""]
        async with asyncio.timeout(TIMEOUT_S):
            replies = await self._run_all(
                self._take,
                [
                    [keys.stream(room), keys.consumer_group(room, self.group), keys.meta(room)]
                    for room in rooms
                ],
                args,
            )
        return [_lease(reply) for reply in replies]

    async def _run_all(self, script: Any, keys_of: list[list[str]], args: list[Any]) -> list[Any]:
        if self._in_slots or len(keys_of) == 1:
            replies: list[Any] = []
            for of_room in keys_of:
                try:
                    replies.append(await script(keys=of_room, args=args))
                except UNAVAILABLE:
                    raise
                except RedisError as error:
                    replies.append(error)
            return replies
        while True:
            async with self.redis.pipeline(transaction=False) as pipe:
                for of_room in keys_of:
                    cast("Any", pipe).evalsha(script.sha, len(of_room), *of_room, *args)
                replies = await pipe.execute(raise_on_error=False)
            if not any(isinstance(reply, NoScriptError) for reply in replies):
                return replies
            await cast("Any", self.redis).script_load(script.script)

    async def members(self, lives_ms: int, rooms: str) -> dict[str, str]:
        """Show that this consumer lives (0: that it leaves) and return the live ones with their rooms."""
        async with asyncio.timeout(TIMEOUT_S):
            flat = await self._members(
                keys=[keys.group_members(self.group)], args=[self.owner, lives_ms, rooms]
            )
        parts = [text(part) for part in cast("list[Any]", flat)]
        return dict(zip(parts[::2], parts[1::2], strict=True))

    async def read_new(self, rooms: Sequence[str], count: int) -> list[tuple[str, list[Entry] | RedisError]]:
        """Return new entries by room, without waiting for any; a refusal is in their place."""
        by_key = {keys.stream(room): room for room in rooms}
        found: list[tuple[str, list[Entry] | RedisError]] = []
        for part in [{key: room} for key, room in by_key.items()] if self._in_slots else [by_key]:
            try:
                found += await self._read_new(part, count)
            except UNAVAILABLE:
                raise
            except RedisError as error:
                if len(part) == 1:
                    found += [(room, error) for room in part.values()]
                    continue
                for room in part.values():  # one that refuses must not keep the others
                    found += await self.read_new([room], count)
        return found

    async def _read_new(self, by_key: dict[str, str], count: int) -> list[tuple[str, list[Entry]]]:
        streams = (*by_key, *(">" for _ in by_key))
        parts = ("XREADGROUP", "GROUP", self.group, self.consumer, "COUNT", count, "STREAMS", *streams)
        async with asyncio.timeout(TIMEOUT_S):
            if self._kept is None:
                read = cast("Any", self.redis).xreadgroup
                reply = await read(self.group, self.consumer, dict.fromkeys(by_key, ">"), count=count)
            else:
                reply = await self._kept.exchange(command(self._kept.encode, *parts))
        found = cast("Any", reply.items() if isinstance(reply, dict) else reply or ())
        return [
            (by_key[text(key)], [(text(entry_id), fields) for entry_id, fields in entries])
            for key, entries in found
        ]

    async def claim(self, room: str, cursor: str, *, idle_ms: int, count: int) -> Claimed:
        """Claim a page of what was given out and not acknowledged; waits while Redis is away."""
        claim = cast("Any", self.redis).xautoclaim
        reply = await until_available(
            lambda: claim(
                keys.stream(room), self.group, self.consumer, idle_ms, start_id=cursor, count=count
            ),
            TIMEOUT_S,
        )
        # Redis 6.2 gives nothing in the place of a removed entry and keeps it pending; 7 lists and drops it.
        entries = [(text(entry_id), fields) for entry_id, fields in reply[1] if fields]
        return Claimed(
            text(reply[0]), entries, removed=len(entries) < len(reply[1]) or bool(reply[2:] and reply[2])
        )

    async def tried(self, room: str, entry_id: str, attempt: str) -> int:
        """Note that the first of the claimed entries is about to be tried; return how often that was so.

        Only the first: the others wait behind it, so their consumers did not die of them. A call that is
        repeated while Redis is away counts once, by the name `attempt`.
        """
        return await self._note_try(room, entry_id, attempt, "tries")

    async def tried_not(self, room: str, entry_id: str, attempt: str) -> None:
        """Take `tried` back: it did not come to that."""
        await self._note_try(room, entry_id, attempt, "tried not")

    async def _note_try(self, room: str, *args: str) -> int:
        script_keys = [keys.consumer_group(room, self.group)]
        return int(
            await until_available(lambda: cast("Any", self._try)(keys=script_keys, args=args), TIMEOUT_S)
        )

    async def drop_removed(self, room: str) -> int:
        """Acknowledge what waits for an ack and is not in the stream any more; return how many."""
        client, key, dropped, start = cast("Any", self.redis), keys.stream(room), 0, "-"
        while True:
            page = await until_available(
                lambda start=start: client.xpending_range(
                    key, self.group, min=start, max="+", count=_PENDING_PAGE, consumername=self.consumer
                ),
                TIMEOUT_S,
            )
            for waiting in page:
                entry_id = waiting["message_id"]
                there = await until_available(
                    lambda entry_id=entry_id: client.xrange(key, min=entry_id, max=entry_id), TIMEOUT_S
                )
                if not there:
                    dropped += await self.ack(room, text(entry_id))
            if len(page) < _PENDING_PAGE:
                return dropped
            start = f"({text(page[-1]['message_id'])}"

    async def ack(self, room: str, *entry_ids: str) -> int:
        """Acknowledge entries; waits while Redis is away."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return int(await self._ack(room, entry_ids))
        except UNAVAILABLE:
            return int(await until_available(lambda: self._ack(room, entry_ids), TIMEOUT_S))

    def _ack(self, room: str, entry_ids: Sequence[str]) -> Awaitable[Any]:
        parts = ("XACK", keys.stream(room), self.group, *entry_ids)
        if self._kept is None:
            return self._execute(*parts)
        return self._kept.exchange(command(self._kept.encode, *parts))

    async def done(self, room: str, last: Recorded | None, ids: Sequence[str] = ()) -> None:
        """Acknowledge `ids`, and note that `last` was handled; waits while Redis is away."""
        if last is None:
            if ids:
                await self.ack(room, *ids)
            return
        closed = "1" if last.type == "ROOM_CLOSED" else ""
        noted = (
            keys.consumer_group(room, self.group),
            self.owner,
            last.session,
            str(last.seq),
            last.id,
            closed,
        )
        await until_available(lambda: self._acked_and_noted(room, ids, noted), TIMEOUT_S)

    async def _acked_and_noted(self, room: str, ids: Sequence[str], noted: Sequence[str]) -> None:
        if self._kept is not None and ids:
            encode = self._kept.encode
            ack = command(encode, "XACK", keys.stream(room), self.group, *ids)
            note = command(encode, "EVALSHA", self._note.sha, 1, *noted)
            replies = await self._kept.exchange_all((ack, note))
            refusals = [reply for reply in replies if isinstance(reply, RedisError)]
            for refusal in refusals:
                if not isinstance(refusal, NoScriptError):
                    raise refusal
            if not refusals:
                return
        elif ids:
            await self._ack(room, ids)
        await cast("Any", self._note)(keys=noted[:1], args=noted[1:])

    async def bury(self, room: str, entry: Entry, reason: Reason, error: str, tries: int) -> bool:
        """Move an entry to the dead letters; False where it was not pending. Waits while Redis is away."""
        args = [self.group, self.consumer, entry[0], reason, shortened(error), tries, pack(entry[1])]
        script_keys = [keys.stream(room), keys.dead_letters(room)]
        letter = await until_available(
            lambda: cast("Any", self._dead)(keys=script_keys, args=args), TIMEOUT_S
        )
        return bool(letter)

    async def leave(self, room: str) -> None:
        """Give the room back."""
        await cast("Any", self._leave)(
            keys=[keys.stream(room), keys.consumer_group(room, self.group)],
            args=[self.group, self.owner, self.consumer],
        )


def _lease(reply: Any) -> Taken | Held | RedisError:
    if isinstance(reply, RedisError):
        return reply
    match [text(part) for part in reply]:
        case ["mine", session, seq, entry_id, closed, now_session, now_seq, pending, given_out]:
            handled = Position(session, int(seq), entry_id, bool(closed)) if entry_id else None
            return Taken(handled, now_session, int(now_seq or 0), int(pending), given_out)
        case [_, left_ms]:
            return Held(int(left_ms))
        case other:
            return RedisError(f"unexpected reply {other!r}")

"""Who is in a room: joined, heard of, gone. Agents send heartbeats; a silent one is taken off the list."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from streams import events as ev
from streams import keys, scripts
from streams.vocabulary import ParticipantKind
from swarm.floor_state import SILENT_AFTER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

    from streams.events import Recorded

__all__ = ("HEARTBEAT_S", "SILENT_AFTER_MS", "Member", "Roster")

HEARTBEAT_S = 2.0


@dataclass(frozen=True, slots=True)
class Member:
    """One participant as the roster knows it; times on Redis's clock."""

    identity: str
    kind: ParticipantKind
    role: str
    joined_ms: int
    seen_ms: int


class Roster:
    """The room's list of participants, shared by all processes.

    `members()` is the local copy from the last call; `join`, `beat` and `leave` are one script call each.
    An agent that several processes run under one name is there as long as one of them is.
    Redis errors (redis.exceptions.RedisError) pass through: the caller decides what to do without a roster.
    """

    def __init__(self, redis: Redis, room: str) -> None:
        self._room = keys.checked_name(room, "room")
        self._script = redis.register_script(scripts.load("swarm", "roster.lua"))
        self._members: dict[str, Member] = {}
        self._muted: set[str] = set()
        self._process = secrets.token_hex(4)

    def members(self) -> tuple[Member, ...]:
        """Return the participants known at the last call, by time of joining."""
        return tuple(sorted(self._members.values(), key=lambda member: (member.joined_ms, member.identity)))

    def agents(self) -> tuple[str, ...]:
        """Return the identities of the agents, by time of joining."""
        return tuple(member.identity for member in self.members() if member.kind is ParticipantKind.AGENT)

    def is_person(self, identity: str) -> bool:
        """Return whether `identity` is to be listened to: who has not joined as an agent and is not muted."""
        member = self._members.get(identity)
        if identity in self._muted:
            return False
        return member is None or member.kind is ParticipantKind.PERSON

    def know_muted(self, identities: Iterable[str]) -> None:
        """Learn who is muted so far; later changes come by `feed`."""
        self._muted.update(identities)

    def feed(self, entry: Recorded) -> None:
        """Take an event of the room, so that the local copy knows at once of who came, went or was muted."""
        match entry.event:
            case ev.ParticipantJoined(participant=who, participant_kind=kind, role=role):
                if who not in self._members:
                    self._members[who] = Member(who, kind, role, entry.at_ms, entry.at_ms)
            case ev.ParticipantLeft(participant=who):
                self._members.pop(who, None)
            case ev.ParticipantMuted(participant=who, muted=True):
                self._muted.add(who)
            case ev.ParticipantMuted(participant=who):
                self._muted.discard(who)
            case _:
                pass

    async def join(self, identity: str, kind: ParticipantKind, role: str = "") -> None:
        """Put `identity` on the list; PARTICIPANT_JOINED is written once."""
        await self._call("join", identity, kind, role, "")

    async def beat(self, identity: str, kind: ParticipantKind, role: str = "") -> tuple[str, ...]:
        """Say that `identity` is alive (joins again if it was taken off) and refresh the local copy.

        Returns the agents that this took off the list, because their heartbeats have stopped: whoever learns
        of them tells the floor (`TalkingStick.gone`).
        """
        return await self._call("beat", identity, kind, role, "")

    async def leave(self, identity: str, reason: str = "left") -> bool:
        """Take `identity` off the list; PARTICIPANT_LEFT is written if it was on it.

        False where it was not, or another process runs an agent of that name.
        """
        return identity in await self._call("leave", identity, ParticipantKind.PERSON, "", reason)

    async def _call(
        self, command: str, identity: str, kind: ParticipantKind, role: str, reason: str
    ) -> tuple[str, ...]:
        keys.checked_name(identity, "participant")
        raw = await self._script(
            keys=[keys.stream(self._room), keys.meta(self._room), keys.roster(self._room)],
            args=[command, self._room, identity, str(kind), role, SILENT_AFTER_MS, "", reason, self._process],
        )
        flat, off = ([_text(item) for item in part] for part in cast("list[list[bytes | str]]", raw))
        self._members = {
            who: _member(who, json.loads(text)) for who, text in zip(flat[::2], flat[1::2], strict=True)
        }
        return tuple(off)


def _text(item: bytes | str) -> str:
    return item.decode() if isinstance(item, bytes) else item


def _member(identity: str, fields: dict[str, str | float]) -> Member:
    return Member(
        identity=identity,
        kind=ParticipantKind(str(fields["kind"])),
        role=str(fields["role"]),
        joined_ms=int(fields["joined_ms"]),
        seen_ms=int(fields["seen_ms"]),
    )

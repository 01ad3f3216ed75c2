"""Which rooms a consumer has: taken, renewed, shared with the other members of the group."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from redis.exceptions import RedisError

from streams.connection import UNAVAILABLE, end_if_cancelled
from streams.consumer_settings import share_of
from streams.group_calls import Held, Taken
from streams.room_work import OwnedRoom

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from streams.consumer_settings import ConsumerSettings
    from streams.group_calls import GroupCalls

logger = logging.getLogger(__name__)

__all__ = ("Leases", "Told")

_RENEWALS = 3
"""Of a lease, before it ends."""
_MARGIN = 0.9
"""The local view of a lease ends before Redis's."""
_LATER_S = 0.005
"""After the end of another's lease."""


class Told(Protocol):
    """Who works on the rooms, and is told of them."""

    def taken(self, room: OwnedRoom) -> None:
        """Begin to work on the room."""
        ...

    def renewed(self, room: OwnedRoom) -> None:
        """Go on where it was left, if it was."""
        ...

    def lost(self, room: OwnedRoom) -> None:
        """Begin nothing more in the room."""
        ...

    async def flush(self, room: OwnedRoom) -> None:
        """Acknowledge what was handled."""
        ...


class Leases:
    """Keeps the leases of one consumer, in `owned`.

    A consumer of several rooms takes those that fall to it among the live members of the group.
    """

    def __init__(
        self,
        calls: GroupCalls,
        settings: ConsumerSettings,
        owned: MutableMapping[str, OwnedRoom],
        *,
        clock: Callable[[], float],
        rooms: tuple[str, ...] | None,
        told: Told,
    ) -> None:
        self._calls = calls
        self._settings = settings
        self._owned = owned
        self._clock = clock
        self._shares = rooms is None or len(rooms) > 1
        self._scope = "*" if rooms is None else " ".join(rooms)
        self._wanted: dict[str, float] = dict.fromkeys(rooms or (), 0.0)
        """Room to the monotonic time at which to ask for it."""
        self._ending: dict[str, OwnedRoom] = {}
        """Rooms that are not ours any more while a handler is still at work on them."""
        self._members: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._told = told

    def wake(self) -> None:
        """Look at the rooms again: work on one of them has ended."""
        self._changed.set()

    def retake(self, room: OwnedRoom, delay_s: float) -> None:
        """Give up a room that Redis refuses to serve, and ask for it again after a while."""
        self._wanted[room.name] = self._clock() + delay_s
        self._drop(room)
        self._changed.set()

    def discovered(self, room: str) -> None:
        """Take note of a room that there is."""
        if room not in self._wanted:
            self._wanted[room] = 0.0
            self._changed.set()

    async def keep(self) -> None:
        """Take and renew until cancelled."""
        every_s = self._settings.lease_ms / 1000 / _RENEWALS
        renewed_s = float("-inf")
        while True:
            end_if_cancelled()
            self._changed.clear()
            try:
                now_s = self._clock()
                if now_s >= renewed_s + every_s * 0.9:
                    await self._share()
                    await self._ask(
                        [room.name for room in self._owned.values() if not room.leaving], new=False
                    )
                    renewed_s = now_s
                await self._give_back()
                await self._ask([room for room, due_s in self._due() if due_s <= self._clock()], new=True)
            except UNAVAILABLE as error:
                extra = {"reason": str(error) or type(error).__name__}
                logger.info("streams.waiting_for_redis", extra=extra)
                renewed_s = self._clock() - every_s * 0.8  # asked again soon
            ends_s = min((due_s for _, due_s in self._due()), default=float("inf"))
            wait_s = min(renewed_s + every_s, max(ends_s, self._clock() + 0.01)) - self._clock()
            if wait_s > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._changed.wait()

    async def leave(self) -> None:
        """Be no member any more."""
        if self._shares:
            await self._calls.members(0, self._scope)

    def _due(self) -> list[tuple[str, float]]:
        return [
            (room, due_s)
            for room, due_s in self._wanted.items()
            if room not in self._owned and room not in self._ending and self._falls_to_us(room)
        ]

    def _falls_to_us(self, room: str) -> bool:
        return not self._shares or share_of(room, self._members) == self._calls.owner

    async def _share(self) -> None:
        if not self._shares:
            return
        self._members = await self._calls.members(self._settings.lease_ms, self._scope)
        for room in self._owned.values():
            if not self._falls_to_us(room.name):
                room.leaving, room.until_s = True, float("-inf")

    async def _give_back(self) -> None:
        for name in [name for name, room in self._ending.items() if not room.busy]:
            del self._ending[name]
        for room in [room for room in self._owned.values() if room.leaving and not room.busy]:
            await self._told.flush(room)
            self._drop(room)
            self._wanted[room.name] = self._clock()
            await self._calls.leave(room.name)

    async def _ask(self, rooms: list[str], *, new: bool) -> None:
        if not rooms:
            return
        lease_ms, asked_s = self._settings.lease_ms, self._clock()
        answers = await self._calls.take(rooms, lease_ms, self._settings.begin, new=new)
        for name, answer in zip(rooms, answers, strict=True):
            room = self._owned.get(name)
            match answer:
                case Taken():
                    until_s = asked_s + lease_ms / 1000 * _MARGIN
                    if room is None:
                        sweep_s = asked_s + self._settings.claim_idle_ms / 1000
                        self._owned[name] = room = OwnedRoom(name, until_s, answer, sweep_s=sweep_s)
                        self._told.taken(room)
                    elif not room.leaving:
                        room.until_s, room.taken = until_s, answer
                        self._look_after(room, asked_s)
                case Held(left_ms):
                    self._wanted[name] = self._clock() + left_ms / 1000 + _LATER_S
                    if room is not None:
                        self._drop(room)
                case RedisError():
                    logger.warning("streams.lease_refused", extra={"room": name, "reason": str(answer)})
                    self._wanted[name] = self._clock() + lease_ms / 1000
                    if room is not None:
                        self._drop(room)

    def _look_after(self, room: OwnedRoom, now_s: float) -> None:
        if now_s >= room.sweep_s and not room.busy and not room.recovers:
            room.sweep_s = now_s + self._settings.claim_idle_ms / 1000
            room.recovers, room.recover_idle_ms = True, self._settings.claim_idle_ms
        self._told.renewed(room)

    def _drop(self, room: OwnedRoom) -> None:
        room.until_s = float("-inf")
        self._owned.pop(room.name, None)
        if room.busy:
            self._ending[room.name] = room
        self._told.lost(room)

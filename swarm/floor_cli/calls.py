"""What the commands of `swarm floor` do, each on the floor of one room."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from streams import keys, rooms
from streams.connection import server_time_ms
from streams.errors import InvalidEventError, StreamUnavailableError
from streams.vocabulary import ParticipantKind
from swarm import floor_commands as fc
from swarm.errors import InvalidCommandError, NotPermittedError, SettingError, StaleTokenError
from swarm.floor_cli import shown
from swarm.floor_cli.shown import NO, Answer
from swarm.floor_client import FloorClient
from swarm.floor_state import Floor
from swarm.floor_status import status_of
from swarm.participant import Participant, Priority
from swarm.redis_connection import redis_of_swarm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from swarm.floor_status import FloorStatus

    Act = Callable[[FloorClient], Awaitable[Answer]]

CALL_LIMIT_S = 2.0
_ROOMS_SHOWN = 8


def participant(identity: str, role: str, kind: str = "agent") -> Participant:
    """Return who acts.

    Raises:
        SettingError: a name or a kind that cannot be.
    """
    try:
        return Participant(checked(identity, "--as"), ParticipantKind(kind), role and checked(role, "--role"))
    except ValueError as error:
        raise SettingError("--kind", f"{kind!r} is no kind of participant", "Use person or agent") from error


def checked(name: str, setting: str) -> str:
    """Return `name` if a participant can have it.

    Raises:
        SettingError: it cannot; names the setting.
    """
    try:
        return keys.checked_name(name, setting.lstrip("-").lower())
    except InvalidEventError as error:
        raise SettingError(setting, error.reason, "Name it like anna or host-1") from error


def priority(name: str) -> Priority:
    """Return the priority of that name.

    Raises:
        SettingError: there is none.
    """
    try:
        return Priority[name.upper()]
    except KeyError as error:
        names = ", ".join(each.name.lower() for each in Priority)
        raise SettingError("--priority", f"{name!r} is no priority", f"Use one of {names}") from error


async def see_to_room(redis: Redis, room: str, *, new: bool) -> None:
    """Check that the room exists; with `new`, list it where it does not.

    Raises:
        SettingError: a name that no room can have, or no such room, or REDIS_URL went away.
    """
    try:
        keys.checked_name(room, "room")
    except InvalidEventError as error:
        raise SettingError("ROOM", error.reason, "Name it like lobby or meeting-7") from error
    try:
        # Each by itself: a client of a Cluster counts over its nodes.
        places = (keys.floor(room), keys.meta(room), keys.stream(room), keys.roster(room))
        if any([await cast("Any", redis).exists(place) for place in places]):
            return
        if new:
            await rooms.register(redis, room)
            return
        known, _ = await rooms.listed(redis)
    except (RedisError, OSError) as error:
        raise StreamUnavailableError(str(error) or type(error).__name__) from error
    raise SettingError("ROOM", f"there is no room {room!r} here", _cure(known))


def _cure(known: list[str]) -> str:
    if not known:
        return "There are no rooms yet: an agent opens one, or `swarm floor request ROOM --as NAME --new`"
    more = f" and {len(known) - _ROOMS_SHOWN} more" if len(known) > _ROOMS_SHOWN else ""
    return f"There are {', '.join(known[:_ROOMS_SHOWN])}{more}; --new of request and set opens one"


def floor_of(redis: Redis, room: str) -> FloorClient:
    """Return the commands of the room's floor."""
    return FloorClient(redis, room, settings=None, clock=time.monotonic, call_limit_s=CALL_LIMIT_S)


async def act(room: str, command: Act, *, new: bool = False) -> Answer:
    """Do one thing on the floor of `room`.

    Raises:
        SettingError: see `redis_of_swarm` and `see_to_room`; or the role may not do that.
        StreamUnavailableError: Redis went away.
    """
    async with redis_of_swarm() as redis:
        await see_to_room(redis, room, new=new)
        try:
            return await command(floor_of(redis, room))
        except NotPermittedError as error:
            raise SettingError("--role", str(error), "Use --role chair") from error
        except StaleTokenError as error:
            return Answer(
                f"token {error.token} of {shown.safe(error.participant)} is not the current one",
                NO,
                {"changed": False, "reason": "stale", "token": error.token, "current": error.current},
            )
        except (InvalidEventError, InvalidCommandError) as error:
            raise SettingError("argument", str(error), "See --help") from error


async def look(room: str) -> FloorStatus:
    """Return the floor of `room` as it is now.

    Raises:
        SettingError: see `redis_of_swarm` and `see_to_room`.
        StreamUnavailableError: Redis went away.
    """
    async with redis_of_swarm() as redis:
        await see_to_room(redis, room, new=False)
        return await glance(redis, floor_of(redis, room))


async def glance(redis: Redis, floor: FloorClient) -> FloorStatus:
    """Return the floor as it is; one that nobody has used yet is left to whoever sets it up by its first use.

    Raises:
        StreamUnavailableError: Redis went away.
    """
    try:
        if not await cast("Any", redis).exists(keys.floor(floor.room)):
            return status_of(Floor(), int(await server_time_ms(redis, keys.floor(floor.room))), {})
    except (RedisError, OSError) as error:
        raise StreamUnavailableError(str(error) or type(error).__name__) from error
    return await floor.status()


async def release(
    floor: FloorClient, by: Participant, token: int | None, to: str | None, reason: str
) -> Answer:
    """Give back what `by` holds, or hand it to `to`."""
    if token is None:
        found = await floor.status()
        if found.holder != by.identity:
            return _not_holding(by, found)
        token = found.token
    if to == by.identity:
        raise SettingError("TO", f"{to} would hand the floor to itself", "Name another participant")
    await floor.release(by, token, to=to, tail_done=True, reason=reason)
    fields = {"changed": True, "participant": by.identity, "token": token, "to": to}
    handed = f" and handed it to {shown.safe(to)}" if to else ""
    return Answer(f"{shown.safe(by.identity)} gave the floor back{handed}", fields=fields)


async def withdraw(floor: FloorClient, by: Participant, request_id: str | None, reason: str) -> Answer:
    """Take a waiting request back."""
    if request_id is None:
        waiting = (await floor.status()).queue
        request_id = next((each.request_id for each in waiting if each.participant == by.identity), None)
    if request_id is None:
        return _nothing(f"{shown.safe(by.identity)} does not wait for the floor", "not_waiting")
    await floor.withdraw(by, request_id, reason=reason)
    fields = {"changed": True, "participant": by.identity, "request_id": request_id}
    return Answer(f"{shown.safe(by.identity)} does not wait any more", fields=fields)


async def revoke(floor: FloorClient, by: Participant, token: int | None, reason: str) -> Answer:
    """Take the floor from who holds it now, or from the holder of `token` only."""
    before = await floor.status()
    if before.holder is None and by.chairs:
        return _nothing("nobody holds the floor", "idle")
    if not await floor.revoke(by, token=token or before.token, reason=reason):
        return _nothing("the floor has changed hands, nothing was revoked", "token")
    fields = {"changed": True, "participant": before.holder, "token": before.token}
    return Answer(f"{shown.safe(before.holder or '')} lost the floor", fields=fields)


async def close(floor: FloorClient, by: Participant, reason: str) -> Answer:
    """Serve no requests any more."""
    changed = await floor.close_floor(by, reason=reason)
    return Answer("the floor is closed" if changed else "it was closed before", fields={"changed": changed})


async def open_(floor: FloorClient, by: Participant) -> Answer:
    """Serve requests again."""
    changed = await floor.open_floor(by)
    return Answer("the floor is open" if changed else "it was open before", fields={"changed": changed})


async def grant(floor: FloorClient, by: Participant, heir: str, reason: str, *, now: bool) -> Answer:
    """Have `heir` served before all others."""
    await floor.status()  # the clock that a new request id needs comes with the answer
    found = await floor.grant_to(by, heir, reason=reason, now=now)
    if isinstance(found, fc.Unchanged):
        return _nothing(f"{shown.safe(heir)} holds the floor already", found.reason)
    return shown.outcome(found, by.identity)


async def deny(floor: FloorClient, by: Participant, whom: str, reason: str) -> Answer:
    """Refuse what `whom` waits for."""
    if not await floor.deny(by, whom, reason=reason):
        return _nothing(f"{shown.safe(whom)} does not wait for the floor", "not_waiting")
    return Answer(f"{shown.safe(whom)} is denied the floor", fields={"changed": True, "participant": whom})


async def mute(floor: FloorClient, by: Participant, whom: str, *, muted: bool) -> Answer:
    """Keep `whom` from the floor, or let it ask again."""
    changed = await floor.mute(by, whom, muted=muted)
    if not changed and muted and whom not in (await floor.status()).muted:
        return _nothing(f"{shown.safe(whom)} cannot be muted: too many are", "too_many")
    state = "muted" if muted else "not muted"
    before = "" if changed else " (was so before)"
    fields = {"changed": changed, "participant": whom, "muted": muted}
    return Answer(f"{shown.safe(whom)} is {state}{before}", fields=fields)


def _not_holding(by: Participant, found: FloorStatus) -> Answer:
    holder = f"{shown.safe(found.holder)} holds it" if found.holder else "nobody holds it"
    return _nothing(f"{shown.safe(by.identity)} does not hold the floor: {holder}", "not_holding")


def _nothing(text: str, reason: str) -> Answer:
    return Answer(text, NO, {"changed": False, "reason": reason})

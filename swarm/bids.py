"""The bids for a room's turns, and the one decision about each: kept in Redis, made in one script."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from streams import keys, scripts
from streams.errors import StreamUnavailableError
from swarm.allocation import Choice, bid_reason
from swarm.allocation_bids import checked_bid
from swarm.allocation_settings import AllocationSettings
from swarm.errors import InvalidBidError, InvalidCommandError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from redis.asyncio import Redis

CALL_LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class StillOpen:
    """Bids are still being collected."""

    left_ms: int


class Bids:
    """Bids and decisions of one room; `window_ms` counts from the first call that names a turn.

    Calls are safe to repeat: an agent's first bid and the first decision stand. Every call ends within a
    second. `redis` may decode its replies or not. `text` stands in for the script's source.
    """

    def __init__(self, redis: Redis, room: str, *, text: str | None = None) -> None:
        self.room = keys.checked_name(room, "room")
        self._script = redis.register_script(text or scripts.load("swarm", "bids.lua"))
        self._keys = [keys.stream(room), keys.meta(room), keys.roster(room), keys.turns(room)]

    async def bid(self, participant: str, turn: str, score: float, reason: str, *, window_ms: int) -> bool:
        """Bid for `turn` and have the BID recorded; False where it came too late, or was made before.

        Raises:
            InvalidBidError: the score is no number from 0 to 10, the reason is longer than 300 characters, or
                the participant is no agent of the room.
            StreamUnavailableError: Redis did not answer.
        """
        keys.checked_name(participant, "participant")
        value, reason = checked_bid(participant, score, reason)
        arguments = {"participant": participant, "score": value, "reason": reason}
        try:
            reply = await self._call("bid", participant, turn, window_ms, arguments)
        except InvalidCommandError as error:
            if error.what != "participant":
                raise
            what = f"it is no agent of room {self.room!r}"
            raise InvalidBidError(participant=participant, score=score, what=what) from error
        return reply[0] == "counted"

    async def decide(
        self, turn: str, agents: Sequence[str], *, fallback: Choice, window_ms: int, by: str
    ) -> Choice | StillOpen:
        """Return who of `agents` won the turn, or how long bids are still awaited.

        Decided as soon as all `agents` have bid, and at the end of the window by the bids that came; with
        none, `fallback` answers. Once it is decided everybody is told the same, whomever they name.

        Raises:
            InvalidCommandError: a name or the window makes no sense.
            StreamUnavailableError: Redis did not answer.
        """
        arguments = {"agents": list(agents), "fallback": fallback.identity, "why": fallback.reason}
        reply = await self._call("decide", by, turn, window_ms, arguments)
        if reply[0] == "open":
            return StillOpen(int(reply[1]))
        return _choice(reply)

    async def settle(self, turn: str, choice: Choice, *, by: str) -> Choice:
        """Decide without bids; return what stands: `choice`, or what was decided before.

        Raises:
            InvalidCommandError: a name makes no sense.
            StreamUnavailableError: Redis did not answer.
        """
        arguments = {"winner": choice.identity, "why": choice.reason}
        return _choice(await self._call("settle", by, turn, 0, arguments))

    async def _call(
        self, command: str, by: str, turn: str, window_ms: int, arguments: dict[str, Any]
    ) -> list[str]:
        arguments = {"turn": turn, "window_ms": window_ms, **arguments}
        args = [command, self.room, keys.checked_name(by, "source"), json.dumps(arguments)]
        reply = await answered(self._script(keys=self._keys, args=args))
        if reply[0] == "refused":
            raise InvalidCommandError(command=command, what=reply[1])
        return reply


class AllocationStore:
    """How one room decides who answers, shared by its processes."""

    def __init__(self, redis: Redis, room: str) -> None:
        self.room = keys.checked_name(room, "room")
        self._script = redis.register_script(scripts.load("swarm", "allocation.lua"))
        self._keys = [keys.stream(room), keys.meta(room), keys.allocation(room)]

    async def adopt(self, settings: AllocationSettings | None, *, by: str) -> AllocationSettings:
        """Return the room's settings, which become `settings` where nobody has set any; None sets nothing.

        Raises:
            StreamUnavailableError: Redis did not answer.
        """
        return await self._call("read" if settings is None else "adopt", settings, by)

    async def change(
        self, settings: AllocationSettings | Mapping[str, Any], *, by: str
    ) -> AllocationSettings:
        """Change the room's settings that are named, or all by an `AllocationSettings`; return all of them.

        SETTINGS_CHANGED says what changed.

        Raises:
            SettingError: no such setting or policy, or a time outside its bounds.
            StreamUnavailableError: Redis did not answer.
        """
        return await self._call("change", settings, by)

    async def _call(
        self, command: str, settings: AllocationSettings | Mapping[str, Any] | None, by: str
    ) -> AllocationSettings:
        named = settings.as_dict() if isinstance(settings, AllocationSettings) else settings or {}
        wanted = json.dumps(AllocationSettings.checked(named))
        args = [command, self.room, keys.checked_name(by, "source"), wanted]
        flat = await answered(self._script(keys=self._keys, args=args))
        found: dict[str, Any] = {}
        for name, value in zip(flat[::2], flat[1::2], strict=True):
            try:
                found[name] = json.loads(value)
            except ValueError:
                continue  # not written by us: the default holds
        return AllocationSettings().changed(found)


async def answered(call: Awaitable[Any]) -> list[str]:
    """Return a script's reply as texts.

    Raises:
        StreamUnavailableError: Redis refused, or did not answer in time.
    """
    try:
        async with asyncio.timeout(CALL_LIMIT_S):
            raw = await call
    except TimeoutError as error:
        raise StreamUnavailableError(f"no answer within {CALL_LIMIT_S:.3g} s") from error
    except (RedisError, OSError) as error:
        raise StreamUnavailableError(str(error) or type(error).__name__) from error
    return [each.decode() if isinstance(each, bytes) else str(each) for each in cast("list[Any]", raw)]


def _choice(reply: list[str]) -> Choice:
    _, winner, why, score = reply
    return Choice(winner, bid_reason(float(score), why) if score else why)

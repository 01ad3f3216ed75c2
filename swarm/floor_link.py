"""Commands to one room's floor, each with a limit; misuse and Redis's absence become typed errors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from redis.exceptions import RedisError

from streams.clock import ServerClock
from streams.connection import server_time_ms
from streams.errors import StreamUnavailableError
from streams.keys import checked_name, floor
from streams.request_ids import checked_request_id
from swarm import floor_commands as fc
from swarm.errors import InvalidCommandError
from swarm.floor_script import FloorScript

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from swarm.floor_state import Floor, FloorSettings
    from swarm.floor_wire import Outlook

LONGEST_REASON = 500
_NAMES = ("participant", "on_behalf_of", "to", "by", "person", "observer")
_MAY_BE_EMPTY = ("on_behalf_of", "to")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome, what the floor looked like then, and when the call was sent and answered (monotonic)."""

    outcome: fc.Outcome
    outlook: Outlook
    sent_s: float
    received_s: float


class FloorLink:
    """Sends commands to the floor of one room.

    `on_answer` is told of every answer first: nobody sees an outcome before the process has taken note of the
    token in it.
    """

    def __init__(
        self,
        redis: Redis,
        room: str,
        settings: FloorSettings,
        *,
        clock: Callable[[], float],
        limit_s: float,
        on_answer: Callable[[Answer], None],
    ) -> None:
        self._redis = redis
        self._key = floor(room)
        self._script = FloorScript(redis, room, settings)
        self._clock = clock
        self._limit_s = limit_s
        self._on_answer = on_answer
        self.server_clock = ServerClock(clock)

    async def start(self) -> None:
        """Learn Redis's time.

        Raises:
            StreamUnavailableError: Redis did not answer.
        """
        sent_s = self._clock()
        shown_ms = await self._limited(server_time_ms(self._redis, self._key), self._limit_s)
        self.server_clock.observe(shown_ms, sent_s, self._clock())

    async def send(self, command: fc.Command, by: str, *, limit_s: float | None = None) -> Answer:
        """Run `command`; `by` is the source of its events.

        Raises:
            streams.InvalidEventError: a name or a request id breaks the rules for names.
            InvalidCommandError: the floor does not understand it, or a reason is over 500 characters.
            StreamUnavailableError: Redis refused, or did not answer within the link's limit and `limit_s`.
        """
        _check(command, by)
        limit_s = self._limit_s if limit_s is None else min(limit_s, self._limit_s)
        sent_s = self._clock()
        outcome, outlook = await self._limited(self._script.run(command, by), limit_s)
        received_s = self._clock()
        self.server_clock.observe(outlook.now_us / 1000, sent_s, received_s)
        answer = Answer(outcome, outlook, sent_s, received_s)
        self._on_answer(answer)
        if isinstance(outcome, fc.Invalid):
            raise InvalidCommandError(command=type(command).__name__, what=outcome.what)
        return answer

    async def read(self) -> Floor:
        """Return the state as it is kept.

        Raises:
            StreamUnavailableError: Redis did not answer.
        """
        return await self._limited(self._script.read(), self._limit_s)

    async def room_idle_ms(self) -> int | None:
        """Return the room's setting of that name; None where nobody has used the floor yet.

        Raises:
            StreamUnavailableError: Redis did not answer.
        """
        found = await self._limited(cast("Any", self._redis).hget(self._key, "room_idle_ms"), self._limit_s)
        return None if found is None else int(found)

    async def _limited(self, call: Awaitable[_T], limit_s: float) -> _T:
        try:
            async with asyncio.timeout(limit_s):
                return await call
        except TimeoutError as error:
            raise StreamUnavailableError(f"no answer within {limit_s:.3g} s") from error
        except (RedisError, OSError) as error:
            raise StreamUnavailableError(str(error) or type(error).__name__) from error


def why_not(outcome: fc.Outcome) -> str:
    """Return in a word why a request has no grant."""
    match outcome:
        case fc.Denied(reason=reason) | fc.Unchanged(reason=reason):
            return reason
        case fc.Ended(state="withdrawn", reason=reason) if reason:
            return reason
        case fc.Ended(state=state):
            return state
        case _:
            return type(outcome).__name__.lower()


def _check(command: fc.Command, by: str) -> None:
    checked_name(by, "source")
    names, has_request_id, has_reason = _checked_fields(type(command))
    for field in names:
        name = getattr(command, field)
        if name or field not in _MAY_BE_EMPTY:
            checked_name(name, field)
    if has_request_id:
        checked_request_id(cast("fc.Request", command).request_id)
    if has_reason and len(cast("fc.Request", command).reason) > LONGEST_REASON:
        raise InvalidCommandError(command=type(command).__name__, what="reason")


@cache
def _checked_fields(kind: type[fc.Command]) -> tuple[tuple[str, ...], bool, bool]:
    """Return which fields of a command are names, and whether it has a request id and a reason."""
    there = {each.name for each in fields(kind)}
    return tuple(name for name in _NAMES if name in there), "request_id" in there, "reason" in there

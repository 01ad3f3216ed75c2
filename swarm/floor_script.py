"""Runs the floor script: one command, one call."""

from __future__ import annotations

import json
from contextlib import nullcontext
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, cast

from streams import keys, scripts
from streams.script_call import ScriptCall
from streams.tracing import here, writing
from swarm.floor_wire import SCRIPT_PARTS, Outlook, decode_floor, decode_reply, encode_command

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from redis.asyncio import Redis

    from swarm import floor_commands as fc
    from swarm.floor_state import Floor, FloorSettings


_REPEATED = frozenset({"renew", "tick", "person_speaking"})
"""Commands that timers send: they go into a trace that there is already, and begin none."""


@cache
def source() -> str:
    """Return the whole floor script, the append step in front."""
    first, *others = SCRIPT_PARTS
    parts = [resources.files("swarm").joinpath("lua", name).read_text(encoding="utf-8") for name in others]
    # Lua 5.1 searches for each local that a function takes from the one around it, and copies what comes from
    # further out: a script of many functions starts in half the time with each part inside the one before. A
    # part may take up to 60 locals of those before it.
    return "\nreturn (function()\n".join((scripts.load("swarm", first), *parts)) + "\nend)()" * len(parts)


def floor_keys(room: str) -> list[str]:
    """Return the keys that the floor script takes, in order."""
    return [
        keys.stream(room),
        keys.meta(room),
        keys.floor(room),
        keys.queue(room),
        keys.order(room),
        keys.people(room),
        keys.tokens(room),
        keys.requests(room),
        keys.request_ages(room),
        keys.roster(room),
    ]


class FloorScript:
    """The floor script on one room. Redis's errors (redis.exceptions.RedisError, OSError) pass through."""

    def __init__(self, redis: Redis, room: str, settings: FloorSettings, *, text: str | None = None) -> None:
        self._redis = redis
        self._room = keys.checked_name(room, "room")
        self._keys = floor_keys(room)
        self._settings = json.dumps(settings.as_dict())
        self._call = ScriptCall(redis, source() if text is None else text, self._keys)

    async def run(self, command: fc.Command, by: str) -> tuple[fc.Outcome, Outlook]:
        """Run one command; `by` is the `source` of the events that it writes."""
        name, arguments = encode_command(command)
        traced = nullcontext(here()) if name in _REPEATED else self._span(name, by)
        with traced as traceparent:
            reply = await self._call(name, self._room, by, arguments, self._settings, traceparent)
        return decode_reply(cast("list[bytes | str]", reply))

    def _span(self, name: str, by: str) -> AbstractContextManager[str]:
        return writing(f"floor {name}", room=self._room, source=by)

    async def read(self) -> Floor:
        """Return the state as it is kept: what fell due since the last command has not happened yet."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for key in (self._keys[2], self._keys[3], self._keys[5], self._keys[7], self._keys[9]):
                pipe.hgetall(key)
            cast("Any", pipe).zrange(self._keys[8], 0, -1, withscores=True)
            pipe.hgetall(self._keys[6])
            pipe.hexists(self._keys[1], "session")
            found: list[Any] = await pipe.execute()
        floor, queue, people, requests, roster, ages, tokens, session = found
        return decode_floor(floor, queue, people, requests, dict(ages), tokens, roster, session=bool(session))

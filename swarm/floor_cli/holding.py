"""`swarm floor request`: asks for the floor, and with --wait holds it until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swarm.errors import FloorDeniedError, SettingError
from swarm.floor_cli import shown
from swarm.floor_cli.calls import see_to_room
from swarm.floor_cli.shown import DONE, NO, Answer
from swarm.participant import Priority
from swarm.redis_connection import redis_of_swarm
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Callable

    from swarm.floor_client import FloorClient
    from swarm.grant import Grant, Lost
    from swarm.participant import Participant

    Say = Callable[[Answer], None]

TOKEN_VARIABLE = "SWARM_FLOOR_TOKEN"
"""What a command that runs under a grant finds its fencing token in."""
_ENDS_S = 1.0
"""How long a command that lost the floor has to end after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was given on the command line."""

    by: Participant
    priority: Priority = Priority.NORMAL
    reason: str = ""
    on_behalf_of: str | None = None
    preempt: bool = False
    request_id: str | None = None
    timeout_s: float | None = None
    """Longest wait for the grant."""
    hold_s: float | None = None
    """How long to hold it; None until it is lost or the command is stopped."""
    command: tuple[str, ...] = ()
    """What to run while the floor is held."""


async def request(floor: FloorClient, asked: Asked) -> Answer:
    """Ask once, and tell what became of it."""
    # The clock that a new request id needs comes with the answer, and so does the token to pre-empt.
    status = await floor.status()
    outcome = await floor.request(
        asked.by,
        priority=asked.priority,
        request_id=asked.request_id,
        on_behalf_of=asked.on_behalf_of,
        reason=asked.reason,
        observed_token=status.token if asked.preempt else None,
    )
    return shown.outcome(outcome, asked.by.identity)


async def request_and_hold(room: str, asked: Asked, say: Say, *, new: bool) -> int:
    """Ask, wait, and hold; `say` is told of each change. Return the exit code.

    A request that is waiting when this is cancelled is withdrawn, a grant is released at once.

    Raises:
        SettingError: see `calls.act`; or there is no such program.
        StreamUnavailableError: Redis went away before the request was answered.
    """
    who = shown.safe(asked.by.identity)

    def stands_at(position: int) -> None:
        fields = {"state": "queued", "participant": asked.by.identity, "position": position}
        say(Answer(f"{who} waits at position {position}", fields=fields))

    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_of_swarm())
        await see_to_room(redis, room, new=new)
        stick = await stack.enter_async_context(TalkingStick(redis, room))
        holding = stick.hold(
            asked.by,
            priority=asked.priority,
            reason=asked.reason,
            timeout_s=asked.timeout_s,
            observed_token=(await stick.status()).token if asked.preempt else None,
            on_position=stands_at,
        )
        try:
            grant = await stack.enter_async_context(holding)
        except TimeoutError:
            return _over(say, asked, "gave up waiting", "timeout")
        except FloorDeniedError as error:
            told = f"is denied the floor: {shown.why(error.reason)}"
            return _over(say, asked, told, error.reason, state="denied")
        fields = {"state": "held", "participant": asked.by.identity, "token": grant.token}
        say(Answer(f"{who} holds the floor, token {grant.token}", fields=fields))
        ended = await _hold(grant, asked)
    if isinstance(ended, int):
        return ended
    by = f" to {shown.safe(ended.by)}" if ended.by else ""
    return _over(say, asked, f"lost the floor{by}: {shown.why(ended.reason)}", ended.reason, by=ended.by)


async def _hold(grant: Grant, asked: Asked) -> int | Lost:
    """Hold for as long as was asked; the exit code, or how the grant was lost."""
    # What is done under this grant cannot be heard from here: it does not count as silence.
    grant.sounds_while(lambda: True)
    if asked.command:
        return await _run(grant, asked)
    try:
        async with asyncio.timeout(asked.hold_s):
            return await grant.lost.wait()
    except TimeoutError:
        return DONE


async def _run(grant: Grant, asked: Asked) -> int | Lost:
    """Run the command under the grant; its exit code, or how the grant was lost."""
    environment = {**os.environ, TOKEN_VARIABLE: str(grant.token)}
    try:
        process = await asyncio.create_subprocess_exec(*asked.command, env=environment, stdout=sys.stderr)
    except OSError as error:
        raise SettingError("COMMAND", f"{asked.command[0]!r}: {error.strerror}", "Name a program") from error
    async with _ended_with(process), asyncio.TaskGroup() as tasks:
        losing = tasks.create_task(_end_when_lost(grant, process))
        exit_code = await process.wait()
        losing.cancel()
    lost = grant.lost.how
    if lost is not None:
        return lost
    return exit_code if exit_code >= 0 else 128 - exit_code


async def _end_when_lost(grant: Grant, process: Process) -> None:
    await grant.lost.wait()
    _signal(process.terminate)
    try:
        async with asyncio.timeout(_ENDS_S):
            await process.wait()
    except TimeoutError:
        _signal(process.kill)


@asynccontextmanager
async def _ended_with(process: Process) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        if process.returncode is None:
            _signal(process.terminate)
            try:
                async with asyncio.timeout(_ENDS_S):
                    await process.wait()
            except TimeoutError:
                _signal(process.kill)


def _signal(send: Callable[[], Any]) -> None:
    try:
        send()
    except ProcessLookupError:
        return  # it ended by itself


def _over(say: Say, asked: Asked, text: str, reason: str, *, state: str = "over", by: str = "") -> int:
    who = asked.by.identity
    fields = {"state": state, "participant": who, "reason": reason, "by": by}
    say(Answer(f"{shown.safe(who)} {text}", NO, fields))
    return NO

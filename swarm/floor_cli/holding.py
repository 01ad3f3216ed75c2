"""`swarm floor request`: asks for the floor, and with --wait holds it until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.errors import StreamUnavailableError
from swarm import floor_commands as fc
from swarm.errors import FloorDeniedError, SettingError
from swarm.floor_cli import shown
from swarm.floor_cli.calls import redis_of_swarm, see_to_room
from swarm.floor_cli.shown import DONE, NO, Answer
from swarm.participant import Priority
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Callable

    from swarm.floor_client import FloorClient, RequestOutcome
    from swarm.grant import Grant, Lost
    from swarm.participant import Participant

    Say = Callable[[Answer], None]

TOKEN_VARIABLE = "SWARM_FLOOR_TOKEN"
"""What a command that runs under a grant finds its fencing token in."""
_ENDS_S = 1.0
"""How long a command that lost the floor has to end after SIGTERM."""
_GIVE_UP_S = 1.0


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
    return shown.outcome(await _ask(floor, asked), asked.by.identity)


async def request_and_hold(room: str, asked: Asked, say: Say, *, new: bool) -> int:
    """Ask, wait, and hold; `say` is told of each change. Return the exit code.

    A request that is waiting when this is cancelled is withdrawn, a grant is released at once.

    Raises:
        SettingError: see `calls.act`.
        StreamUnavailableError: Redis went away before the floor was granted.
    """
    async with redis_of_swarm() as redis:
        await see_to_room(redis, room, new=new)
        async with TalkingStick(redis, room) as stick:
            first = await _ask(stick, asked)
            if not isinstance(first, fc.Granted):
                say(shown.outcome(first, asked.by.identity))
            if isinstance(first, fc.Denied | fc.Ended):
                return NO
            try:
                async with asyncio.timeout(asked.timeout_s):
                    grant = await _granted(stick, asked.by, first, say)
            except TimeoutError:
                return _told(say, "gave up waiting", "timeout", asked)
            except FloorDeniedError as error:
                return _told(
                    say, f"was not granted the floor: {shown.why(error.reason)}", error.reason, asked
                )
            return await _hold(grant, asked, say)


async def _ask(floor: FloorClient, asked: Asked) -> RequestOutcome:
    # The clock that a new request id needs comes with the answer, and so does the token to pre-empt.
    status = await floor.status()
    return await floor.request(
        asked.by,
        priority=asked.priority,
        request_id=asked.request_id,
        on_behalf_of=asked.on_behalf_of,
        reason=asked.reason,
        observed_token=status.token if asked.preempt else None,
    )


async def _granted(stick: TalkingStick, by: Participant, first: RequestOutcome, say: Say) -> Grant:
    told = first.position if isinstance(first, fc.Queued) else 0

    def stands_at(position: int) -> None:
        nonlocal told
        if position != told:
            told = position
            say(shown.outcome(fc.Queued(by.identity, first.request_id, position), by.identity))

    granted = False
    try:
        grant = await stick.wait_granted(by, first.request_id, on_position=stands_at)
        granted = True
    finally:
        if not granted:
            await _withdraw(stick, by, first.request_id)
    fields = {"state": "held", "participant": by.identity, "request_id": first.request_id}
    say(
        Answer(
            f"{shown.safe(by.identity)} holds the floor, token {grant.token}",
            fields={**fields, "token": grant.token},
        )
    )
    return grant


async def _withdraw(stick: TalkingStick, by: Participant, request_id: str) -> None:
    try:
        async with asyncio.timeout(_GIVE_UP_S):
            await stick.withdraw(by, request_id, reason="not wanted any more")
    except (TimeoutError, StreamUnavailableError):
        return  # a grant that nobody takes up lapses


async def _hold(grant: Grant, asked: Asked, say: Say) -> int:
    tail_done = False
    try:
        if asked.command:
            ended = await _run(grant, asked)
        else:
            try:
                async with asyncio.timeout(asked.hold_s):
                    ended = await grant.lost.wait()
            except TimeoutError:
                ended = DONE
        tail_done = True
    finally:
        # What a holder that was stopped had playing may still be heard: the next one stays silent a moment.
        await grant.release(tail_done=tail_done)
    if isinstance(ended, int):
        return ended
    return _told(say, f"lost the floor{_by(ended)}: {shown.why(ended.reason)}", ended.reason, asked)


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


def _by(lost: Lost) -> str:
    return f" to {shown.safe(lost.by)}" if lost.by else ""


def _told(say: Say, text: str, reason: str, asked: Asked) -> int:
    who = asked.by.identity
    fields = {"state": "over", "participant": who, "reason": reason}
    say(Answer(f"{shown.safe(who)} {text}", NO, fields))
    return NO

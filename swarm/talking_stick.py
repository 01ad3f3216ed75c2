"""The talking stick of one room, as one process uses it. The rules are in `swarm.floor`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from streams import events as ev
from streams.connection import backoff_s, end_if_cancelled, redis_client
from streams.errors import StreamUnavailableError
from streams.hub import StreamHub
from swarm import floor_commands as fc
from swarm.errors import FloorDeniedError
from swarm.floor_client import FloorClient
from swarm.floor_link import why_not
from swarm.grant_calls import CLEANUP_S, StickCalls
from swarm.holdings import Holdings
from swarm.idle_room import IdleRoom
from swarm.participant import Priority
from swarm.spawning import Spawning
from swarm.take_ups import TakeUps
from swarm.waiters import Waiters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from redis.asyncio import Redis

    from streams.events import Recorded
    from swarm.backchannel_right import BackchannelRight
    from swarm.floor_link import Answer
    from swarm.floor_state import FloorSettings
    from swarm.grant import Grant, Grants
    from swarm.participant import Participant
    from swarm.waiters import Waiter

logger = logging.getLogger(__name__)

_ASK_AGAIN = ("expired", "revoked", "unknown")
"""Ends of a request that its participant knew nothing of: the grant came and went, or Redis forgot it."""


class TalkingStick(FloorClient):
    """Asks for the floor of one room, holds it, hands it on; `async with TalkingStick(redis, room) as stick`.

    One script call for each command, in which the change and its events are written together. Who waits is
    woken by the room's stream (`hub`, or one of its own) and by one timer at the next known deadline.
    `settings` are the room's if this is the first to use its floor. `margin_ms` is how long before the
    lease a grant ends locally; a call that takes longer than `call_limit_s` counts as Redis being away.

    Commands raise StreamUnavailableError where Redis is away, InvalidEventError for an impossible name, and
    InvalidCommandError for what the floor does not understand. A denial is a value.
    """

    def __init__(
        self,
        redis: Redis,
        room: str,
        *,
        hub: StreamHub | None = None,
        settings: FloorSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        margin_ms: int = 100,
        call_limit_s: float = 2.0,
    ) -> None:
        super().__init__(redis, room, settings=settings, clock=clock, call_limit_s=call_limit_s)
        self._owns_hub = hub is None
        self._hub = StreamHub(redis, clock=clock) if hub is None else hub
        self._spawning = Spawning()
        self._waiters = Waiters(self._link, source=self._source, clock=clock)
        self._idle_room = IdleRoom(self._link, source=self._source, clock=clock, own=settings)
        self._calls = StickCalls(self._link, self._spawning)
        self._holdings = Holdings(
            self._link, self._calls, spawn=self._spawning.spawn, clock=clock, margin_s=margin_ms / 1000
        )
        self._take_ups = TakeUps(self._link, self._holdings, waited_for=self._waiters.waits)
        self._exit = contextlib.AsyncExitStack()

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls, url: str, room: str, *, settings: FloorSettings | None = None
    ) -> AsyncGenerator[TalkingStick]:
        """Connect to the Redis at `url` for the length of an `async with`.

        Raises:
            ValueError: the URL is no Redis URL.
            StreamUnavailableError: Redis did not answer.
        """
        redis = redis_client(url)
        try:
            async with cls(redis, room, settings=settings) as stick:
                yield stick
        finally:
            await redis.aclose()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as entering:
            if self._owns_hub:
                await entering.enter_async_context(self._hub)
            await self._link.start()
            watch = await self._hub.watch(self.room, self._saw)
            entering.callback(watch.close)
            await entering.enter_async_context(self._spawning)
            self._spawning.spawn(self._waiters.keep_time())
            self._spawning.spawn(self._idle_room.keep_time())
            entering.push_async_callback(self._end)
            self._exit = entering.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._exit.__aexit__(exc_type, exc, traceback)

    @contextlib.asynccontextmanager
    async def hold(
        self,
        participant: Participant,
        *,
        priority: Priority = Priority.NORMAL,
        reason: str = "",
        timeout_s: float | None = None,
        observed_token: int | None = None,
        resume_token: int | None = None,
        on_position: Callable[[int], None] | None = None,
    ) -> AsyncGenerator[Grant]:
        """Hold the floor for the length of the body, once it is granted; renewed in the background.

        `observed_token` and `resume_token` as in `request`. `on_position` is told the place in the queue,
        from 1, whenever it changes; it must not block.

        Let your audio die away before the body ends: the release says that it has. Where the body fails or is
        cancelled, the next holder stays silent for the room's guard instead. The body is not told when the
        grant is lost: ask `grant.valid()`, or await `grant.lost`. Cancelling leaves nothing behind.

        Raises:
            FloorDeniedError: the request was refused, or ended without a grant.
            TimeoutError: not granted within `timeout_s`; the request is withdrawn.
        """
        wanted = fc.Request(
            participant=participant.identity,
            request_id="",
            priority=int(participant.capped(priority)),
            reason=reason,
            observed_token=observed_token or 0,
            resume_token=resume_token or 0,
        )
        grant = await self._acquire(wanted, timeout_s, on_position)
        tail_done = False
        try:
            yield grant
            tail_done = True
        finally:
            await grant.release(tail_done=tail_done)

    async def wait_granted(
        self,
        participant: Participant,
        request_id: str,
        *,
        on_position: Callable[[int], None] | None = None,
    ) -> Grant:
        """Wait for the grant of a request, and take it up. Redis may go away and come back meanwhile.

        `on_position` is told the place in the queue, from 1, whenever it changes; it must not block.

        Raises:
            FloorDeniedError: the request ended otherwise, or is not known.
        """
        with self._waiters.waiting(request_id, participant.identity, on_position) as waiter:
            waiter.wake()
            return await self._wait(waiter, request_id)

    def grants(self, participant: Participant) -> Grants:
        """Return an async iterator over the grants of `participant`, whoever asked for them.

        A grant that it holds already is taken up too. Grants that this stick's `hold` or `wait_granted` waits
        for go there. As long as nobody iterates, nothing is taken up and grants lapse.
        """
        grants = self._take_ups.open(participant.identity)
        self._spawning.spawn(self._take_ups.take_up_current(participant.identity))
        return grants

    async def backchannel(self, participant: Participant) -> BackchannelRight | fc.Denied:
        """Ask to be audible for an acknowledgement without the floor, for the room's `backchannel_ms`.

        One at a time in the room, not renewed, ended when its owner is muted. Denied with "off" (the room
        allows none), "muted", "closed", "idle" (there is nothing to acknowledge), "holds" or "busy".
        """
        answer = await self._lend(participant)
        match answer.outcome:
            case fc.Lent(participant=who, remaining_ms=remaining_ms):
                return self._holdings.lend(who, answer, remaining_ms)
            case fc.Denied() as denied:
                return denied
            case outcome:
                raise AssertionError(f"no answer to a backchannel: {outcome!r}")

    def preempt_soon(self, person: str | Participant, observed_token: int, reason: str = "") -> None:
        """Have `preempt` called beside the caller; a failure is logged. Never waits."""
        self._spawning.see_through("preempt", lambda: self.preempt(person, observed_token, reason=reason))

    async def _acquire(
        self,
        wanted: fc.Request,
        timeout_s: float | None,
        on_position: Callable[[int], None] | None,
    ) -> Grant:
        async with contextlib.nullcontext() if timeout_s is None else asyncio.timeout(timeout_s):
            while True:
                request_id = self.new_request_id()
                try:
                    grant = await self._ask_and_wait(replace(wanted, request_id=request_id), on_position)
                except BaseException as error:
                    if isinstance(error, FloorDeniedError):
                        if error.reason in _ASK_AGAIN:
                            continue
                        raise
                    await self._abandon(wanted.participant, request_id)
                    raise
                return grant

    async def _ask_and_wait(self, wanted: fc.Request, on_position: Callable[[int], None] | None) -> Grant:
        with self._waiters.waiting(wanted.request_id, wanted.participant, on_position) as waiter:
            answer = await self._ask(wanted)
            match answer.outcome:
                case fc.Granted() as granted:
                    return self._holdings.add(answer, granted)
                case fc.Queued(position=position):
                    waiter.stands_at(position, answer.outlook.now_us)
                    return await self._wait(waiter, wanted.request_id)
                case outcome:
                    raise self._denied(wanted.participant, wanted.request_id, outcome)

    async def _wait(self, waiter: Waiter, request_id: str) -> Grant:
        delays = backoff_s()
        command = fc.Confirm(participant=waiter.participant, request_id=request_id)
        while True:
            end_if_cancelled()
            granted = await waiter.hint()
            if granted is not None and isinstance(granted.event, ev.FloorGranted):
                grant = self._holdings.add_by_event(granted, granted.event)
                if grant is not None:
                    return grant
            try:
                answer = await self._link.send(command, waiter.participant)
            except StreamUnavailableError as error:
                logger.info("swarm.floor_away", extra={"reason": error.reason})
                await asyncio.sleep(next(delays))
                waiter.wake()
                continue
            delays = backoff_s()
            match answer.outcome:
                case fc.Granted() as granted:
                    return self._holdings.add(answer, granted)
                case fc.Queued(position=position):
                    waiter.stands_at(position, answer.outlook.now_us)
                case outcome:
                    raise self._denied(waiter.participant, request_id, outcome)

    def _denied(self, participant: str, request_id: str, outcome: fc.Outcome) -> FloorDeniedError:
        reason = why_not(outcome)
        return FloorDeniedError(room=self.room, participant=participant, request_id=request_id, reason=reason)

    # What events and answers tell

    def _saw_answer(self, answer: Answer) -> None:
        super()._saw_answer(answer)
        self._holdings.saw_token(answer.outlook.token, answer.outlook.holder)
        self._waiters.saw_answer(answer)
        self._idle_room.saw_answer(answer)

    def _saw(self, recorded: Recorded) -> None:
        self._token = max(self._token, recorded.token or 0)
        self._holdings.saw(recorded)
        self._idle_room.saw(recorded)
        event = recorded.event
        if isinstance(event, ev.FloorGranted) and recorded.token is not None:
            wanted = self._take_ups.wanted(event.participant) and not self._waiters.waits(event.request_id)
            by_event = wanted and self._take_ups.take_up_by_event(recorded, event)
            if wanted and not by_event and self._spawning.open:
                self._spawning.spawn(self._take_ups.take_up(event.participant, recorded.token))
        self._waiters.saw(recorded, subscribed=self._take_ups.wanted)

    # Loose ends

    async def _abandon(self, participant: str, request_id: str) -> None:
        command = fc.Withdraw(participant=participant, request_id=request_id, reason="not wanted any more")
        self._spawning.see_through("withdraw", lambda: self._link.send(command, participant))
        await self._spawning.settle(CLEANUP_S)

    async def _end(self) -> None:
        self._take_ups.close()
        for grant in self._holdings.live:
            self._calls.release_at_end(grant)
        await self._spawning.settle(CLEANUP_S)

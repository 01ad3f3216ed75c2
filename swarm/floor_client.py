"""Every command of the floor as one call. What needs no task of its own; `TalkingStick` adds holding."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from streams.fresh_ids import new_request_id
from streams.keys import checked_name
from swarm import floor_commands as fc
from swarm.errors import StaleTokenError
from swarm.floor_chair import Chair, RequestOutcome, identity_of
from swarm.floor_link import Answer, FloorLink
from swarm.floor_state import FloorSettings
from swarm.floor_status import FloorState, FloorStatus, status_of
from swarm.participant import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from swarm.participant import Participant

__all__ = ("FloorClient", "FloorState", "FloorStatus", "RequestOutcome")


class FloorClient(Chair):
    """The commands of one room's floor. See `TalkingStick` for what they raise."""

    def __init__(
        self,
        redis: Redis,
        room: str,
        *,
        settings: FloorSettings | None,
        clock: Callable[[], float],
        call_limit_s: float,
    ) -> None:
        self.room = checked_name(room, "room")
        self.redis = redis
        self._source = f"process-{secrets.token_hex(4)}"
        self._token = 0
        self._pending: dict[str, str] = {}
        self._link = FloorLink(
            redis,
            room,
            settings or FloorSettings(),
            clock=clock,
            limit_s=call_limit_s,
            on_answer=self._saw_answer,
        )

    @property
    def token(self) -> int:
        """The highest token seen so far: what a pre-emption names as observed."""
        return self._token

    def _saw_answer(self, answer: Answer) -> None:
        self._token = max(self._token, answer.outlook.token)

    def new_request_id(self) -> str:
        """Return a fresh, time-ordered request id; a retry with it within 120 s has no second effect."""
        return new_request_id(self._link.server_clock.now_ms())

    async def request(
        self,
        participant: Participant,
        *,
        priority: Priority = Priority.NORMAL,
        request_id: str | None = None,
        on_behalf_of: str | Participant | None = None,
        reason: str = "",
        observed_token: int | None = None,
        resume_token: int | None = None,
    ) -> RequestOutcome:
        """Ask for the floor for `on_behalf_of`, or for `participant`, whose role caps the priority.

        Safe to repeat under the same `request_id`. A grant comes out of `grants` or `wait_granted`, where it
        is renewed; unless one of them takes it up in time, it lapses. With `observed_token` an URGENT request
        pre-empts an agent that was granted that token at a lower priority; a changed token pre-empts nobody.
        `resume_token` is what the participant lost when somebody pre-empted it: it is put at the front, once.

        Where `on_behalf_of` waits for what it asked itself, that is served instead, in the better of both
        places: the answer names it, and the request ends as withdrawn, "joined".
        """
        command = fc.Request(
            participant=participant.identity,
            request_id=request_id or self.new_request_id(),
            priority=int(participant.capped(priority)),
            on_behalf_of=identity_of(on_behalf_of or ""),
            reason=reason,
            observed_token=observed_token or 0,
            resume_token=resume_token or 0,
        )
        return _request_outcome((await self._ask(command)).outcome)

    async def _ask(self, command: fc.Request) -> Answer:
        self._pending[command.request_id] = command.on_behalf_of or command.participant
        try:
            return await self._link.send(command, command.participant)
        finally:
            self._pending.pop(command.request_id, None)

    async def withdraw(self, participant: Participant, request_id: str, *, reason: str = "") -> None:
        """See to it that a request does not hold the floor, whatever has become of it, or ever will."""
        command = fc.Withdraw(participant=participant.identity, request_id=request_id, reason=reason)
        await self._link.send(command, participant.identity)

    async def renew(self, participant: Participant, token: int, *, sounding: bool = False) -> fc.Granted:
        """Hold on for another lease. `Grant`s are renewed by themselves.

        `sounding`: since the last renewal it was audible, or it is only held back while it listens. Whoever
        is silent for the room's `silent_ms` loses the floor.

        Raises:
            StaleTokenError: it is not the participant's current token.
        """
        command = fc.Renew(participant=participant.identity, token=token, sounding=sounding)
        return self._granted(command, (await self._link.send(command, participant.identity)).outcome)

    async def take(self, participant: Participant, token: int) -> fc.Granted:
        """Report the holder's first audio: FLOOR_TAKEN is written, once. Renews as well.

        Raises:
            StaleTokenError: it is not the participant's current token.
        """
        command = fc.Take(
            participant=participant.identity, token=token, participant_kind=str(participant.kind)
        )
        return self._granted(command, (await self._link.send(command, participant.identity)).outcome)

    async def release(
        self,
        participant: Participant,
        token: int,
        *,
        to: str | Participant | None = None,
        tail_done: bool = True,
        reason: str = "",
    ) -> None:
        """Give the floor back, or hand it to `to` without an idle gap.

        Raises:
            StaleTokenError: it is not the participant's current token; nothing was changed.
        """
        command = fc.Release(
            participant=participant.identity,
            token=token,
            tail_done=tail_done,
            to=identity_of(to or ""),
            reason=reason,
        )
        outcome = (await self._link.send(command, participant.identity)).outcome
        if isinstance(outcome, fc.Stale):
            raise self._stale(command, outcome)

    async def _lend(self, participant: Participant) -> Answer:
        return await self._link.send(fc.Backchannel(participant=participant.identity), participant.identity)

    async def preempt(self, person: str | Participant, observed_token: int, *, reason: str = "") -> bool:
        """Let a person take the floor from the holder of `observed_token`; False where that token is over.

        For when the judgement is Interrupt. Several processes may report the same onset: one of them counts.
        """
        command = fc.Preempt(
            person=identity_of(person), observer=self._source, observed_token=observed_token, reason=reason
        )
        return isinstance((await self._link.send(command, command.person)).outcome, fc.Changed)

    async def person_speaking(self, person: str | Participant, *, words: bool = False) -> bool:
        """Say that this process hears a person speak; `words` where it heard a word since it last said so.

        Takes an idle floor. Say it again within the room's `person_lease_ms` (2 s) while it lasts. False
        where too many people are speaking already.
        """
        command = fc.PersonSpeaking(person=identity_of(person), observer=self._source, words=words)
        return isinstance((await self._link.send(command, command.person)).outcome, fc.Changed)

    async def person_silent(self, person: str | Participant) -> None:
        """Say that this process does not hear a person speak any more."""
        command = fc.PersonSilent(person=identity_of(person), observer=self._source)
        await self._link.send(command, command.person)

    async def gone(self, participant: str | Participant) -> bool:
        """Say that a participant has died: its grant, its request and its speech are over.

        For whoever finds that its heartbeat has stopped. False where it had nothing of the floor, and where
        it is alive: the roster heard of it within 7 s, or it renewed its grant within 5 s and half a lease.
        """
        command = fc.Gone(participant=identity_of(participant))
        return isinstance((await self._link.send(command, self._source)).outcome, fc.Changed)

    async def tick(self) -> None:
        """Let what is due happen: leases lapse, the next is served. For heartbeats, where nobody waits."""
        await self._link.send(fc.Tick(), self._source)

    async def status(self) -> FloorStatus:
        """Return what the floor is doing now."""
        answer = await self._link.send(fc.Tick(), self._source)
        floor = await self._link.read()
        return status_of(floor, answer.outlook.now_us // 1000, self._pending)

    def _granted(self, command: fc.Renew | fc.Take, outcome: fc.Outcome) -> fc.Granted:
        if isinstance(outcome, fc.Granted):
            return outcome
        raise self._stale(command, outcome)

    def _stale(self, command: fc.Renew | fc.Take | fc.Release, outcome: fc.Outcome) -> StaleTokenError:
        current = outcome.current if isinstance(outcome, fc.Stale) else self._token
        return StaleTokenError(
            room=self.room, participant=command.participant, token=command.token, current=current
        )


def _request_outcome(outcome: fc.Outcome) -> RequestOutcome:
    if isinstance(outcome, fc.Granted | fc.Queued | fc.Denied | fc.Ended):
        return outcome
    raise AssertionError(f"no answer to a request: {outcome!r}")

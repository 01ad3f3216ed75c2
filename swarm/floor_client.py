"""Every command of the floor as one call. What needs no task of its own; `TalkingStick` adds holding."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from streams.fresh_ids import new_request_id
from streams.keys import checked_name
from swarm import floor_commands as fc
from swarm.errors import NotPermittedError, StaleTokenError
from swarm.floor_draft import in_order
from swarm.floor_link import Answer, FloorLink
from swarm.floor_state import FloorSettings
from swarm.participant import Participant, Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from swarm.floor_state import Waiting

RequestOutcome = fc.Granted | fc.Queued | fc.Denied | fc.Ended


class FloorState(StrEnum):
    """What a floor is doing."""

    IDLE = "idle"
    HELD = "held"
    """By a grant, or by people who are speaking."""
    REVOKING = "revoking"
    """The holder was pre-empted and has a moment to finish."""
    CLOSED = "closed"
    """Nobody holds it, and no request is served."""


@dataclass(frozen=True, slots=True)
class FloorStatus:
    """A floor at one moment."""

    state: FloorState
    token: int
    """The last token granted."""
    holder: str | None
    """Who holds it by a grant."""
    remaining_ms: int
    """Of the holder's lease; 0 without one."""
    queue: tuple[Waiting, ...]
    """In the order in which it is served."""
    people: tuple[str, ...]
    """Who is speaking."""
    closed: bool
    settings: FloorSettings
    now_ms: int = 0
    """When that was, on Redis's clock."""


class FloorClient:
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
        self._source = f"process-{secrets.token_hex(4)}"
        self._token = 0
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
    ) -> RequestOutcome:
        """Ask for the floor for `on_behalf_of`, or for `participant`, whose role caps the priority.

        Safe to repeat under the same `request_id`. A grant comes out of `grants` or `wait_granted`, where it
        is renewed; unless one of them takes it up in time, it lapses. With `observed_token` an URGENT request
        pre-empts an agent that was granted that token at a lower priority; a changed token pre-empts nobody.
        """
        request_id = request_id or self.new_request_id()
        answer = await self._ask(
            participant, request_id, priority, reason, _identity(on_behalf_of or ""), observed_token
        )
        return _request_outcome(answer.outcome)

    async def _ask(
        self,
        participant: Participant,
        request_id: str,
        priority: Priority,
        reason: str,
        on_behalf_of: str,
        observed_token: int | None,
    ) -> Answer:
        command = fc.Request(
            participant=participant.identity,
            request_id=request_id,
            priority=int(participant.capped(priority)),
            on_behalf_of=on_behalf_of,
            reason=reason,
            observed_token=observed_token or 0,
        )
        return await self._link.send(command, participant.identity)

    async def withdraw(self, participant: Participant, request_id: str, *, reason: str = "") -> None:
        """See to it that a request does not hold the floor, whatever has become of it, or ever will."""
        command = fc.Withdraw(participant=participant.identity, request_id=request_id, reason=reason)
        await self._link.send(command, participant.identity)

    async def renew(self, participant: Participant, token: int) -> fc.Granted:
        """Hold on for another lease. `Grant`s are renewed by themselves.

        Raises:
            StaleTokenError: it is not the participant's current token.
        """
        command = fc.Renew(participant=participant.identity, token=token)
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
            to=_identity(to or ""),
            reason=reason,
        )
        outcome = (await self._link.send(command, participant.identity)).outcome
        if isinstance(outcome, fc.Stale):
            raise self._stale(command, outcome)

    async def preempt(self, person: str | Participant, observed_token: int, *, reason: str = "") -> bool:
        """Let a person take the floor from the holder of `observed_token`; False where that token is over.

        For when the judgement is Interrupt. Several processes may report the same onset: one of them counts.
        """
        command = fc.Preempt(
            person=_identity(person), observer=self._source, observed_token=observed_token, reason=reason
        )
        return isinstance((await self._link.send(command, command.person)).outcome, fc.Changed)

    async def person_speaking(self, person: str | Participant, *, words: bool = False) -> bool:
        """Say that this process hears a person speak; `words` where it heard a word since it last said so.

        Takes an idle floor. Say it again within the room's `person_lease_ms` (2 s) while it lasts. False
        where too many people are speaking already.
        """
        command = fc.PersonSpeaking(person=_identity(person), observer=self._source, words=words)
        return isinstance((await self._link.send(command, command.person)).outcome, fc.Changed)

    async def person_silent(self, person: str | Participant) -> None:
        """Say that this process does not hear a person speak any more."""
        command = fc.PersonSilent(person=_identity(person), observer=self._source)
        await self._link.send(command, command.person)

    async def revoke(self, by: Participant, *, token: int | None = None, reason: str = "") -> bool:
        """Take the floor from its holder, as the chair; only from the holder of `token`, where one is given.

        Returns False where there is no such holder.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        command = fc.Revoke(by=_chair(by, "revoke"), token=token or 0, reason=reason)
        return isinstance((await self._link.send(command, command.by)).outcome, fc.Changed)

    async def close_floor(self, by: Participant, *, reason: str = "") -> bool:
        """Serve no request until the floor is opened; the holder keeps it. False where it was closed.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        command = fc.Close(by=_chair(by, "close the floor"), reason=reason)
        return isinstance((await self._link.send(command, command.by)).outcome, fc.Changed)

    async def open_floor(self, by: Participant) -> bool:
        """Serve requests again; False where it was open.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        command = fc.Open(by=_chair(by, "open the floor"))
        return isinstance((await self._link.send(command, command.by)).outcome, fc.Changed)

    async def configure(self, by: Participant, settings: FloorSettings) -> bool:
        """Replace the room's settings, effective at once; False where they are the same.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        command = fc.Configure(by=_chair(by, "change settings"), settings=settings)
        return isinstance((await self._link.send(command, command.by)).outcome, fc.Changed)

    async def tick(self) -> None:
        """Let what is due happen: leases lapse, the next is served. For heartbeats, where nobody waits."""
        await self._link.send(fc.Tick(), self._source)

    async def status(self) -> FloorStatus:
        """Return what the floor is doing now."""
        answer = await self._link.send(fc.Tick(), self._source)
        floor = await self._link.read()
        people = tuple(sorted(who for who, person in floor.people.items() if not person.stale))
        hold = floor.hold
        state = FloorState.HELD if people or hold is not None else FloorState.IDLE
        if hold is not None and hold.revoking_by:
            state = FloorState.REVOKING
        elif state is FloorState.IDLE and floor.closed_by:
            state = FloorState.CLOSED
        return FloorStatus(
            state=state,
            token=floor.token,
            holder=hold.participant if hold else None,
            remaining_ms=max(0, hold.deadline_ms - answer.outlook.now_us // 1000) if hold else 0,
            queue=tuple(in_order(floor.queue, floor.settings.age_step_ms)),
            people=people,
            closed=bool(floor.closed_by),
            settings=floor.settings,
            now_ms=answer.outlook.now_us // 1000,
        )

    def _granted(self, command: fc.Renew | fc.Take, outcome: fc.Outcome) -> fc.Granted:
        if isinstance(outcome, fc.Granted):
            return outcome
        raise self._stale(command, outcome)

    def _stale(self, command: fc.Renew | fc.Take | fc.Release, outcome: fc.Outcome) -> StaleTokenError:
        current = outcome.current if isinstance(outcome, fc.Stale) else self._token
        return StaleTokenError(
            room=self.room, participant=command.participant, token=command.token, current=current
        )


def _identity(who: str | Participant) -> str:
    return who.identity if isinstance(who, Participant) else who


def _chair(by: Participant, command: str) -> str:
    if not by.chairs:
        raise NotPermittedError(participant=by.identity, role=by.role, command=command)
    return by.identity


def _request_outcome(outcome: fc.Outcome) -> RequestOutcome:
    if isinstance(outcome, fc.Granted | fc.Queued | fc.Denied | fc.Ended):
        return outcome
    raise AssertionError(f"no answer to a request: {outcome!r}")

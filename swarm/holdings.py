"""The grants that one process holds in one room: renewed in time, ended by whatever tells of their end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from streams import events as ev
from streams.connection import end_if_cancelled
from streams.errors import StreamUnavailableError
from swarm import floor_commands as fc
from swarm.backchannel_right import BackchannelRight
from swarm.grant import LAPSED, Grant, Lost

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from streams.events import Recorded
    from swarm.floor_link import Answer, FloorLink
    from swarm.grant import GrantCalls

logger = logging.getLogger(__name__)

RENEWALS_A_LEASE = 3
MOST_OF_A_LEASE = 0.5
"""So much of the lease that an event tells of is used before an answer has told of it, too."""
LONGEST_TRIP = 0.1
"""Of the lease; where Redis is farther away, its answer is waited for."""
_RETRY_S = 0.05
_ASK_S = 0.1


class Holdings:
    """Live grants by token. `spawn` runs a coroutine in the stick's task group."""

    def __init__(
        self,
        link: FloorLink,
        calls: GrantCalls,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        clock: Callable[[], float],
        margin_s: float,
    ) -> None:
        self._link = link
        self._calls = calls
        self._spawn = spawn
        self._clock = clock
        self._margin_s = margin_s
        self._live: dict[int, Grant] = {}
        self._lent: BackchannelRight | None = None
        self._newest = 0
        self._revoking = 0
        self._over = 0
        self._over_how = Lost("stale")

    @property
    def live(self) -> tuple[Grant, ...]:
        """The grants that have not ended."""
        return tuple(self._live.values())

    def get(self, token: int) -> Grant | None:
        """Return the live grant with this token."""
        return self._live.get(token)

    def add(self, answer: Answer, granted: fc.Granted) -> Grant:
        """Return the grant that an answer brought, renewed from now on.

        It has ended already where an event that overtook the answer said so.
        """
        known = self._live.get(granted.token)
        if known is not None:
            known.extend(granted, answer.sent_s)
            return known
        grant = self._made(granted, answer.sent_s, answer.received_s)
        if granted.token <= self._over:
            grant.end(self._over_how)
            return grant
        # A turn that is over before its first renewal needs no task.
        self._keep(grant, first_renewal_s=grant.lease_ms / 1000 / RENEWALS_A_LEASE)
        return grant

    def add_by_event(self, recorded: Recorded, event: ev.FloorGranted) -> Grant | None:
        """Return the grant that an event tells of, taken up beside its use; None where an answer has to tell.

        It counts for half of the lease in the event, by the latest that Redis's clock can show; the renewal
        that is sent at once makes it an ordinary one, or ends it.
        """
        token, lease_s, received_s = recorded.token or 0, event.lease_ms / 1000, self._clock()
        server = self._link.server_clock
        if token < self._newest or token <= max(self._over, self._revoking) or token in self._live:
            return None
        if not server.known or server.error_ms * 2 > LONGEST_TRIP * event.lease_ms:
            return None
        begun_s = min(received_s, server.monotonic_s(recorded.at_ms) - server.error_ms / 1000)
        until_s = begun_s + MOST_OF_A_LEASE * lease_s
        if until_s - LONGEST_TRIP * lease_s <= received_s:
            return None
        granted = fc.Granted(
            participant=event.participant,
            request_id=event.request_id,
            token=token,
            remaining_ms=event.lease_ms,
            guard_ms=event.guard_ms,
            lease_ms=event.lease_ms,
            confirmed=False,
            reason=event.reason,
        )
        grant = self._made(granted, begun_s, received_s)
        grant.shorten(until_s)
        self._keep(grant, first_renewal_s=0.0)
        return grant

    def _made(self, granted: fc.Granted, sent_s: float, received_s: float) -> Grant:
        return Grant(
            granted,
            calls=self._calls,
            clock=self._clock,
            sent_s=sent_s,
            received_s=received_s,
            margin_s=self._margin_s,
        )

    def _keep(self, grant: Grant, *, first_renewal_s: float) -> None:
        self._live[grant.token] = grant
        first_s = min(first_renewal_s, grant.may_speak_until_s - self._clock())
        timer = asyncio.get_running_loop().call_later(max(0.0, first_s), self._begin_renewing, grant)
        grant.on_lost(lambda _: self._forget(grant, timer))

    def lend(self, participant: str, answer: Answer, remaining_ms: int) -> BackchannelRight:
        """Return the right to an acknowledgement that an answer brought."""
        until_s = answer.sent_s + remaining_ms / 1000 - min(self._margin_s, remaining_ms / 4000)
        self._lent = BackchannelRight(
            participant, from_s=answer.received_s, until_s=until_s, clock=self._clock
        )
        return self._lent

    def saw_token(self, token: int, holder: str) -> None:
        """Note that `token` was granted: whoever holds a lower one has lost it."""
        self._newest = max(self._newest, token)
        for grant in self.live:
            if grant.token < token:
                grant.end(Lost("superseded", holder))

    def saw(self, recorded: Recorded) -> None:
        """Take note of an event of the floor."""
        if isinstance(recorded.event, ev.ParticipantMuted) and recorded.event.muted:
            self._muted(recorded.event.participant)
        token = recorded.token
        if token is None:
            return
        match recorded.event:
            case ev.FloorGranted(participant=holder):
                self.saw_token(token, holder)
            case ev.FloorRevoked(reason=reason, by=by):
                self._ended(token, Lost(reason or "revoked", by))
            case ev.FloorExpired(reason=reason):
                self._ended(token, Lost(reason or LAPSED))
            case ev.FloorReleased(reason=reason):
                self._ended(token, Lost(reason or "released"))
            case ev.FloorRevoking(grace_ms=grace_ms):
                self._revoking = token
                grant = self._live.get(token)
                if grant is not None:
                    grant.shorten(self._clock() + grace_ms / 1000 - self._margin_s)
            case _:
                pass

    def end_all(self, how: Lost) -> None:
        """End every grant here, without a word to Redis."""
        for grant in self.live:
            grant.end(how)

    def _muted(self, participant: str) -> None:
        if self._lent is not None and self._lent.participant == participant:
            self._lent.end()

    def _forget(self, grant: Grant, timer: asyncio.TimerHandle) -> None:
        self._live.pop(grant.token, None)
        timer.cancel()

    def _ended(self, token: int, how: Lost) -> None:
        if token > self._over:
            self._over, self._over_how = token, how
        grant = self._live.get(token)
        if grant is not None:
            grant.end(how)

    def _begin_renewing(self, grant: Grant) -> None:
        with suppress(RuntimeError):  # the stick is closed: the lease lapses, here and there
            self._spawn(self._renew(grant))

    async def _renew(self, grant: Grant) -> None:
        next_s = self._clock()
        while await self._lasts(grant, next_s):
            end_if_cancelled()
            left_s = grant.may_speak_until_s - self._clock()
            sounding = grant.sounding()
            command = fc.Renew(participant=grant.participant, token=grant.token, sounding=sounding)
            try:
                answer = await self._link.send(command, grant.participant, limit_s=max(0.01, left_s))
            except StreamUnavailableError as error:
                logger.info("swarm.renewal_failed", extra={"token": grant.token, "reason": error.reason})
                if sounding:
                    grant.played()
                next_s = self._clock() + _RETRY_S
                continue
            if grant.lost.is_set():
                return
            if not isinstance(answer.outcome, fc.Granted):
                grant.shorten(self._clock())
                grant.end(await self._how_it_ended(grant))
            elif not grant.extend(answer.outcome, answer.sent_s):
                # The lapse was noticed here first; Redis was told to go on, and is told to stop.
                await self._calls.give_back(grant, to="", tail_done=False, reason=LAPSED)
            next_s = self._clock() + grant.lease_ms / 1000 / RENEWALS_A_LEASE

    async def _how_it_ended(self, grant: Grant) -> Lost:
        """Ask why a token is none any more; the event that tells may be on its way still."""
        command = fc.Confirm(participant=grant.participant, request_id=grant.request_id)
        try:
            outcome = (await self._link.send(command, grant.participant, limit_s=_ASK_S)).outcome
        except StreamUnavailableError:
            return Lost("stale")
        return Lost(outcome.reason or "stale") if isinstance(outcome, fc.Ended) else Lost("stale")

    async def _lasts(self, grant: Grant, until_s: float) -> bool:
        """Wait until then; False as soon as the grant has ended or lapsed."""
        lapses_s = grant.may_speak_until_s
        try:
            async with asyncio.timeout(max(0.0, min(until_s, lapses_s) - self._clock())):
                await grant.lost.wait()
        except TimeoutError:
            if self._clock() >= grant.may_speak_until_s:
                grant.end(Lost(LAPSED))
        return not grant.lost.is_set()

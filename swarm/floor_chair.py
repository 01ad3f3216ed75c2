"""The chair's commands as calls. Each is recorded with who gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.fresh_ids import new_request_id
from swarm import floor_commands as fc
from swarm.errors import InvalidCommandError, NotPermittedError
from swarm.floor_state import FloorSettings
from swarm.participant import Participant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarm.floor_link import FloorLink

RequestOutcome = fc.Granted | fc.Queued | fc.Denied | fc.Ended


class Chair:
    """What a host or a chair may do to a floor. All raise NotPermittedError for every other role."""

    _link: FloorLink

    async def revoke(self, by: Participant, *, token: int | None = None, reason: str = "") -> bool:
        """Take the floor from its holder, as the chair; only from the holder of `token`, where one is given.

        Returns False where there is no such holder.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        return await self._done(fc.Revoke(by=chair(by, "revoke"), token=token or 0, reason=reason))

    async def deny(self, by: Participant, participant: str | Participant, *, reason: str = "") -> bool:
        """Refuse what `participant` waits for; False where it waits for nothing.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        who = identity_of(participant)
        return await self._done(fc.Deny(by=chair(by, "deny"), participant=who, reason=reason or "denied"))

    async def grant_to(
        self,
        by: Participant,
        participant: str | Participant,
        *,
        reason: str = "",
        now: bool = False,
        request_id: str | None = None,
    ) -> RequestOutcome | fc.Unchanged:
        """Have `participant` served before all others; `now`: in the place of the holder, without a gap.

        Like a request on its behalf: the grant comes out of its own `grants` or `wait_granted`. Where it
        waits for what it asked itself, that is what is granted, and the answer names it. While people speak
        it waits for them, also with `now`. `Unchanged("holds")` where it holds the floor already.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        command = fc.GrantTo(
            by=chair(by, "grant the floor"),
            participant=identity_of(participant),
            request_id=request_id or new_request_id(self._link.server_clock.now_ms()),
            reason=reason,
            now=now,
        )
        outcome = (await self._link.send(command, command.by)).outcome
        if isinstance(outcome, fc.Granted | fc.Queued | fc.Denied | fc.Ended | fc.Unchanged):
            return outcome
        raise AssertionError(f"no answer to a chair's grant: {outcome!r}")

    async def mute(self, by: Participant, participant: str | Participant, *, muted: bool = True) -> bool:
        """Keep `participant` from the floor until it is unmuted; False where it is so already.

        Its grant is revoked, its request withdrawn, what it asks for is denied; a person who is muted neither
        takes the floor nor pre-empts its holder. At most 256 are muted at a time: False beyond.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        command = fc.Mute(by=chair(by, "mute"), participant=identity_of(participant), muted=muted)
        return await self._done(command)

    async def close_floor(self, by: Participant, *, reason: str = "") -> bool:
        """Serve no request until the floor is opened; the holder keeps it. False where it was closed.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        return await self._done(fc.Close(by=chair(by, "close the floor"), reason=reason))

    async def open_floor(self, by: Participant) -> bool:
        """Serve requests again; False where it was open.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
        """
        return await self._done(fc.Open(by=chair(by, "open the floor")))

    async def configure(self, by: Participant, settings: FloorSettings | Mapping[str, int]) -> bool:
        """Change the room's settings, effective at once; False where they are so already.

        By name only those that change: the others stay, whoever changes them meanwhile. A `FloorSettings`
        sets all of them.

        Raises:
            NotPermittedError: the role of `by` is not one of a chair.
            InvalidCommandError: no setting is named, or one that there is not, or a value out of its bounds.
        """
        who = chair(by, "change settings")
        named = settings.as_dict() if isinstance(settings, FloorSettings) else dict(settings)
        try:
            command = fc.Configure(by=who, settings=named)
        except ValueError as error:
            raise InvalidCommandError(command="Configure", what="settings") from error
        return await self._done(command)

    async def _done(self, command: fc.Revoke | fc.Deny | fc.Mute | fc.Close | fc.Open | fc.Configure) -> bool:
        return isinstance((await self._link.send(command, command.by)).outcome, fc.Changed)


def identity_of(who: str | Participant) -> str:
    """Return the identity of a participant that may be given by name."""
    return who.identity if isinstance(who, Participant) else who


def chair(by: Participant, command: str) -> str:
    """Return who chairs.

    Raises:
        NotPermittedError: the role of `by` is not one of a chair.
    """
    if not by.chairs:
        raise NotPermittedError(participant=by.identity, role=by.role, command=command)
    return by.identity

"""What the swarm can refuse or fail at. A denied floor request is a value, not an error."""

from __future__ import annotations


class SwarmError(Exception):
    """Anything the swarm refuses or fails at."""


class SettingError(SwarmError):
    """A setting is wrong; names it and the cure. The command line exits with 2."""

    def __init__(self, setting: str, reason: str, cure: str) -> None:
        super().__init__(f"{setting}: {reason}. {cure}")
        self.setting = setting
        self.reason = reason
        self.cure = cure


class RoomLostError(SwarmError):
    """The connection to a room has ended, and not by our leaving it."""

    def __init__(self, *, room: str, reason: str) -> None:
        super().__init__(f"the connection to room {room!r} has ended ({reason}): start the agent again")
        self.room = room
        self.reason = reason


class StaleTokenError(SwarmError):
    """A command names a token that is not the current one (any more)."""

    def __init__(self, *, room: str, participant: str, token: int, current: int) -> None:
        super().__init__(
            f"token {token} of {participant!r} in room {room!r} is not the current one ({current})"
        )
        self.room = room
        self.participant = participant
        self.token = token
        self.current = current


class FloorDeniedError(SwarmError):
    """A request was refused or ended without the floor; `reason` says which."""

    def __init__(self, *, room: str, participant: str, request_id: str, reason: str) -> None:
        super().__init__(f"the floor of room {room!r} was not granted to {participant!r}: {reason}")
        self.room = room
        self.participant = participant
        self.request_id = request_id
        self.reason = reason


class NotPermittedError(SwarmError):
    """A command that only a chair may give."""

    def __init__(self, *, participant: str, role: str, command: str) -> None:
        super().__init__(f"{participant!r} (role {role!r}) may not {command}: only a host or a chair may")
        self.participant = participant
        self.role = role
        self.command = command


class InvalidCommandError(SwarmError):
    """The floor does not understand a command; `what` names the part."""

    def __init__(self, *, command: str, what: str) -> None:
        super().__init__(f"{command}: {what} makes no sense")
        self.command = command
        self.what = what


class InvalidBidError(SwarmError):
    """A bid for a turn that makes no sense; `what` says why."""

    def __init__(self, *, participant: str, score: object, what: str) -> None:
        super().__init__(f"bid {str(score)[:40]!r} of {participant!r}: {what}")
        self.participant = participant
        self.score = score
        self.what = what

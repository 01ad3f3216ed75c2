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


class StaleTokenError(SwarmError):
    """A command names a token that is not the current one (any more)."""

    def __init__(self, *, room: str, participant: str, token: int, current: int) -> None:
        super().__init__(f"token {token} of {participant!r} in room {room!r} is not the current one ({current})")
        self.room = room
        self.participant = participant
        self.token = token
        self.current = current

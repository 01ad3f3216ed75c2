"""What an adapter can refuse or fail at."""

from __future__ import annotations


class AdapterError(Exception):
    """Anything the adapters refuse or fail at."""


class RoomUnavailableError(AdapterError):
    """A room cannot be joined; names the setting and the cure."""

    def __init__(self, reason: str, *, setting: str, cure: str) -> None:
        super().__init__(f"{setting}: {reason}. {cure}")
        self.reason = reason
        self.setting = setting
        self.cure = cure


class UnsupportedAudioError(AdapterError):
    """Audio that is not int16 PCM of 8 to 48 kHz, mono or stereo, or a file that is no such audio."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"unsupported audio: {reason}")
        self.reason = reason


class UnknownUtteranceError(AdapterError):
    """An utterance never began, or finished so long ago that its account is gone."""

    def __init__(self, utterance_id: str) -> None:
        super().__init__(f"utterance {utterance_id!r} is not known here: begin_utterance comes first")
        self.utterance_id = utterance_id


class NotConnectedError(AdapterError):
    """Something was asked of a room before `connect`, or after the connection had ended."""

    def __init__(self, room: str, identity: str) -> None:
        super().__init__(f"{identity!r} is not connected to room {room!r}")
        self.room = room
        self.identity = identity

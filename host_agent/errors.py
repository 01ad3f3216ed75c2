"""What a host can refuse or fail at. Every error names the setting or part and the cure."""

from __future__ import annotations


class HostError(Exception):
    """Anything the host refuses or fails at."""


class InterruptionSettingError(HostError):
    """A setting of the interruption judgement is wrong; `key` names it."""

    def __init__(self, key: str, reason: str, *, cure: str = "") -> None:
        super().__init__(f"{key}: {reason}" + (f". {cure}" if cure else ""))
        self.key = key
        self.reason = reason
        self.cure = cure


class OfflineEngineMissingError(HostError):
    """An offline engine is not installed; names the package and the extra that brings it."""

    def __init__(self, engine: str, package: str) -> None:
        self.cure = "Install the extra: pip install 'hybrid-agentic-swarm[offline]'"
        super().__init__(f"the {engine} needs the package {package!r}, which is not installed. {self.cure}")
        self.engine = engine
        self.package = package


class VoiceError(HostError):
    """The voice engine refuses a setting or failed at a text."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"voice: {reason}")
        self.reason = reason


class RecogniserError(HostError):
    """The recogniser's process cannot be started or does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"recogniser: {reason}")
        self.reason = reason

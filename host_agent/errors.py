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


class IllegalTransitionError(HostError):
    """A cause that cannot happen in a host's state; the state did not change."""

    def __init__(self, *, state: str, cause: str) -> None:
        super().__init__(f"a host that is {state} cannot take {cause!r}")
        self.state = state
        self.cause = cause


class TurnInProgressError(HostError):
    """A host was told to speak while its turn before had not ended."""

    def __init__(self, *, host: str, utterance_id: str) -> None:
        super().__init__(f"{host!r} is still saying {utterance_id!r}")
        self.host = host
        self.utterance_id = utterance_id


class HostNotRunningError(HostError):
    """A host was told to speak while its live session is not kept open."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host!r} is not running: enter it with 'async with', or start its run() first")
        self.host = host


class ModelSettingError(HostError):
    """A model cannot be used as it is set; names the setting and the cure, never a key."""

    def __init__(self, setting: str, reason: str, *, cure: str) -> None:
        super().__init__(f"{setting}: {reason}. {cure}")
        self.setting = setting
        self.reason = reason
        self.cure = cure


class ModelUnavailableError(HostError):
    """The model's service does not answer, or ended the session again and again."""

    def __init__(self, model: str, reason: str, *, attempts: int) -> None:
        super().__init__(f"model {model!r} is not available after {attempts} attempts: {reason}")
        self.model = model
        self.reason = reason
        self.attempts = attempts

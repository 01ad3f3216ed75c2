"""What the command line says of an error: one line and an exit code, or nothing where it is a defect."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import dataclass
from typing import cast

from redis.exceptions import RedisError

from adapters.errors import AdapterError, RoomUnavailableError
from host_agent.errors import (
    HostError,
    InterruptionSettingError,
    ModelSettingError,
    OfflineEngineMissingError,
)
from streams.errors import StreamError, StreamUnavailableError
from swarm.errors import SettingError, SwarmError

REFUSED = 2
"""A setting is wrong, or something is not installed: the same command fails again."""
FAILED = 1
"""It went wrong on the way."""


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """What to tell the one who gave the command."""

    text: str
    exit_code: int


def error_line(error: BaseException) -> ErrorLine | None:
    """Return what to say of `error`, or None where only a traceback helps.

    Of a group, a refusal counts before what it brought about; a single defect in the rest makes it a defect.
    """
    found = [_line_of(each) for each in _leaves(error)]
    refused = next((each for each in found if each is not None and each.exit_code == REFUSED), None)
    if refused is not None:
        return refused
    return found[0] if found and None not in found else None


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return [leaf for each in group.exceptions for leaf in _leaves(each)]
    return [] if isinstance(error, CancelledError) else [error]


def _line_of(error: BaseException) -> ErrorLine | None:
    match error:
        case ModelSettingError(setting="model"):
            return _line(f"--model: {error.reason}. {error.cure}", REFUSED)
        case (
            SettingError()
            | RoomUnavailableError()
            | ModelSettingError()
            | InterruptionSettingError()
            | OfflineEngineMissingError()
        ):
            return _line(str(error), REFUSED)
        case StreamUnavailableError():
            return _line(f"REDIS_URL: {error.reason.rstrip('.')}. Check that the server still runs", FAILED)
        case RedisError():
            return _line(f"REDIS_URL: {str(error).rstrip('.')}. Check the server and its memory", FAILED)
        case SwarmError() | AdapterError() | HostError() | StreamError() | OSError():
            return _line(str(error) or type(error).__name__, FAILED)
        case _:
            return None


def _line(text: str, exit_code: int) -> ErrorLine:
    """On one line: file names and servers may put anything into the text."""
    return ErrorLine("".join(c for c in " ".join(text.split()) if c.isprintable()), exit_code)

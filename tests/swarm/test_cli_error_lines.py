"""Which error is told how, and what of the logs is shown."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from adapters.errors import RoomUnavailableError
from host_agent.errors import (
    ModelSettingError,
    ModelUnavailableError,
    OfflineEngineMissingError,
    RecogniserError,
)
from streams.errors import StreamUnavailableError
from swarm import logs
from swarm.error_lines import FAILED, REFUSED, error_line
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTING = SettingError("--mic", "there is no such file", "Name another")


@pytest.mark.parametrize(
    ("error", "exit_code", "begins"),
    [
        (SETTING, REFUSED, "--mic: there is no such file. Name another"),
        (RoomUnavailableError("refused", setting="LIVEKIT_URL", cure="x"), REFUSED, "LIVEKIT_URL: refused"),
        (ModelSettingError("model", "no such", cure="Use another"), REFUSED, "--model: no such. Use another"),
        (ModelSettingError("GOOGLE_API_KEY", "refused", cure="x"), REFUSED, "GOOGLE_API_KEY: refused"),
        (OfflineEngineMissingError("voice", "espeakng-loader"), REFUSED, "the voice needs the package"),
        (StreamUnavailableError("connection refused"), FAILED, "REDIS_URL: connection refused"),
        (RedisConnectionError("connection lost"), FAILED, "REDIS_URL: connection lost"),
        (ModelUnavailableError("m", "busy", attempts=3), FAILED, "model 'm' is not available"),
        (RecogniserError("not ready"), FAILED, "recogniser: not ready"),
        (OSError(28, "No space left on device", "out/recording.wav"), FAILED, "[Errno 28] No space left"),
    ],
)
def test_what_is_told_of_an_error(error: Exception, exit_code: int, begins: str) -> None:
    line = error_line(error)
    assert line is not None
    assert line.exit_code == exit_code
    assert line.text.startswith(begins)


def test_a_defect_keeps_its_traceback() -> None:
    assert error_line(KeyError("x")) is None


def test_of_a_group_the_wrong_setting_is_told_whatever_it_brought_about() -> None:
    group = BaseExceptionGroup(
        "", [RuntimeError("a task"), ExceptionGroup("", [RedisConnectionError("lost"), SETTING])]
    )
    line = error_line(group)
    assert line is not None
    assert line.text.startswith("--mic")


def test_a_group_with_a_defect_in_it_is_a_defect() -> None:
    assert error_line(ExceptionGroup("", [RedisConnectionError("lost"), KeyError("x")])) is None


def test_what_was_cancelled_with_it_counts_for_nothing() -> None:
    group = BaseExceptionGroup("", [asyncio.CancelledError(), RecogniserError("gone")])
    line = error_line(group)
    assert line is not None
    assert line.text == "recogniser: gone"
    assert error_line(asyncio.CancelledError()) is None


def test_a_line_is_one_line_whatever_is_in_it() -> None:
    line = error_line(SettingError("--mic", "a\nb\t\x1b[31mc\r", "d"))
    assert line is not None
    assert line.text == "--mic: a b [31mc . d"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logging.captureWarnings(False)


def log_something() -> None:
    logging.getLogger("streams.relay").warning("streams.relay_lost", extra={"relay": "r1"})
    logging.getLogger("streams.relay").info("streams.relay_won")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("google_adk.runners").exception("node failed")
        logging.getLogger("swarm.scribe").exception("scribe.failed")


@pytest.mark.usefixtures("root")
def test_own_lines_are_shown_one_each_and_no_librarys(capsys: pytest.CaptureFixture[str]) -> None:
    logs.show("warning", {})
    log_something()
    assert capsys.readouterr().err.splitlines() == [
        "warning streams.relay streams.relay_lost relay=r1",
        "error swarm.scribe scribe.failed: ValueError: two lines",
    ]


@pytest.mark.usefixtures("root")
def test_a_level_of_ones_own_shows_everybody_and_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    logs.show("error", {"SWARM_LOG": " INFO "})
    log_something()
    shown = capsys.readouterr().err
    assert "info streams.relay streams.relay_won" in shown
    assert "error google_adk.runners node failed\nTraceback" in shown


@pytest.mark.usefixtures("root")
def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match="SWARM_LOG: 'loud' is no level"):
        logs.show("error", {"SWARM_LOG": "loud"})

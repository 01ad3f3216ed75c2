"""What of the logs reaches the terminal: this project's own lines, and with SWARM_LOG everybody's."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS = ("debug", "info", "warning", "error")
OWN = frozenset(("swarm", "host_agent", "adapters", "streams", "asyncio"))
"""asyncio's belong to us: it tells of tasks that failed unseen."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogLines(logging.Handler):
    """Writes one line a record to the stderr of the moment: the event, its fields, the error's last line.

    With `everybody` the libraries' records are written too, and tracebacks in full.
    """

    def __init__(self, *, everybody: bool) -> None:
        super().__init__()
        self._everybody = everybody

    def emit(self, record: logging.LogRecord) -> None:
        if not self._everybody and record.name.partition(".")[0] not in OWN:
            return
        try:
            sys.stderr.write(self._text(record) + "\n")
        except (OSError, ValueError):
            return  # nobody reads it any more

    def _text(self, record: logging.LogRecord) -> str:
        fields = [f"{key}={value}" for key, value in vars(record).items() if key not in _STANDARD]
        line = " ".join((record.levelname.lower(), record.name, record.getMessage(), *fields))
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return line
        if self._everybody:
            return f"{line}\n{logging.Formatter().formatException(record.exc_info or (None, None, None))}"
        return " ".join(f"{line}: {type(error).__name__}: {error}".split())


def show(default: str, env: Mapping[str, str] | None = None) -> None:
    """Send the logs of level `default` and above to stderr; SWARM_LOG sets another level and shows all.

    Raises:
        SettingError: SWARM_LOG is no level.
    """
    env = os.environ if env is None else env
    chosen = env.get("SWARM_LOG", "").strip().lower()
    if chosen and chosen not in LEVELS:
        raise SettingError("SWARM_LOG", f"{chosen!r} is no level", f"Use one of {', '.join(LEVELS)}")
    root = logging.getLogger()
    root.handlers[:] = [LogLines(everybody=bool(chosen))]
    root.setLevel((chosen or default).upper())
    logging.captureWarnings(True)

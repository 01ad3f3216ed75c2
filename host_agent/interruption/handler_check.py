"""A check of the three hooks with the settings in force, without a room."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host_agent.interruption.config import load_config
from host_agent.interruption.handler_hooks import InterruptionHooks

if TYPE_CHECKING:
    from host_agent.interruption.settings import InterruptionHandlerConfig

__all__ = ("CheckRow", "test_integration_locally")

_SPEAKING, _SILENT = True, False
_LATE, _BROKEN = "(no words in time)", "(recogniser fails)"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One line of the check."""

    heard: str
    speaking: bool
    expected: bool
    interrupts: bool
    reason: str

    @property
    def passed(self) -> bool:
        return self.expected is self.interrupts


class _Said:
    """A recogniser that hears what it is told, too late, or not at all."""

    def __init__(self) -> None:
        self.text = ""

    async def transcribe(self) -> str:
        if self.text == _LATE:
            await asyncio.Event().wait()
        if self.text == _BROKEN:
            raise OSError("no recogniser")
        return self.text


def test_integration_locally(config: InterruptionHandlerConfig | None = None) -> list[CheckRow]:  # noqa: PT028 - no pytest test
    """Walk the decision matrix through the hooks, print it, and return its lines.

    The words are the first and last of the configured lists, so it holds for any settings. Callable from
    anywhere, also while an event loop runs.

    Raises:
        AssertionError: a decision is not the documented one.
        InterruptionSettingError: a setting is wrong; names the key.
    """
    settings = config or load_config()
    with ThreadPoolExecutor(1) as thread:
        rows = thread.submit(asyncio.run, _walk(settings)).result()
    for row in rows:
        said = f"{row.heard!r:<24} agent {'speaking' if row.speaking else 'silent':<9}"
        does = "interrupt" if row.interrupts else ("continue" if row.speaking else "process")
        sys.stdout.write(f"{'ok  ' if row.passed else 'FAIL'} {said} {does:<10} {row.reason}\n")
    wrong = [row for row in rows if not row.passed]
    assert not wrong, f"{len(wrong)} of {len(rows)} decisions are not the documented ones: {wrong}"
    return rows


async def _walk(config: InterruptionHandlerConfig) -> list[CheckRow]:
    stt = _Said()
    hooks = InterruptionHooks(stt, config=config)
    rows: list[CheckRow] = []
    for heard, speaking, expected in _matrix(config):
        await (hooks.on_agent_start_speaking("check") if speaking else hooks.on_agent_stop_speaking())
        stt.text = heard
        interrupts = await hooks.on_vad_event()
        expects = expected and config.allow_interruptions
        rows.append(CheckRow(heard, speaking, expects, interrupts, hooks.last_reason))
    return rows


def _matrix(config: InterruptionHandlerConfig) -> list[tuple[str, bool, bool]]:
    ignored, commands = config.ignore_words, config.command_words
    safe = config.on_stt_failure == "interrupt"
    return [
        (ignored[0], _SPEAKING, False),
        (ignored[-1], _SPEAKING, False),
        (f"{ignored[0]} {ignored[-1]}", _SPEAKING, False),
        (commands[0], _SPEAKING, True),
        (commands[-1], _SPEAKING, True),
        (f"{ignored[0]} {commands[0]}", _SPEAKING, True),
        (f"{ignored[0]}, {ignored[0]} {commands[-1]} please", _SPEAKING, True),
        (ignored[0], _SILENT, False),
        (commands[0], _SILENT, False),
        ("hello", _SILENT, False),
        (_LATE, _SPEAKING, safe),
        (_BROKEN, _SPEAKING, safe),
    ]

"""The three hooks: what a detected speech does to an agent that is speaking."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace

import pytest

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    InterruptionHandler,
    InterruptionHandlerConfig,
    InterruptionHooks,
    load_config,
)
from tests.adapters.virtual_time import VirtualLoop, run_virtual


class Said:
    """A recogniser that answers with a text, an error, or not at all."""

    def __init__(self, answer: object = None, *, after_s: float = 0.0) -> None:
        self.answer = answer
        self.after_s = after_s

    async def transcribe(self) -> str:
        await asyncio.sleep(self.after_s)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]


def hooks(stt: Said, **config: object) -> InterruptionHooks:
    return InterruptionHooks(stt, config=InterruptionHandlerConfig(**config))  # type: ignore[arg-type]


async def test_a_silent_agent_asks_no_recogniser() -> None:
    hook = hooks(Said(AssertionError("asked")))
    assert await hook.on_vad_event() is False
    assert "not speaking" in hook.last_reason


@pytest.mark.parametrize("utterance", ["u1", SimpleNamespace(id="u1")])
async def test_the_hooks_follow_the_voice(utterance: object) -> None:
    hook = hooks(Said("stop"))
    await hook.on_agent_start_speaking(utterance)
    assert hook.state_mgr.get_state().to_dict() == {"is_speaking": True, "utterance_id": "u1"}
    assert await hook.on_vad_event() is True
    await hook.on_agent_stop_speaking()
    assert await hook.on_vad_event() is False


def test_words_that_are_late_interrupt_after_half_a_second_at_most() -> None:
    async def test(loop: VirtualLoop) -> None:
        hook = hooks(Said("yeah", after_s=60))
        await hook.on_agent_start_speaking("u1")
        begun_s = loop.time()
        assert await hook.on_vad_event() is True
        assert loop.time() - begun_s == pytest.approx(0.5)
        assert "no words within 500 ms" in hook.last_reason

    run_virtual(test)


def test_the_wait_is_a_setting_and_never_longer_than_half_a_second() -> None:
    async def test(loop: VirtualLoop) -> None:
        hook = hooks(Said("yeah", after_s=60), stt_timeout_ms=300.0)
        await hook.on_agent_start_speaking("u1")
        begun_s = loop.time()
        await hook.on_vad_event()
        assert loop.time() - begun_s == pytest.approx(0.3)

    run_virtual(test)
    assert load_config(environ={"LIVEKIT_INTERRUPTION_STT_TIMEOUT_MS": "300"}).stt_timeout_ms == 300
    with pytest.raises(InterruptionSettingError, match="stt_timeout_ms"):
        InterruptionHandlerConfig(stt_timeout_ms=501.0)


@pytest.mark.parametrize("answer", [OSError("away"), TimeoutError(), None, 7, b"yeah"])
async def test_a_recogniser_that_fails_interrupts(answer: object) -> None:
    hook = hooks(Said(answer))
    await hook.on_agent_start_speaking("u1")
    assert await hook.on_vad_event() is True


async def test_without_words_the_agent_goes_on_where_that_is_set() -> None:
    hook = hooks(Said(OSError("away")), on_stt_failure="continue")
    await hook.on_agent_start_speaking("u1")
    assert await hook.on_vad_event() is False


async def test_being_cancelled_is_no_decision() -> None:
    hook = hooks(Said(asyncio.CancelledError()))
    await hook.on_agent_start_speaking("u1")
    with pytest.raises(asyncio.CancelledError):
        await hook.on_vad_event()


def test_words_that_come_when_the_agent_has_finished_are_ordinary_input() -> None:
    async def test(loop: VirtualLoop) -> None:
        hook = hooks(Said("stop", after_s=0.4))
        await hook.on_agent_start_speaking("u1")
        async with asyncio.TaskGroup() as tasks:
            decided = tasks.create_task(hook.on_vad_event())
            await asyncio.sleep(0.1)
            await hook.on_agent_stop_speaking()
        assert decided.result() is False

    run_virtual(test)


async def test_with_interruptions_off_nothing_interrupts() -> None:
    hook = hooks(Said("stop"), allow_interruptions=False)
    await hook.on_agent_start_speaking("u1")
    assert await hook.on_vad_event() is False


@pytest.mark.parametrize(("on", "lines"), [(True, 1), (False, 0)])
async def test_all_decisions_are_logged_where_that_is_set(
    on: bool, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    hook = hooks(Said("yeah"), log_all_decisions=on)
    handler = InterruptionHandler(InterruptionHandlerConfig(log_all_decisions=on))
    await hook.on_agent_start_speaking("u1")
    with caplog.at_level(logging.INFO):
        await hook.on_vad_event()
        handler.analyze("yeah")
    assert caplog.messages == ["interruption.decided"] * 2 * lines

"""What a judge of the user's own may get wrong: the sound goes on, and duration alone decides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapters.gate import GateState
from streams.vocabulary import BargeInMode, Decision, Observation, Verdict
from tests.adapters.scene import scene, speak
from tests.adapters.virtual_time import VirtualLoop, run_virtual

if TYPE_CHECKING:
    from adapters.ports import SpeechStarted


class Saying:
    def __init__(self, what: Any) -> None:
        self.what = what

    def observe(self, observation: Observation) -> Verdict:
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


def not_made(started: SpeechStarted) -> Saying:
    raise RuntimeError("no key")


HOLD = Verdict(Decision.HOLD, "thinking")
WRONG = {
    "not made": not_made,
    "fails": lambda _: Saying(RuntimeError("no network")),
    "answers with text": lambda _: Saying("interrupt"),
    "answers with nothing": lambda _: Saying(None),
    "an unknown decision": lambda _: Saying(replace(HOLD, decision="perhaps")),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
def test_speech_that_goes_on_interrupts_at_the_limit_whatever_the_judge_does(
    what: str, mode: BargeInMode
) -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=mode, judge=WRONG[what]) as s:
            speak(s.adapter, "u1", 3000)
            await s.pass_ms(200)
            s.ears.start("ann")
            s.ears.words("ann", "yeah")
            s.ears.progress("ann", silence_ms=0)
            await s.pass_ms(400)
            assert not s.reports.of("cut")
            await s.pass_ms(800)
            (cut,) = s.reports.of("cut")
            assert cut.verdict.decision is Decision.INTERRUPT

    run_virtual(test)


@pytest.mark.parametrize("what", WRONG)
def test_speech_that_has_stopped_lets_the_agent_go_on_whatever_the_judge_does(what: str) -> None:
    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, judge=WRONG[what]) as s:
            speak(s.adapter, "u1", 3000)
            await s.pass_ms(200)
            s.ears.start("ann")
            await s.pass_ms(200)
            s.ears.end("ann")
            await s.pass_ms(1000)
            assert s.adapter.gate_state is GateState.OPEN
            assert not s.reports.of("cut")

    run_virtual(test)


def test_a_decision_written_as_plain_text_counts() -> None:
    judge = Saying(replace(HOLD, decision="interrupt"))  # type: ignore[arg-type]

    async def test(loop: VirtualLoop) -> None:
        async with scene(loop, mode=BargeInMode.CONFIRM, judge=lambda _: judge) as s:
            speak(s.adapter, "u1", 3000)
            await s.pass_ms(200)
            s.ears.start("ann")
            s.ears.words("ann", "stop")
            await s.pass_ms(50)
            (cut,) = s.reports.of("cut")
            assert cut.verdict.decision is Decision.INTERRUPT

    run_virtual(test)

"""What the settings make of the judge: sensitivity, a recogniser that fails, the log, judges of packages."""

from __future__ import annotations

import logging
import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    InterruptionHandler,
    InterruptionHandlerConfig,
    InterruptionHooks,
    judge_factory,
    judging,
    load_config,
)
from streams.vocabulary import Decision, Observation, Verdict

from .test_judge import seen

BOTH = pytest.mark.parametrize("shipped", ["learned", "lists"])


def decisions(config: InterruptionHandlerConfig, *steps: Observation) -> list[Decision]:
    judge = judge_factory(config)()
    return [judge.observe(step).decision for step in steps]


@BOTH
def test_with_low_sensitivity_commands_alone_interrupt(shipped: str) -> None:
    low = InterruptionHandlerConfig(judging=shipped, sensitivity="low")
    told = seen(900, words="what about the other one then")
    assert decisions(InterruptionHandlerConfig(judging=shipped), told) == [Decision.INTERRUPT]
    story = "the green one was there in the morning"
    assert decisions(low, seen(900, words=story)) == [Decision.CONTINUE]
    assert decisions(low, seen(900, words=story, final=True, ended=True)) == [Decision.RESUME]
    assert decisions(low, seen(900, words=story), seen(1500, words=f"{story} stop")) == [
        Decision.CONTINUE,
        Decision.INTERRUPT,
    ]


@BOTH
def test_with_low_sensitivity_words_while_the_agent_thinks_are_still_a_new_turn(shipped: str) -> None:
    low = InterruptionHandlerConfig(judging=shipped, sensitivity="low")
    thinking = seen(900, words="the green one was there", final=True, ended=True, agent_thinking=True)
    assert decisions(low, thinking) == [Decision.INTERRUPT]


@BOTH
def test_with_high_sensitivity_the_first_other_word_interrupts(shipped: str) -> None:
    high = InterruptionHandlerConfig(judging=shipped, sensitivity="high")
    assert decisions(high, seen(300, words="yeah"), seen(400, words="yeah nice")) == [
        Decision.CONTINUE,
        Decision.INTERRUPT,
    ]
    normal = InterruptionHandlerConfig(judging=shipped)
    assert decisions(normal, seen(400, words="yeah nice")) != [Decision.INTERRUPT]


@BOTH
@pytest.mark.parametrize("failed", [True, False])
def test_a_recogniser_that_tells_nothing_interrupts_or_not_as_is_set(shipped: str, failed: bool) -> None:
    goes_on = seen(1200, voiced_ms=1200, recogniser_failed=failed)
    over = seen(1400, voiced_ms=1200, recogniser_failed=failed, ended=True, final=True)
    safe = InterruptionHandlerConfig(judging=shipped)
    calm = InterruptionHandlerConfig(judging=shipped, on_stt_failure="continue")
    assert decisions(safe, goes_on) == [Decision.INTERRUPT]
    assert decisions(calm, goes_on, over) == [Decision.CONTINUE, Decision.RESUME]
    assert decisions(calm, goes_on, seen(1500, words="stop")) == [Decision.CONTINUE, Decision.INTERRUPT]


async def test_the_hooks_heed_sensitivity_and_the_script_of_the_words() -> None:
    class Said:
        text = ""

        async def transcribe(self) -> str:
            return self.text

    for sensitivity, text, interrupts in (
        ("normal", "the green one", True),
        ("low", "the green one", False),
        ("low", "stop", True),
        ("normal", "はい", False),
        ("normal", "待って", True),
    ):
        stt = Said()
        stt.text = text
        hooks = InterruptionHooks(stt, config=InterruptionHandlerConfig(sensitivity=sensitivity))
        await hooks.on_agent_start_speaking("u1")
        assert await hooks.on_vad_event() is interrupts, (sensitivity, text)


@pytest.mark.parametrize(
    ("words", "tag", "acknowledges"),
    [
        ("はい", "", True),
        ("네 네", "", True),
        ("no no", "pl_PL", True),
        ("no no", "PL", True),
        ("no no", "", False),
        ("no no", "xx", False),
    ],
)
def test_the_handler_reads_words_by_tag_else_by_script_else_as_set(
    words: str, tag: str, acknowledges: bool
) -> None:
    handler = InterruptionHandler(InterruptionHandlerConfig())
    assert handler.is_backchanneling(words, language=tag) is acknowledges


@BOTH
def test_every_change_of_the_judges_mind_is_logged_once_if_asked_for(
    shipped: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    steps = (seen(300, words="yeah"), seen(350, words="yeah"), seen(600, words="yeah but wait"))
    decisions(InterruptionHandlerConfig(judging=shipped), *steps)
    assert caplog.records == []
    decisions(InterruptionHandlerConfig(judging=shipped, log_all_decisions=True), *steps)
    told: list[Any] = [record for record in caplog.records if record.message == "interruption.decided"]
    assert [(each.decision, each.words) for each in told] == [
        ("continue", "yeah"),
        ("interrupt", "yeah but wait"),
    ]


class Opposite:
    """Interrupts at acknowledgements only."""

    def observe(self, observation: Observation) -> Verdict:
        calm = observation.words == "yeah"
        return Verdict(Decision.INTERRUPT if calm else Decision.CONTINUE, "opposite", observation.words)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    brought = [EntryPoint("opposite", f"{__name__}:Opposite", judging.GROUP)]
    monkeypatch.setattr(judging, "entry_points", lambda *, group: [e for e in brought if e.group == group])


@pytest.mark.usefixtures("package")
def test_a_judge_of_a_package_is_chosen_by_its_name() -> None:
    config = load_config(environ={"LIVEKIT_INTERRUPTION_JUDGING": "opposite"})
    assert decisions(config, seen(300, words="stop"), seen(400, words="yeah")) == [
        Decision.CONTINUE,
        Decision.INTERRUPT,
    ]
    off = load_config(
        environ={
            "LIVEKIT_INTERRUPTION_JUDGING": "opposite",
            "LIVEKIT_INTERRUPTION_ALLOW_INTERRUPTIONS": "off",
        }
    )
    assert decisions(off, seen(400, words="yeah")) == [Decision.RESUME]


@pytest.mark.parametrize("name", ["oracle", "Learned!"])
@pytest.mark.usefixtures("package")
def test_a_judge_that_nobody_brings_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InterruptionSettingError, match="learned, lists, opposite") as refused:
        load_config(environ={"LIVEKIT_INTERRUPTION_JUDGING": name})
    assert refused.value.key == "judging"


@pytest.mark.parametrize("name", ["", 7, None])
def test_the_name_of_a_judge_is_a_text(name: Any) -> None:
    with pytest.raises(InterruptionSettingError, match="judging"):
        InterruptionHandlerConfig(judging=name)


def test_the_judge_of_the_guide_works() -> None:
    guide = Path(__file__).parents[2] / "docs" / "interruption" / "judges.md"
    (code,) = re.findall(r"^```py\n(.*?)^```$", guide.read_text(), re.MULTILINE | re.DOTALL)
    space: dict[str, Any] = {"__name__": "guide"}
    exec(compile(code, str(guide), "exec"), space)
    judge = space["Questions"]()
    steps = (seen(300, words="yeah"), seen(600, words="yeah", ended=True), seen(900, words="what now"))
    assert [judge.observe(step).decision for step in steps] == [
        Decision.CONTINUE,
        Decision.RESUME,
        Decision.INTERRUPT,
    ]

"""Frames through stages: settings down, a request for an interruption up, the interruption down."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import (
    BaseInterruptionStrategy,
    BaseProcessor,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    DataFrame,
    Frame,
    FrameDirection,
    InputAudioRawFrame,
    InterruptionFrame,
    InterruptionTaskFrame,
    MinWordsInterruptionStrategy,
    Pipeline,
    PipelineTask,
    PipelineTaskConfig,
    StartFrame,
    TextFrame,
    UserInterruptionProcessor,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VolumeInterruptionStrategy,
)


@dataclass(frozen=True, slots=True)
class Work(DataFrame):
    n: int = 0


class Stage(BaseProcessor):
    """Keeps its work, and what passed it."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[tuple[Frame, FrameDirection]] = []

    def handle_frame(self, frame: Frame, direction: FrameDirection) -> None:
        self.passed.append((frame, direction))
        if isinstance(frame, Work):
            self.queue.append(frame)
        super().handle_frame(frame, direction)

    def saw(self, kind: type[Frame]) -> list[FrameDirection]:
        return [direction for frame, direction in self.passed if isinstance(frame, kind)]


class Failing(Stage):
    def clear(self, frame: InterruptionFrame) -> None:
        raise OSError("stuck")


class Broken(BaseInterruptionStrategy):
    def should_interrupt(self) -> bool:
        raise OSError("broken")

    def reset(self) -> None:
        return


def line(*stages: BaseProcessor, **config: object) -> PipelineTask:
    task = PipelineTask(Pipeline(stages), PipelineTaskConfig(**config))  # type: ignore[arg-type]
    task.start()
    return task


def listening(*strategies: BaseInterruptionStrategy, allow: bool = True) -> tuple[PipelineTask, Stage]:
    """A line whose first stage listens to the person, and whose second one has work waiting."""
    user, behind = UserInterruptionProcessor(), Stage()
    task = line(user, behind, allow_interruptions=allow, interruption_strategies=strategies)
    task.queue_frame(Work(1))
    task.queue_frame(BotStartedSpeakingFrame())
    task.queue_frame(UserStartedSpeakingFrame("paul"))
    return task, behind


def test_interruptions_are_allowed_unless_switched_off() -> None:
    assert PipelineTaskConfig().allow_interruptions
    assert PipelineTask(Pipeline([])).config.allow_interruptions
    assert BaseProcessor().interruptions_allowed()


def test_the_start_frame_hands_the_settings_to_every_stage() -> None:
    stages = (Stage(), Stage(), Stage())
    words = MinWordsInterruptionStrategy(3)
    line(*stages, allow_interruptions=False, interruption_strategies=[words])
    for stage in stages:
        assert stage.saw(StartFrame) == [FrameDirection.DOWNSTREAM]
        assert not stage.interruptions_allowed()
        assert list(stage.interruption_strategies()) == [words]


def test_a_request_goes_up_and_the_interruption_comes_down_through_all_stages() -> None:
    stages = (Stage(), Stage(), Stage())
    task = line(*stages)
    task.queue_frame(Work(1))
    task.queue_frame(Work(2))
    assert [len(stage.queue) for stage in stages] == [2, 2, 2]
    stages[1].push_interruption_task_frame(by="paul", reason="three words")
    assert [len(stage.queue) for stage in stages] == [0, 0, 0]
    assert stages[0].saw(InterruptionTaskFrame) == [FrameDirection.UPSTREAM]
    assert stages[2].saw(InterruptionTaskFrame) == []
    for stage in stages:
        assert [f for f, _ in stage.passed if isinstance(f, InterruptionFrame)] == [
            InterruptionFrame("paul", "three words")
        ]


def test_a_request_is_dropped_where_interruptions_are_switched_off() -> None:
    stages = (Stage(), Stage())
    task = line(*stages, allow_interruptions=False)
    task.queue_frame(Work(1))
    stages[1].push_interruption_task_frame()
    assert [len(stage.queue) for stage in stages] == [1, 1]
    task.interrupt(by="floor", reason="lease lost")
    assert [len(stage.queue) for stage in stages] == [0, 0]


def test_a_stage_that_asks_again_on_the_way_down_does_not_start_another_round() -> None:
    class Echoing(Stage):
        def clear(self, frame: InterruptionFrame) -> None:
            super().clear(frame)
            self.push_interruption_task_frame()

    stages = (Echoing(), Stage())
    task = line(*stages)
    stages[1].push_interruption_task_frame()
    assert len(stages[1].saw(InterruptionFrame)) == 1
    task.interrupt()
    assert len(stages[1].saw(InterruptionFrame)) == 2


def test_a_stage_that_fails_keeps_no_other_from_being_emptied(caplog: pytest.LogCaptureFixture) -> None:
    failing, behind = Failing(), Stage()
    task = line(failing, behind)
    task.queue_frame(Work(1))
    with caplog.at_level(logging.ERROR):
        behind.push_interruption_task_frame()
    assert len(behind.queue) == 0
    assert [record.message for record in caplog.records] == ["interruption.stage_failed"]


def test_a_stage_empties_its_queue_when_told_directly() -> None:
    stage = Stage()
    stage.queue.append(Work(1))
    stage.handle_interruption_frame()
    assert not stage.queue


def test_enough_words_interrupt_and_the_strategies_begin_anew() -> None:
    words = MinWordsInterruptionStrategy(3)
    task, behind = listening(words)
    task.queue_frame(TextFrame("no that"))
    task.queue_frame(UserStoppedSpeakingFrame("paul"))
    assert len(behind.queue) == 1
    task.queue_frame(TextFrame("is wrong"))
    assert len(behind.queue) == 0
    assert [f for f, _ in behind.passed if isinstance(f, InterruptionFrame)] == [
        InterruptionFrame("paul", "MinWordsInterruptionStrategy")
    ]
    assert not words.should_interrupt()


def test_any_one_strategy_is_enough_and_a_broken_one_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    task, behind = listening(
        Broken(), MinWordsInterruptionStrategy(9), VolumeInterruptionStrategy(-30, min_duration_ms=50)
    )
    with caplog.at_level(logging.ERROR):
        task.queue_frame(InputAudioRawFrame(b"\x00\x40" * 1_600, 16_000))
    assert len(behind.queue) == 0
    assert "interruption.strategy_failed" in caplog.messages


def test_nothing_interrupts_while_the_agent_is_silent() -> None:
    task, behind = listening(MinWordsInterruptionStrategy(1))
    task.queue_frame(BotStoppedSpeakingFrame())
    task.queue_frame(TextFrame("stop"))
    task.queue_frame(UserStoppedSpeakingFrame())
    assert len(behind.queue) == 1


def test_without_strategies_a_person_who_starts_to_speak_interrupts() -> None:
    _, behind = listening()
    assert len(behind.queue) == 0
    _, off = listening(allow=False)
    assert len(off.queue) == 1


def test_an_interruption_is_not_asked_for_twice() -> None:
    task, behind = listening(MinWordsInterruptionStrategy(1))
    task.queue_frame(TextFrame("stop"))
    task.queue_frame(TextFrame("stop it"))
    task.queue_frame(UserStoppedSpeakingFrame())
    assert len(behind.saw(InterruptionFrame)) == 1


def test_what_a_stage_keeps_is_bounded() -> None:
    stage = Stage()
    task = line(stage)
    for n in range(2_000):
        task.queue_frame(Work(n))
    assert len(stage.queue) == 1_000
    assert stage.queue[-1] == Work(1_999)


def test_what_is_no_strategy_is_refused() -> None:
    with pytest.raises(InterruptionSettingError, match="interruption_strategies"):
        PipelineTaskConfig(interruption_strategies=["min_words"])  # type: ignore[list-item]

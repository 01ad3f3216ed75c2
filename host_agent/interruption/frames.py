"""Frames that travel through a line of stages, and the stages' base: interruptions go up, then down.

A stage that finds that a person may interrupt pushes an `InterruptionTaskFrame` upstream; the task at
the head turns it into an `InterruptionFrame` and pushes that downstream; every stage empties its queue
on the way. All of it happens in the caller's step: nothing is awaited between the decision and silence.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from host_agent.errors import InterruptionSettingError
from host_agent.interruption.strategies import checked_strategies

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from host_agent.interruption.strategies import BaseInterruptionStrategy

__all__ = (
    "BaseProcessor",
    "BotStartedSpeakingFrame",
    "BotStoppedSpeakingFrame",
    "ControlFrame",
    "DataFrame",
    "Frame",
    "FrameDirection",
    "InputAudioRawFrame",
    "InterruptionFrame",
    "InterruptionTaskFrame",
    "Pipeline",
    "PipelineTask",
    "PipelineTaskConfig",
    "StartFrame",
    "SystemFrame",
    "TextFrame",
    "UserStartedSpeakingFrame",
    "UserStoppedSpeakingFrame",
)

_log = logging.getLogger(__name__)

QUEUE_FRAMES = 1_000
"""Frames that a stage may keep; the oldest is dropped for a newer one."""


class FrameDirection(StrEnum):
    """Which way a frame travels."""

    DOWNSTREAM = "downstream"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Frame:
    """Something that travels through stages."""


@dataclass(frozen=True, slots=True)
class ControlFrame(Frame):
    """Tells stages what to do, in its turn."""


@dataclass(frozen=True, slots=True)
class SystemFrame(Frame):
    """Tells stages what to do, at once."""


@dataclass(frozen=True, slots=True)
class DataFrame(Frame):
    """Something to work on; an interruption drops it."""


@dataclass(frozen=True, slots=True)
class StartFrame(SystemFrame):
    """The first frame: hands every stage the settings of interruptions."""

    allow_interruptions: bool = True
    interruption_strategies: tuple[BaseInterruptionStrategy, ...] = ()


@dataclass(frozen=True, slots=True)
class InterruptionTaskFrame(ControlFrame):
    """Upstream: somebody should interrupt; who, and why."""

    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InterruptionFrame(SystemFrame):
    """Downstream: the agent is interrupted; drop what waits."""

    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BotStartedSpeakingFrame(SystemFrame):
    """The agent is audible from now on."""


@dataclass(frozen=True, slots=True)
class BotStoppedSpeakingFrame(SystemFrame):
    """The agent has finished, or was cut off."""


@dataclass(frozen=True, slots=True)
class UserStartedSpeakingFrame(SystemFrame):
    """START_OF_SPEECH of a person."""

    person: str = ""


@dataclass(frozen=True, slots=True)
class UserStoppedSpeakingFrame(SystemFrame):
    """END_OF_SPEECH of a person."""

    person: str = ""


@dataclass(frozen=True, slots=True)
class TextFrame(DataFrame):
    """Words: a person's, or the model's on their way to the voice."""

    text: str


@dataclass(frozen=True, slots=True)
class InputAudioRawFrame(DataFrame):
    """A person's sound: int16 mono."""

    audio: bytes
    sample_rate_hz: int


class BaseProcessor:
    """A stage. A subclass overrides `handle_frame`, and `clear` where it keeps more than `queue`.

    Before a StartFrame came, interruptions are allowed and there are no strategies.
    """

    def __init__(self) -> None:
        self.queue: deque[Frame] = deque(maxlen=QUEUE_FRAMES)
        """What waits in this stage; an interruption empties it."""
        self._upstream: BaseProcessor | PipelineTask | None = None
        self._downstream: BaseProcessor | None = None
        self._start = StartFrame()

    def link(self, upstream: BaseProcessor | PipelineTask, downstream: BaseProcessor | None) -> None:
        """Say who stands before and behind."""
        self._upstream, self._downstream = upstream, downstream

    def handle_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take a frame: settings and interruptions are seen to, everything is passed on."""
        match frame:
            case StartFrame():
                self.handle_start_frame(frame)
            case InterruptionFrame():
                self.handle_interruption_frame(frame)
            case _:
                pass
        self.push_frame(frame, direction)

    def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Pass a frame to the neighbour; at an end it is dropped."""
        neighbour = self._downstream if direction is FrameDirection.DOWNSTREAM else self._upstream
        if neighbour is not None:
            neighbour.handle_frame(frame, direction)

    def handle_start_frame(self, frame: StartFrame) -> None:
        """Take the settings of interruptions."""
        self._start = frame

    def interruptions_allowed(self) -> bool:
        """Return whether people may interrupt."""
        return self._start.allow_interruptions

    def interruption_strategies(self) -> Sequence[BaseInterruptionStrategy]:
        """Return the strategies that decide when."""
        return self._start.interruption_strategies

    def push_interruption_task_frame(self, *, by: str = "", reason: str = "") -> None:
        """Ask the task for an interruption."""
        self.push_frame(InterruptionTaskFrame(by, reason), FrameDirection.UPSTREAM)

    def handle_interruption_frame(self, frame: InterruptionFrame | None = None) -> None:
        """Empty this stage. A stage that fails at it is logged, and the others are still told."""
        try:
            self.clear(frame or InterruptionFrame())
        except Exception:
            _log.exception("interruption.stage_failed", extra={"stage": type(self).__name__})

    def clear(self, frame: InterruptionFrame) -> None:
        """Drop what waits here."""
        self.queue.clear()


class Pipeline:
    """Stages in the order in which frames go down."""

    def __init__(self, processors: Iterable[BaseProcessor]) -> None:
        self.processors = tuple(processors)


@dataclass(frozen=True, slots=True)
class PipelineTaskConfig:
    """Whether and when people may interrupt. Interruptions are allowed unless switched off.

    Raises:
        InterruptionSettingError: a setting is no switch or no strategy; names the key.
    """

    allow_interruptions: bool = True
    interruption_strategies: Sequence[BaseInterruptionStrategy] = field(default=())

    def __post_init__(self) -> None:
        if not isinstance(self.allow_interruptions, bool):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
            raise InterruptionSettingError(
                "allow_interruptions", f"{self.allow_interruptions!r} is neither true nor false"
            )
        object.__setattr__(self, "interruption_strategies", checked_strategies(self.interruption_strategies))


class PipelineTask:
    """The head of a line of stages: starts them and turns a request into an interruption.

    A request that comes while an interruption is on its way down is part of it. With interruptions
    switched off requests are dropped.
    """

    def __init__(self, pipeline: Pipeline, config: PipelineTaskConfig | None = None) -> None:
        self.config = config or PipelineTaskConfig()
        self._first = pipeline.processors[0] if pipeline.processors else None
        self._interrupting = False
        before: BaseProcessor | PipelineTask = self
        for at, stage in enumerate(pipeline.processors):
            behind = pipeline.processors[at + 1] if at + 1 < len(pipeline.processors) else None
            stage.link(before, behind)
            before = stage

    def start(self) -> None:
        """Hand the settings to every stage."""
        self.queue_frame(
            StartFrame(self.config.allow_interruptions, tuple(self.config.interruption_strategies))
        )

    def queue_frame(self, frame: Frame) -> None:
        """Send a frame down through all stages."""
        if self._first is not None:
            self._first.handle_frame(frame, FrameDirection.DOWNSTREAM)

    def handle_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Take what came up to the head; a request for an interruption goes down as one."""
        if (
            isinstance(frame, InterruptionTaskFrame)
            and self.config.allow_interruptions
            and not self._interrupting
        ):
            self.interrupt(by=frame.by, reason=frame.reason)

    def interrupt(self, *, by: str = "", reason: str = "") -> None:
        """Send an interruption down, whoever asks for it and whatever is allowed."""
        if self._interrupting:
            return
        self._interrupting = True
        try:
            self.queue_frame(InterruptionFrame(by, reason))
        finally:
            self._interrupting = False

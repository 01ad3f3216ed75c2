"""Judges whether a person's speech over an agent's is an interruption.

`IntelligentInterruptionAgent` loads livekit-agents when it is used; nothing else here does.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from host_agent.interruption.agent_state import AgentState, AgentStateManager
from host_agent.interruption.config import load_config
from host_agent.interruption.filter import InterruptionFilter
from host_agent.interruption.frames import (
    BaseProcessor,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ControlFrame,
    DataFrame,
    Frame,
    FrameDirection,
    InputAudioRawFrame,
    InterruptionFrame,
    InterruptionTaskFrame,
    Pipeline,
    PipelineTask,
    PipelineTaskConfig,
    StartFrame,
    SystemFrame,
    TextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from host_agent.interruption.frames_user import UserInterruptionProcessor
from host_agent.interruption.judge import WordListJudge, judge_factory
from host_agent.interruption.lexicon import DEFAULT_COMMAND_WORDS, DEFAULT_IGNORE_WORDS, Lexicon
from host_agent.interruption.settings import InterruptionHandlerConfig, JudgeSettings
from host_agent.interruption.strategies import (
    AllOf,
    AnyOf,
    BaseInterruptionStrategy,
    MinWordsInterruptionStrategy,
    TimeBasedStrategy,
)
from host_agent.interruption.strategies_heard import (
    KeywordInterruptionStrategy,
    MinDurationInterruptionStrategy,
    UrgencyInterruptionStrategy,
    VolumeInterruptionStrategy,
    WordFilterInterruptionStrategy,
)
from host_agent.interruption.strategies_judge import StrategyJudge

__all__ = (
    "DEFAULT_COMMAND_WORDS",
    "DEFAULT_IGNORE_WORDS",
    "AgentState",
    "AgentStateManager",
    "AllOf",
    "AnyOf",
    "BaseInterruptionStrategy",
    "BaseProcessor",
    "BotStartedSpeakingFrame",
    "BotStoppedSpeakingFrame",
    "ControlFrame",
    "DataFrame",
    "Frame",
    "FrameDirection",
    "InputAudioRawFrame",
    "InterruptionFilter",
    "InterruptionFrame",
    "InterruptionHandlerConfig",
    "InterruptionTaskFrame",
    "JudgeSettings",
    "KeywordInterruptionStrategy",
    "Lexicon",
    "MinDurationInterruptionStrategy",
    "MinWordsInterruptionStrategy",
    "Pipeline",
    "PipelineTask",
    "PipelineTaskConfig",
    "StartFrame",
    "StrategyJudge",
    "SystemFrame",
    "TextFrame",
    "TimeBasedStrategy",
    "UrgencyInterruptionStrategy",
    "UserInterruptionProcessor",
    "UserStartedSpeakingFrame",
    "UserStoppedSpeakingFrame",
    "VolumeInterruptionStrategy",
    "WordFilterInterruptionStrategy",
    "WordListJudge",
    "judge_factory",
    "load_config",
)

_LATE: dict[str, str] = {}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Judges whether a person's speech over an agent's is an interruption.

`IntelligentInterruptionAgent` loads livekit-agents when it is used; nothing else here does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
from host_agent.interruption.handler import HandlerAction, HandlerDecision, InterruptionHandler
from host_agent.interruption.handler_check import test_integration_locally
from host_agent.interruption.handler_hooks import InterruptionHooks
from host_agent.interruption.handler_session import RECOMMENDED_TURN_HANDLING, SessionWatch
from host_agent.interruption.judge import LearnedJudge, WordListJudge
from host_agent.interruption.judging import judge_factory
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

if TYPE_CHECKING:
    from host_agent.interruption.handler_agent import IntelligentInterruptionAgent

__all__ = (
    "DEFAULT_COMMAND_WORDS",
    "DEFAULT_IGNORE_WORDS",
    "RECOMMENDED_TURN_HANDLING",
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
    "HandlerAction",
    "HandlerDecision",
    "InputAudioRawFrame",
    "IntelligentInterruptionAgent",
    "InterruptionFilter",
    "InterruptionFrame",
    "InterruptionHandler",
    "InterruptionHandlerConfig",
    "InterruptionHooks",
    "InterruptionTaskFrame",
    "JudgeSettings",
    "KeywordInterruptionStrategy",
    "LearnedJudge",
    "Lexicon",
    "MinDurationInterruptionStrategy",
    "MinWordsInterruptionStrategy",
    "Pipeline",
    "PipelineTask",
    "PipelineTaskConfig",
    "SessionWatch",
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
    "test_integration_locally",
)

_LATE = {"IntelligentInterruptionAgent": "host_agent.interruption.handler_agent"}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

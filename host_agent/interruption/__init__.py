"""Judges whether a person's speech over an agent's is an interruption."""

from __future__ import annotations

from host_agent.interruption.agent_state import AgentState, AgentStateManager
from host_agent.interruption.config import load_config
from host_agent.interruption.filter import InterruptionFilter
from host_agent.interruption.judge import WordListJudge, judge_factory
from host_agent.interruption.lexicon import DEFAULT_COMMAND_WORDS, DEFAULT_IGNORE_WORDS, Lexicon
from host_agent.interruption.settings import InterruptionHandlerConfig, JudgeSettings

__all__ = (
    "DEFAULT_COMMAND_WORDS",
    "DEFAULT_IGNORE_WORDS",
    "AgentState",
    "AgentStateManager",
    "InterruptionFilter",
    "InterruptionHandlerConfig",
    "JudgeSettings",
    "Lexicon",
    "WordListJudge",
    "judge_factory",
    "load_config",
)

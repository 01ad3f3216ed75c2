"""The agent and the model of a host, found by name or refused with one clear line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from google.adk.agents.llm_agent import LlmAgent

from host_agent.cascade import HeardCascadeLive
from host_agent.errors import ModelSettingError
from host_agent.model_errors import one_line

if TYPE_CHECKING:
    from google.adk.models.base_llm import BaseLlm


def agent_of(name: str, model: str | BaseLlm | None, instruction: str) -> LlmAgent:
    """Return an ADK agent; ADK wants an identifier for a name.

    Raises:
        ModelSettingError: no model is given.
    """
    if not model:
        raise ModelSettingError("model", "neither an agent nor a model was given", cure="Name a live model")
    identifier = re.sub(r"\W", "_", name)
    if not identifier.isidentifier() or identifier == "user":
        identifier = f"agent_{identifier}"
    return LlmAgent(name=identifier, model=model, instruction=instruction)


def live_model(agent: LlmAgent) -> BaseLlm:
    """Return the model that `agent` runs live.

    Raises:
        ModelSettingError: ADK knows no such model.
    """
    try:
        model = agent.canonical_live_model
        if isinstance(model, HeardCascadeLive):
            model.resolve()
    except ValueError as error:
        reason = one_line(error).split(". ")[0]
        cure = "Name a model that ADK knows, or use the offline model"
        raise ModelSettingError("model", reason, cure=cure) from error
    return model

"""The offline text model that reads out the agent's speech when told to, shared by all ADK contenders."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from agent_voice import agent_speech

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from google.adk.models import BaseLlm, LlmResponse
    from google.genai import types

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from google.adk.models import LlmRequest

GO = "Please tell me about the harbour."


class ReadsOut(BaseLlm):
    """Answers GO with the agent's speech, and everything else with nothing."""

    model: str = "reads-out"

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Yield the answer to the last content."""
        last = llm_request.contents[-1].parts if llm_request.contents else None
        if any(GO in (part.text or "") for part in last or ()):
            content = types.Content(role="model", parts=[types.Part(text=agent_speech().text)])
            yield LlmResponse(content=content)

"""A text model that needs no key and no network: rules over the conversation that it is given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from google.adk.models._capabilities import LlmCapabilities
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_response import LlmResponse
from google.genai import types

from host_agent.offline.replies import Line, Persona, reply

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from google.adk.models.llm_request import LlmRequest

_NAMED = re.compile(r"You are (?P<name>[\w-]+), the (?P<role>[\w-]+)")


class RuleTextModel(BaseLlm):
    """Answers by rule from the request's contents; streams sentence by sentence.

    The system instruction gives its part: "You are NAME, the ROLE".
    """

    model: str = "offline-rules"

    @property
    def capabilities(self) -> LlmCapabilities:
        """No tools, no images: text."""
        return LlmCapabilities()

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Yield the turn, in sentences where `stream`, then whole."""
        text = reply(_history(llm_request), _persona(llm_request))
        if stream:
            for sentence in re.findall(r"[^.?!]+[.?!]+\s*|[^.?!]+$", text):
                yield _response(sentence, partial=True)
        yield _response(text, partial=False)


def _history(request: LlmRequest) -> list[Line]:
    return [
        Line(
            mine=content.role == "model",
            text="\n".join(part.text for part in content.parts or [] if part.text and not part.thought),
        )
        for content in request.contents
    ]


def _persona(request: LlmRequest) -> Persona:
    instruction = request.config.system_instruction
    found = _NAMED.search(instruction if isinstance(instruction, str) else "")
    return Persona(found["name"], found["role"]) if found else Persona("agent", "expert")


def _response(text: str, *, partial: bool) -> LlmResponse:
    return LlmResponse(content=types.Content(role="model", parts=[types.Part(text=text)]), partial=partial)

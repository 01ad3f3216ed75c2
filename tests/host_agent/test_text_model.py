from __future__ import annotations

import pytest
from google.adk.models.llm_request import LlmRequest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from host_agent.marker import floor_line, mark_interrupted, say_line
from host_agent.offline.replies import Line, Persona, reply
from host_agent.offline.text_model import RuleTextModel


def request(
    *lines: tuple[str, str], instruction: str = "You are host, the host in a conversation."
) -> LlmRequest:
    return LlmRequest(
        contents=[types.Content(role=role, parts=[types.Part(text=text)]) for role, text in lines],
        config=types.GenerateContentConfig(system_instruction=instruction),
    )


async def answer(asked: LlmRequest, *, stream: bool = False) -> list[tuple[str, bool | None]]:
    pieces: list[tuple[str, bool | None]] = []
    async for response in RuleTextModel().generate_content_async(asked, stream=stream):
        assert response.content is not None
        assert response.content.parts
        pieces.append((response.content.parts[0].text or "", response.partial))
    return pieces


async def test_a_streamed_answer_is_the_whole_one_in_sentences() -> None:
    asked = request(("user", floor_line("Open the conversation, and hand over to expert.")))
    [(whole, partial)] = await answer(asked)
    *pieces, last = await answer(asked, stream=True)
    assert partial is False
    assert last == (whole, False)
    assert len(pieces) >= 3
    assert "".join(text for text, _ in pieces) == whole
    assert all(is_partial for _, is_partial in pieces)


async def test_the_instruction_says_who_speaks() -> None:
    opening = ("user", floor_line("Open the conversation."))
    [(text, _)] = await answer(request(opening, instruction="You are mira, the host in a talk."))
    assert "I am mira" in text
    [(text, _)] = await answer(request(opening, instruction=""))
    assert "I am agent" in text


async def test_the_history_is_read_and_the_same_history_gets_the_same_answer() -> None:
    first = request(("user", "what is a fencing token"))
    cut = request(
        ("user", "what is a fencing token"),
        ("model", mark_interrupted("Each grant carries a number", "ada")),
        ("user", "go forward ten meters"),
    )
    assert await answer(first) == await answer(first)
    assert await answer(first) != await answer(cut)
    [(text, _)] = await answer(cut)
    assert "Each grant carries a number" in text
    assert "go forward ten meters" in text


async def test_it_claims_no_tools() -> None:
    assert RuleTextModel().capabilities.output_schema_and_tools is False


@pytest.mark.parametrize("words", ["stop", "wait wait", "hold on please"])
async def test_a_command_is_obeyed_and_a_question_follows(words: str) -> None:
    [(text, _)] = await answer(request(("model", mark_interrupted("Whoever wants", "ada")), ("user", words)))
    assert text.endswith("?")


lines = st.lists(
    st.builds(
        Line,
        mine=st.booleans(),
        text=st.one_of(
            st.text(max_size=60),
            st.builds(mark_interrupted, st.text(max_size=40), st.text(max_size=10)),
            st.builds(say_line, st.text(max_size=10), st.text(max_size=40)),
            st.builds(floor_line, st.text(max_size=40)),
        ),
    ),
    max_size=6,
)


@given(lines, st.sampled_from(["host", "expert", "scribe"]))
def test_any_conversation_gets_an_answer_that_can_be_spoken(history: list[Line], role: str) -> None:
    text = reply(history, Persona("ada", role))
    assert text.strip()
    assert text == reply(history, Persona("ada", role))

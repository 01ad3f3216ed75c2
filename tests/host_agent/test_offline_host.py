"""A host over what needs no key: the espeak-ng voice and the rule-based text model."""

from __future__ import annotations

import asyncio

from host_agent import HeardCascadeLive, UniversalHostAgent, WordEgress
from host_agent.offline.text_model import RuleTextModel
from host_agent.offline.voice import host_voice
from host_agent.ports import Prompt
from streams.events import AgentFailed, Interruption
from tests.host_agent.stagecraft import Cast, Grant, MemoryOutput, RecordList, ScriptModel


async def test_after_an_interruption_the_answer_knows_what_was_heard_and_what_was_said():
    output, record = MemoryOutput(), RecordList()
    host = UniversalHostAgent(
        name="host",
        model=HeardCascadeLive(RuleTextModel(), tts=WordEgress(host_voice())),
        instruction="You are host, the host in a spoken conversation.",
        output=output,
        record=record,
    )
    async with host:
        cast = Cast(host, output, record, ScriptModel())
        async with asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(host.speak(Grant(), Prompt("Open the conversation.")))
            await output.has(3000)
            output.play(2500)
            cast.cut()
        heard = turn.result().heard_text
        assert 3 <= len(heard.split()) <= 12
        cast.hear("s1", "stop what about the river", started=True)
        async with asyncio.TaskGroup() as tasks:
            answer = tasks.create_task(host.speak(Grant(2), Prompt("")))
            await output.ended(nth=2)
            output.play()
        said = answer.result().heard_text
        assert f"You heard me up to: {' '.join(heard.split()[-6:]).rstrip('.,!?')}." in said
        assert "You said: stop what about the river." in said
        (told,) = record.of(Interruption)
        assert told.heard_text + " " + told.unheard_text == turn.result().generated_text
        assert record.of(AgentFailed) == []

"""What is no interruption and what it costs: sound without words, and the agent's own words coming back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from adapters.ports import WordsHeard
from host_agent.ports import Prompt
from streams import events as ev
from streams.vocabulary import BargeInMode
from tests.host_agent.stagecraft import ScriptModel
from tests.swarm.test_session import (
    LONG,
    SHORT,
    EchoingMicrophone,
    ScriptedRecogniser,
    agent,
    in_room,
    speech,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

MODES = (BargeInMode.CONFIRM, BargeInMode.OVERLAP)


class PromptedRecogniser:
    """Says at once what it was told beforehand, and later what it is told then."""

    def __init__(self, at_once: str) -> None:
        self._at_once = at_once
        self._tell: Callable[[str, bool], None] | None = None
        self.opened = asyncio.Event()

    def open(self, speech_id: str, person: str, on_words: Callable[[WordsHeard], None]) -> PromptedRecogniser:
        self._tell = lambda text, final: on_words(WordsHeard(speech_id, person, text, final, 0.9))
        asyncio.get_running_loop().call_soon(self.say, self._at_once)
        self.opened.set()
        return self

    def say(self, text: str, *, final: bool = False) -> None:
        assert self._tell is not None
        self._tell(text, final)

    def push(self, pcm: bytes) -> None: ...
    def cancel(self) -> None: ...

    def finish(self) -> None:
        asyncio.get_running_loop().call_soon(lambda: self.say(self._at_once, final=True))


@pytest.mark.parametrize("mode", MODES)
async def test_sound_without_words_is_a_false_alarm_recorded_with_its_cost(
    real_redis: Redis, mode: BargeInMode
) -> None:
    model = ScriptModel(SHORT, "unasked")
    async with in_room(
        real_redis, agent("host", model, mode=mode), recogniser=ScriptedRecogniser("")
    ) as room:
        await room.session.agents["host"].ask(Prompt("Explain."))
        await room.until(ev.FloorTaken)
        await asyncio.sleep(1.0)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.microphone.say(speech(0.65)))  # "go", of which nothing is recognised
            alarm = await room.until(ev.FalseInterruption)
        said = room.events(ev.Utterance)[0] if room.events(ev.Utterance) else await room.until(ev.Utterance)
        assert (said.heard_text, said.interrupted) == (SHORT.strip(), False)
        assert (alarm.speaker, alarm.by, alarm.words) == ("host", "ada", "")
        assert alarm.utterance_id == said.utterance_id
        if mode is BargeInMode.OVERLAP:
            assert alarm.held_ms == 0
        else:
            assert 100 < alarm.held_ms < 1_500
        assert room.events(ev.Interruption) == []
        assert len(model.requests) == 1


@pytest.mark.parametrize("mode", MODES)
async def test_an_echo_that_comes_too_late_for_the_ears_is_known_by_its_words(
    real_redis: Redis, mode: BargeInMode
) -> None:
    """As over a slow wireless loudspeaker: the echo veto knows 500 ms. A command over it still cuts."""
    recogniser = PromptedRecogniser("is a long explanation that goes on")
    model = ScriptModel(LONG, "Yes?")
    spec = agent("host", model, mode=mode)
    async with in_room(real_redis, spec, recogniser=recogniser, echo_ms=700) as room:
        await room.session.agents["host"].ask(Prompt("Explain."))
        await room.until(ev.FloorTaken)
        assert isinstance(room.microphone, EchoingMicrophone)
        room.microphone.hears_loudspeaker = False
        await asyncio.sleep(3.5)
        room.microphone.hears_loudspeaker = True
        async with asyncio.timeout(10):
            await recogniser.opened.wait()
        await asyncio.sleep(2.0)
        assert room.events(ev.Interruption) == []
        asyncio.get_running_loop().call_later(
            0.1, recogniser.say, "a long explanation that goes on please stop"
        )
        cut = await room.until(ev.Interruption, 5.0)
        assert (cut.interrupted, cut.interruptor) == ("host", "ada")
        assert "stop" in cut.reason

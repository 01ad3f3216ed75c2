"""The scenarios and matrices of the interruption handler, by voice, in a real room with a real AgentSession.

The room, the session, its detector, the voices and what a listener hears are real; the recogniser tells the
words that were really said, as late as a streaming one does.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soxr
from livekit import rtc
from livekit.agents import AgentSession, inference
from livekit.agents.voice.room_io import RoomOptions

from examples.voice_agents.interruption_handler_agent import IntelligentInterruptionAgent
from examples.voice_agents.offline_plugins import EspeakTTS, RuleLLM
from host_agent.interruption import RECOMMENDED_TURN_HANDLING, InterruptionHandler, InterruptionHandlerConfig
from host_agent.offline.voice import EspeakVoice
from tests.engines.listener import Listener, audible_intervals
from tests.engines.person import Person, Speech
from tests.real.conftest import AGENT, PERSON, ROOM
from tests.real.scripted_stt import ScriptedSTT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from livekit.agents.voice import SpeechHandle

    from tests.engines.livekit import LiveKitServer

pytestmark = [pytest.mark.real, pytest.mark.livekit, pytest.mark.timeout(90)]

HISTORY = (
    "In the fifteenth century, a goldsmith of Mainz looked for a way to make many copies of a page, and he "
    "cast letters in metal, one by one, and set them into lines, and locked the lines into a frame."
)
COUNTING = "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen."
LONGEST_PAUSE_MS = 400.0
"""What the voice itself leaves between two clauses, and a little."""


@dataclass(slots=True)
class Room:
    """A session's agent, a person and a listener in one room."""

    session: AgentSession[Any]
    stt: ScriptedSTT
    person: Person
    listener: Listener
    false_alarms: list[bool]

    def begin(self, text: str) -> SpeechHandle:
        self.listener.clear()
        return self.session.say(text)

    async def audible(self) -> None:
        await self.listener.wait_audible(AGENT, after_s=0.0, limit_s=5.0)

    async def person_says(self, text: str, *, late_ms: float = 150.0) -> tuple[float, float]:
        """Say it; return when it began and when its last words had been recognised."""
        made = EspeakVoice("en-us+f3").synthesise_blocking(text)
        onset_s = await self.person.say(as_speech(made.pcm, made.sample_rate_hz, self.person.sample_rate_hz))
        async with asyncio.TaskGroup() as tasks:
            told = tasks.create_task(self.stt.follow(made, onset_s, late_ms=late_ms))
            tasks.create_task(self.person.said())
        return onset_s, told.result()

    def longest_silence_ms(self, from_s: float, to_s: float) -> float:
        """The longest stretch without the agent's voice."""
        spoken = [
            i for i in audible_intervals(self.listener.tracks[AGENT]) if i.to_s > from_s and i.from_s < to_s
        ]
        edges = [from_s, *(at for i in spoken for at in (i.from_s, i.to_s)), to_s]
        return max(b - a for a, b in zip(edges[::2], edges[1::2], strict=True)) * 1000

    def audible_ms(self, from_s: float, to_s: float) -> float:
        """How much of the agent's voice was heard in a stretch of time."""
        heard = audible_intervals(self.listener.tracks[AGENT])
        return sum(max(0.0, min(i.to_s, to_s) - max(i.from_s, from_s)) for i in heard) * 1000

    async def person_is_answered(self) -> None:
        """Wait until the session has taken in what the person said."""
        async with asyncio.timeout(10):
            while not self.said_by_person():  # noqa: ASYNC110 (the session tells nobody)
                await asyncio.sleep(0.02)

    def said_by_person(self) -> list[str]:
        return [
            item.text_content for item in self.session.history.items if getattr(item, "role", "") == "user"
        ]

    def said_by_agent(self) -> list[str]:
        items = self.session.history.items
        return [item.text_content for item in items if getattr(item, "role", "") == "assistant"]


def as_speech(pcm: bytes, from_hz: int, to_hz: int) -> Speech:
    voice = soxr.resample(np.frombuffer(pcm, np.int16).astype(np.float64), from_hz, to_hz)
    return Speech("said", to_hz, (voice * (6_000.0 / np.abs(voice).max())).astype(np.int16))


@asynccontextmanager
async def room(
    server: LiveKitServer, config: InterruptionHandlerConfig | None = None
) -> AsyncGenerator[Room]:
    """Put them into the room; the agent's track is heard when this yields."""
    stt, connection = ScriptedSTT(), rtc.Room()
    session: AgentSession[Any] = AgentSession(
        stt=stt,
        llm=RuleLLM(),
        tts=EspeakTTS(),
        vad=inference.VAD(model="silero"),
        aec_warmup_duration=None,
        turn_handling={"turn_detection": "vad", **RECOMMENDED_TURN_HANDLING},
    )
    false_alarms: list[bool] = []
    session.on("agent_false_interruption", lambda event: false_alarms.append(event.resumed))
    handler = InterruptionHandler(InterruptionHandlerConfig())
    await connection.connect(server.url, server.token(AGENT, ROOM))
    try:
        async with (
            Listener(server.url, server.token("listener", ROOM)) as listener,
            Person(server.url, server.token(PERSON, ROOM)) as person,
        ):
            await session.start(
                IntelligentInterruptionAgent(handler=handler, instructions="You explain."),
                room=connection,
                room_options=RoomOptions(participant_identity=PERSON),
            )
            await listener.wait_track(AGENT, limit_s=5.0)
            yield Room(session, stt, person, listener, false_alarms)
            await session.aclose()
    finally:
        await connection.disconnect()


@pytest.mark.parametrize(
    ("late_ms", "silence_ms"),
    [(150.0, LONGEST_PAUSE_MS), (900.0, 1_500.0)],
    ids=["quick_words", "slow_words"],
)
async def test_scenario_1_the_long_explanation_goes_on_through_okay_yeah_uh_huh(
    server: LiveKitServer, late_ms: float, silence_ms: float
) -> None:
    async with room(server) as at:
        speech = at.begin(HISTORY)
        await at.audible()
        await asyncio.sleep(1.0)
        onset_s = time.monotonic()
        for words in ("Okay.", "Yeah.", "Uh-huh."):
            await at.person_says(words, late_ms=late_ms)
        over_s = time.monotonic()
        await speech.wait_for_playout()
        assert not speech.interrupted
        assert at.said_by_agent() == [HISTORY]
        assert at.said_by_person() == []
        assert at.longest_silence_ms(onset_s, over_s) < silence_ms
        assert at.stt.audio_frames > 100


async def test_scenario_1_a_long_drawn_acknowledgement_resumes_quickly(server: LiveKitServer) -> None:
    async with room(server) as at:
        speech = at.begin(HISTORY)
        await at.audible()
        await asyncio.sleep(1.0)
        onset_s, _ = await at.person_says("Okay yeah right uh-huh yeah okay", late_ms=1_500.0)
        await asyncio.sleep(1.5)
        await speech.wait_for_playout()
        assert not speech.interrupted
        assert at.said_by_agent() == [HISTORY]
        assert at.said_by_person() == []
        assert at.false_alarms == [True]
        assert at.longest_silence_ms(onset_s, time.monotonic()) < 2_500


async def test_scenario_2_a_yeah_to_the_agents_question_is_answered(server: LiveKitServer) -> None:
    async with room(server) as at:
        speech = at.begin("Are you ready?")
        await speech.wait_for_playout()
        await asyncio.sleep(0.5)
        await at.person_says("Yeah.")
        await asyncio.sleep(0.5)
        async with asyncio.timeout(6.0):
            while at.session.current_speech is None and len(at.said_by_agent()) < 2:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.05)
        if at.session.current_speech is not None:
            await at.session.current_speech.wait_for_playout()
        assert at.said_by_person() == ["Yeah."]
        assert at.said_by_agent() == ["Are you ready?", "Okay, starting now."]


@pytest.mark.parametrize("words", ["No stop.", "Yeah okay but wait."], ids=["scenario_3", "scenario_4"])
async def test_scenarios_3_and_4_a_command_cuts_the_agent_off(server: LiveKitServer, words: str) -> None:
    async with room(server) as at:
        speech = at.begin(COUNTING)
        stopped: list[float] = []
        speech.add_done_callback(lambda _: stopped.append(time.monotonic()))
        await at.audible()
        await asyncio.sleep(1.0)
        onset_s, told_s = await at.person_says(words)
        await asyncio.sleep(0.5)
        assert speech.interrupted
        assert len(stopped) == 1
        assert onset_s < stopped[0] < told_s + 0.2
        assert at.audible_ms(stopped[0] + 0.15, stopped[0] + 0.3) == 0
        said = at.said_by_agent()[0]
        assert said != COUNTING
        assert COUNTING.startswith(said.rstrip(" ."))
        await at.person_is_answered()
        assert at.said_by_person() == [words]


MATRIX = [
    ("Yeah.", True, False),
    ("Okay.", True, False),
    ("Hmm.", True, False),
    ("Stop.", True, True),
    ("Wait.", True, True),
    ("No.", True, True),
    ("Yeah wait.", True, True),
    ("Yeah.", False, None),
    ("Hello.", False, None),
]


async def test_the_decision_matrix_holds_by_voice(server: LiveKitServer) -> None:
    """Every row in one room, one after another; a silent agent answers what it is told."""
    async with room(server) as at:
        for words, speaking, interrupts in MATRIX:
            before = len(at.said_by_person())
            if speaking:
                speech = at.begin(COUNTING)
                await at.audible()
                await asyncio.sleep(0.3)
            await at.person_says(words)
            await asyncio.sleep(1.0)
            if speaking:
                assert speech.interrupted is interrupts, words
                assert len(at.said_by_person()) == before + bool(interrupts), words
            else:
                assert at.said_by_person()[-1] == words
                assert len(at.said_by_person()) == before + 1, words
            await at.session.interrupt(force=True)
            await asyncio.sleep(0.3)

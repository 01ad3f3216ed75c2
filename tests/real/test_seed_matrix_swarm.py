"""The decision matrix of the interruption handler by voice: a whole SwarmSession in a real room.

Redis, room, detector, judge, floor, host, voice and what a listener hears are real; the recogniser tells the
words that were really said, as late as a quick streaming one does, and the model's replies are written down.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from adapters.livekit_room import LiveKitRoom
from host_agent.interruption import MinWordsInterruptionStrategy
from host_agent.offline.voice import EspeakVoice
from host_agent.ports import Prompt
from streams import events as ev
from streams.vocabulary import BargeInMode
from swarm.demo.scenario import Happenings
from swarm.session import SwarmSession
from tests.engines.listener import Listener, audible_intervals
from tests.engines.person import Person
from tests.host_agent.stagecraft import ScriptModel
from tests.real.conftest import AGENT, PERSON, ROOM
from tests.real.test_seed_scenarios import as_speech
from tests.real.test_seed_scenarios_swarm import RATE_WPM, ScriptedRecogniser
from tests.swarm.test_session import agent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis

    from streams.events import Event
    from tests.engines.livekit import LiveKitServer

pytestmark = [pytest.mark.real, pytest.mark.livekit, pytest.mark.timeout(180)]

COUNTING = "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen."
ANSWER = "Okay, starting now."
IGNORED = ("Yeah.", "Okay.", "Hmm.")
INTERRUPTING = ("Stop.", "Wait.", "No.", "Yeah wait.", "Yeah okay but wait.")
ANSWERED = ("Yeah.", "Hello.")


@dataclass(slots=True)
class Scene:
    """An agent of the swarm, a person and a listener in one room, and the room's record."""

    session: SwarmSession
    person: Person
    listener: Listener
    ears: ScriptedRecogniser
    seen: Happenings
    model: ScriptModel

    async def until(self, kind: Any, *, since: int, limit_s: float = 15.0) -> Any:
        """The first event of a type, or of one of several, from entry `since` on."""
        for entry in self.seen.all[since:]:
            if isinstance(entry.event, kind):
                return entry.event
        found = await self.seen.next(lambda event: isinstance(event, kind), limit_s)
        assert found is not None, f"no {kind}: {[e.type for e in self.seen.all[since:]]}"
        return found

    def since(self, kind: type[Event], since: int) -> list[Any]:
        return [entry.event for entry in self.seen.all[since:] if isinstance(entry.event, kind)]

    async def says(self, text: str) -> float:
        """Let the person say it; returns when its last word was told."""
        made = EspeakVoice("en-us+f3", rate_wpm=RATE_WPM).synthesise_blocking(text)
        onset_s = await self.person.say(as_speech(made.pcm, made.sample_rate_hz, self.person.sample_rate_hz))
        told_s = await self.ears.follow(made, onset_s)
        await self.person.said()
        return told_s

    def audible_ms(self, from_s: float, to_s: float) -> float:
        heard = audible_intervals(self.listener.tracks[AGENT])
        return sum(max(0.0, min(i.to_s, to_s) - max(i.from_s, from_s)) for i in heard) * 1000


@asynccontextmanager
async def scene(
    server: LiveKitServer, redis: Redis, *replies: str, mode: BargeInMode = BargeInMode.CONFIRM, **spec: Any
) -> AsyncGenerator[Scene]:
    ears, seen, model = ScriptedRecogniser(), Happenings(), ScriptModel(*replies)
    session = SwarmSession(
        redis,
        ROOM,
        agents=[agent(AGENT, model, mode=mode, **spec)],
        connect=lambda name: LiveKitRoom(server.url, token=server.token(name, ROOM)),
        recogniser=ears,
        on_event=seen.feed,
    )
    async with (
        session,
        Listener(server.url, server.token("listener", ROOM)) as listener,
        Person(server.url, server.token(PERSON, ROOM)) as person,
    ):
        await listener.wait_track(AGENT, limit_s=5.0)
        await listener.wait_track(PERSON, limit_s=5.0)
        yield Scene(session, person, listener, ears, seen, model)


async def begin(at: Scene) -> int:
    """Let the agent count, and go on when it has been audible for a moment."""
    since = len(at.seen.all)
    at.listener.clear()
    await at.session.agents[AGENT].ask(Prompt("Count."))
    await at.until(ev.FloorTaken, since=since)
    await at.listener.wait_audible(AGENT, after_s=0.0, limit_s=5.0)
    await asyncio.sleep(0.5)
    return since


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
async def test_acknowledgements_over_the_agent_are_recorded_and_it_says_all_it_had_to_say(
    server: LiveKitServer, real_redis: Redis, mode: BargeInMode
) -> None:
    async with scene(server, real_redis, *[COUNTING] * len(IGNORED), mode=mode) as at:
        for words in IGNORED:
            since = await begin(at)
            await at.says(words)
            said = await at.until(ev.Utterance, since=since)
            assert (said.heard_text, said.interrupted) == (COUNTING, False), words
            await at.until(ev.FloorReleased, since=since)
            known = await at.until(ev.Backchannel | ev.FalseInterruption, since=since)
            assert known.words in (words.lower(), ""), "a short one may be over before its word is known"
            assert (known.held_ms == 0) is (mode is BargeInMode.OVERLAP)
            assert at.since(ev.Interruption, since) == []
        assert len(at.model.requests) == len(IGNORED), "nobody answers an acknowledgement"


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
async def test_commands_over_the_agent_silence_it_and_are_answered(
    server: LiveKitServer, real_redis: Redis, mode: BargeInMode
) -> None:
    replies = [reply for _ in INTERRUPTING for reply in (COUNTING, "Fine.")]
    async with scene(server, real_redis, *replies, mode=mode) as at:
        for words in INTERRUPTING:
            since = await begin(at)
            told_s = await at.says(words)
            cut = await at.until(ev.Interruption, since=since)
            assert cut.interruptor == PERSON, words
            assert COUNTING.startswith(cut.heard_text), words
            assert at.audible_ms(told_s + 0.3, min(told_s + 0.5, time.monotonic())) == 0, words
            await at.until(ev.Transcript, since=since)
            while len(at.since(ev.Utterance, since)) < 2:
                await at.seen.next(lambda event: isinstance(event, ev.Utterance), 15.0)
            first, answer = at.since(ev.Utterance, since)[:2]
            assert (first.interrupted, answer.heard_text) == (True, "Fine."), words
            while len(at.since(ev.FloorReleased, since)) + len(at.since(ev.FloorRevoked, since)) < 2:
                await at.seen.next(lambda event: isinstance(event, ev.FloorReleased), 5.0)


async def test_a_silent_agent_answers_whatever_it_is_told(server: LiveKitServer, real_redis: Redis) -> None:
    """Scenario 2, too: "Are you ready?" - "Yeah." """
    async with scene(server, real_redis, "Are you ready?", *[ANSWER] * len(ANSWERED)) as at:
        await at.session.agents[AGENT].ask(Prompt("Ask."))
        await at.until(ev.FloorReleased, since=0)
        await asyncio.sleep(0.5)
        for words in ANSWERED:
            since = len(at.seen.all)
            await at.says(words)
            answer = await at.until(ev.Utterance, since=since)
            assert (answer.heard_text, answer.interrupted) == (ANSWER, False), words
            transcript = [event for event in at.since(ev.Transcript, since) if event.final]
            assert [event.text for event in transcript] == [words.lower()]
            await at.until(ev.FloorReleased, since=since)
            await asyncio.sleep(0.3)
        assert len(at.model.requests) == 1 + len(ANSWERED)


STATED = "We have counted all the boats in the harbour. That is the plan for today."
ASKED = "We have counted all the boats in the harbour. Are you ready?"


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
async def test_what_begins_over_the_agents_last_words_and_asks_for_something_is_answered(
    server: LiveKitServer, real_redis: Redis, mode: BargeInMode
) -> None:
    cases = (
        (STATED, "Okay.", 900, False),
        (ASKED, "Yeah.", 350, True),
        (STATED, "Okay. What about tomorrow?", 500, True),
    )
    replies = [reply for said, _, _, answered in cases for reply in (said, ANSWER)[: 1 + answered]]
    async with scene(server, real_redis, *replies, mode=mode) as at:
        for said, words, before_end_ms, answered in cases:
            since, requests = len(at.seen.all), len(at.model.requests)
            made = EspeakVoice(rate_wpm=200).synthesise_blocking(said)
            lasts_s = len(made.pcm) / 2 / made.sample_rate_hz
            at.listener.clear()
            await at.session.agents[AGENT].ask(Prompt("Tell."))
            await at.until(ev.FloorTaken, since=since)
            begun_s = await at.listener.wait_audible(AGENT, after_s=0.0, limit_s=5.0)
            await asyncio.sleep(max(0.0, begun_s + lasts_s - before_end_ms / 1000 - time.monotonic()))
            await at.says(words)
            while len(at.since(ev.Utterance, since)) < 1 + answered:
                await at.seen.next(lambda event: isinstance(event, ev.Utterance), 15.0)
            while not any(each.final for each in at.since(ev.Transcript, since)):
                await at.seen.next(lambda event: isinstance(event, ev.Transcript), 15.0)
            await asyncio.sleep(0.6)
            assert len(at.model.requests) - requests == 1 + answered, words
            assert at.since(ev.Utterance, since)[-1].heard_text == (ANSWER if answered else said), words
            if answered:
                assert at.model.requests[-1][-1] == ("user", words.lower())


async def test_an_interruption_goes_through_the_stages_of_the_running_host_and_empties_their_queues(
    server: LiveKitServer, real_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once asked for by a frame, once by a person's third word: the strategies came with the StartFrame."""
    left: list[tuple[int, bool, bool]] = []

    def look() -> None:
        connection: Any = runtime.host._brain.stage.connection
        stopped = bool(connection._turn.cancelling()) or connection._turn.done()
        left.append((runtime.adapter._voice._queue.waiting_samples, stopped, connection._out.empty()))

    def on_cut(cut: Any) -> None:
        told(cut)
        look()

    replies = (COUNTING, COUNTING, "Fine.")
    spec = {"interruption_strategies": lambda: [MinWordsInterruptionStrategy(3)]}
    async with scene(server, real_redis, *replies, **spec) as at:
        runtime = at.session.agents[AGENT]
        stages, told = runtime.interruptions, runtime.on_cut
        every = (stages.gate, stages.model, stages.voice, stages.playout)
        assert all(stage.interruptions_allowed() for stage in every)
        assert [[each.name for each in stage.interruption_strategies()] for stage in every] == [
            ["MinWordsInterruptionStrategy"]
        ] * 4

        since = await begin(at)
        assert runtime.adapter._voice._queue.waiting_samples > 0
        stages.model.push_interruption_task_frame(by=PERSON, reason="a button")
        asked_s = time.monotonic()
        look()
        cut = await at.until(ev.Interruption, since=since)
        assert (cut.interruptor, cut.reason) == (PERSON, "a button")
        await at.until(ev.FloorReleased | ev.FloorRevoked, since=since)
        await asyncio.sleep(0.8)
        assert at.audible_ms(asked_s + 0.3, asked_s + 0.8) == 0

        monkeypatch.setattr(runtime, "on_cut", on_cut)
        since = await begin(at)
        told_s = await at.says("Yeah okay right.")
        cut = await at.until(ev.Interruption, since=since)
        assert (cut.interruptor, cut.reason) == (PERSON, "MinWordsInterruptionStrategy")
        assert at.audible_ms(told_s + 0.3, min(told_s + 0.5, time.monotonic())) == 0
        assert left == [(0, True, True)] * 2

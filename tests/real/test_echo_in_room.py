"""A microphone beside a loudspeaker in a real room: the agent hears itself, 20 dB down and late.

The delay is 80 ms and what the room's network takes, both ways.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from adapters.ears import Ears, EarsSettings
from adapters.echo import EchoSettings
from adapters.livekit_adapter import LiveKitAdapter
from adapters.livekit_room import LiveKitRoom
from host_agent.interruption import InterruptionHandlerConfig, judge_factory
from host_agent.offline.voice import EspeakVoice
from streams.vocabulary import BargeInMode
from tests.engines.listener import Listener
from tests.engines.person import Person, read_speech
from tests.real.conftest import AGENT, PERSON, ROOM, Told
from tests.real.test_seed_scenarios_swarm import ScriptedRecogniser

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from adapters.ports import SpeechStarted
    from tests.engines.livekit import LiveKitServer

pytestmark = [pytest.mark.real, pytest.mark.livekit, pytest.mark.timeout(90)]

AUDIO = Path(__file__).parent.parent / "data" / "audio"
HZ = 16_000
LATE_S = 0.08
GAIN = 0.1
ECHO_S = 5.0
SAID = (
    "The harbour wakes before the town does. Ropes creak, gulls argue over the first boxes of fish, and the "
    "ferry sounds its horn twice. A woman in a yellow coat counts the crates and writes each number into a "
    "small book. Behind her the bakery opens its shutters, and warm bread makes everybody turn around."
)

_make_judge = judge_factory(InterruptionHandlerConfig())


class Loudspeaker:
    """Mixes into a microphone what came out of a loudspeaker `LATE_S` ago, frame by frame.

    What the microphone was too late for is left out: an echo's delay does not grow.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._next = 0

    def __call__(self, pcm: bytes) -> bytes:
        heard, now_s = self._listener.tracks[AGENT], time.monotonic()
        while self._next < len(heard.frames) and now_s - heard.arrivals_s[self._next] > LATE_S + 0.1:
            self._next += 1
        if self._next >= len(heard.frames) or now_s - heard.arrivals_s[self._next] < LATE_S:
            return pcm
        back = np.frombuffer(heard.frames[self._next], np.int16) * GAIN
        self._next += 1
        mixed = np.frombuffer(pcm, np.int16) + back
        return np.clip(mixed, -32_768, 32_767).astype(np.int16).tobytes()


class Onsets:
    """Counts what was taken for speech, and tells of the first."""

    def __init__(self) -> None:
        self.count = 0
        self.first = asyncio.Event()

    def on_speech_started(self, event: SpeechStarted) -> None:
        self.count += 1
        self.first.set()

    def on_speech_progress(self, event: object) -> None: ...
    def on_words(self, event: object) -> None: ...
    def on_speech_ended(self, event: object) -> None: ...


class Scene:
    """An agent that speaks, and a person beside its loudspeaker."""

    def __init__(self, adapter: LiveKitAdapter, person: Person, told: Told, onsets: Onsets) -> None:
        self.adapter = adapter
        self.person = person
        self.told = told
        self.onsets = onsets


@asynccontextmanager
async def scene(
    server: LiveKitServer, mode: BargeInMode, settings: EarsSettings, recogniser: ScriptedRecogniser | None
) -> AsyncGenerator[Scene]:
    """Put them into a room; the agent begins to speak."""
    made = EspeakVoice("en-us").synthesise_blocking(SAID)
    told, onsets = Told(), Onsets()
    ears = Ears(is_person=lambda identity: identity == PERSON, recogniser=recogniser, settings=settings)
    ears.add_listener(onsets)
    said: Callable[[], str] = lambda: " ".join(  # noqa: E731
        word.text for word in made.words if word.end_ms <= adapter.playout("u1").heard_ms
    )
    async with (
        LiveKitRoom(server.url, token=server.token(AGENT, ROOM)) as room,
        Listener(
            server.url,
            server.token("loudspeaker", ROOM),
            sample_rate_hz=HZ,
            only=lambda identity: identity == AGENT,
        ) as loudspeaker,
        Person(server.url, server.token(PERSON, ROOM)) as person,
        LiveKitAdapter(
            room,
            ears=ears,
            mode=mode,
            judge=lambda _: _make_judge(),
            agent_words=said,
            listener=told,
            sample_rate_hz=made.sample_rate_hz if made.sample_rate_hz in (16_000, 24_000) else 24_000,
        ) as adapter,
    ):
        ears.attach(room)
        await loudspeaker.wait_track(AGENT, limit_s=5.0)
        person.through = Loudspeaker(loudspeaker)
        adapter.begin_utterance("u1")
        adapter.send_audio_chunk(made.pcm, sample_rate_hz=made.sample_rate_hz, utterance_id="u1")
        await loudspeaker.wait_audible(AGENT, after_s=0.0, limit_s=5.0)
        yield Scene(adapter, person, told, onsets)
        ears.close()


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
async def test_an_agent_that_hears_itself_goes_on_and_a_person_over_that_cuts_it(
    server: LiveKitServer, mode: BargeInMode
) -> None:
    # On a busy machine two jitter buffers in a row may hold more than the usual limit of 500 ms.
    settings = EarsSettings(echo=EchoSettings(longest_delay_ms=1_000.0))
    async with scene(server, mode, settings, None) as at:
        await asyncio.sleep(ECHO_S)
        assert at.told.cuts == []
        # A busy machine's network may tear the echo: what is left of it then is no echo, and soon released.
        assert sum(resumed.held_ms for resumed in at.told.resumed) < 600
        onset_s = await at.person.say(read_speech(AUDIO / "jfk.wav").cut(0, 2_000))
        await at.person.said()
        await asyncio.sleep(0.5)
        (cut,) = at.told.cuts
        assert cut.by == PERSON
        assert -0.3 < cut.gate_s - onset_s < 1.8


@pytest.mark.parametrize("mode", [BargeInMode.CONFIRM, BargeInMode.OVERLAP])
async def test_an_echo_that_the_ears_do_not_know_is_known_by_its_words_and_a_command_over_it_cuts(
    server: LiveKitServer, mode: BargeInMode
) -> None:
    ears = ScriptedRecogniser()
    async with scene(server, mode, EarsSettings(echo=None), ears) as at:
        echo, at.person.through = at.person.through, bytes
        await asyncio.sleep(3.0)  # until the agent has said what comes back
        at.person.through = echo
        async with asyncio.timeout(5.0):
            await at.onsets.first.wait()
        told = at.told
        for _ in range(4):
            await asyncio.sleep(0.4)
            ears.tell("harbour wakes before the town does")
        assert told.cuts == []
        ears.tell("harbour wakes before the town does stop")
        assert [cut.by for cut in told.cuts] == [PERSON]

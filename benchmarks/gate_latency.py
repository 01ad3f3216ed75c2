"""From the return of the deciding inference to the first frame refused, on a loop that others hold up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from agent_voice import RATE_HZ
from contenders.contender import AGENT, PERSON
from trial import stimuli

from adapters.ears import Ears
from adapters.livekit_adapter import LiveKitAdapter
from adapters.memory_room import InMemoryRoom
from adapters.ports import EARS_HZ, AudioFrame
from streams.vocabulary import BargeInMode

if TYPE_CHECKING:
    from adapters.ports import SpeechEnded, SpeechProgress, SpeechStarted, WordsHeard

TASKS = 50
HOLD_S = 0.0002
EVERY_S = 0.020
"""Each task holds the loop for HOLD_S so often: half of the loop's time is theirs."""
FRAME = EARS_HZ // 100
LEAD_FRAMES, SPEECH_FRAMES = 20, 40


class _Offers:
    """Offers a frame at START, after the adapter itself was told, and notes when it is refused."""

    def __init__(self, adapter: LiveKitAdapter) -> None:
        self._adapter = adapter
        self.latencies_ms: list[float] = []

    def on_speech_started(self, event: SpeechStarted) -> None:
        taken = self._adapter.send_audio_chunk(bytes(RATE_HZ // 100 * 2))
        if not taken:
            self.latencies_ms.append((time.monotonic() - event.detected_s) * 1000)

    def on_speech_progress(self, event: SpeechProgress) -> None: ...
    def on_words(self, event: WordsHeard) -> None: ...
    def on_speech_ended(self, event: SpeechEnded) -> None: ...


async def gate_latencies_ms(*, count: int) -> list[float]:
    """Return the latency of `count` interruptions of a bare adapter (mode `immediate`).

    Raises:
        RuntimeError: a START was missed, or a frame was taken after it.
    """
    pieces = [_around_onset(n) for n in range(len(stimuli()))]
    hub = InMemoryRoom("gate")
    ears = Ears(is_person=lambda identity: identity == PERSON)
    async with hub.join(AGENT) as room, asyncio.TaskGroup() as tasks:
        adapter = LiveKitAdapter(room, ears=ears, mode=BargeInMode.IMMEDIATE, sample_rate_hz=RATE_HZ)
        async with adapter:
            offers = _Offers(adapter)
            ears.add_listener(offers)
            busy = [tasks.create_task(_hold_the_loop()) for _ in range(TASKS)]
            for n in range(count):
                utterance_id = f"utterance-{n}"
                adapter.begin_utterance(utterance_id)
                adapter.send_audio_chunk(bytes(RATE_HZ * 2), utterance_id=utterance_id)
                for pcm in pieces[n % len(pieces)]:
                    ears.on_audio(PERSON, AudioFrame(pcm, EARS_HZ))
                    await asyncio.sleep(0)
                ears.on_muted(PERSON)
                if len(offers.latencies_ms) != n + 1:
                    raise RuntimeError(f"interruption {n}: no frame was refused at a START")
            for task in busy:
                task.cancel()
    ears.close()
    return offers.latencies_ms


async def _hold_the_loop() -> None:
    while True:
        until_s = time.perf_counter() + HOLD_S
        while time.perf_counter() < until_s:
            pass
        await asyncio.sleep(EVERY_S)


def _around_onset(n: int) -> list[bytes]:
    speech = stimuli()[n]
    first = max(0, speech.onset_frame() - LEAD_FRAMES)
    frames = range(first, speech.onset_frame() + SPEECH_FRAMES)
    room = speech.room_tone().samples
    lead = [room[i : i + FRAME].tobytes() for i in range(0, len(room) - FRAME + 1, FRAME)]
    return lead + [speech.samples[i * FRAME : (i + 1) * FRAME].tobytes() for i in frames]

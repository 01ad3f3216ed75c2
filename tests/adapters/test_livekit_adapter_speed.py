"""How long the callback of START_OF_SPEECH takes, on the real clock, with ADK's own queue."""

from __future__ import annotations

import asyncio
import statistics
import time

from adapters.gate import GateState
from adapters.livekit_adapter import LiveKitAdapter
from streams.vocabulary import BargeInMode
from tests.adapters.scripted import (
    FRAME,
    RATE,
    KeptReports,
    RecordingSink,
    ScriptedEars,
    SinkRoom,
    WordJudge,
    numbered,
)

TRIALS = 100


async def starts_ms(mode: BargeInMode) -> list[float]:
    """Duration of the START callback over 20 s of queued audio, with 400 ms of the person's audio to send."""
    from google.adk.agents.live_request_queue import LiveRequestQueue

    sink, ears, queue = RecordingSink(RATE), ScriptedEars(time.monotonic), LiveRequestQueue()
    adapter = LiveKitAdapter(
        SinkRoom(sink),
        ears=ears,  # type: ignore[arg-type]
        mode=mode,
        judge=lambda _: WordJudge(),
        model_input=queue,  # type: ignore[arg-type]
        listener=KeptReports(),
        sample_rate_hz=RATE,
    )
    pcm = numbered(0, 20 * RATE)
    ears.hear("ann", 400)
    took: list[float] = []
    async with adapter:
        for trial in range(TRIALS):
            adapter.begin_utterance(f"u{trial}")
            assert adapter.send_audio_chunk(pcm, sample_rate_hz=RATE, utterance_id=f"u{trial}")
            await asyncio.sleep(0)
            began = time.perf_counter()
            ears.start("ann")
            took.append((time.perf_counter() - began) * 1000)
            assert adapter.gate_state is not GateState.OPEN
            pushed = len(sink.sent)
            await asyncio.sleep(0.011)
            assert not any(b"".join(sink.sent[pushed:])), "a frame got through after START"
            ears.words("ann", "stop")
            ears.end("ann")
            adapter.drop(f"u{trial}")
            ears.hear("ann", 400)
    return took


async def test_start_takes_effect_within_a_fraction_of_a_frame() -> None:
    for mode in (BargeInMode.IMMEDIATE, BargeInMode.CONFIRM):
        took = await starts_ms(mode)
        print(f"{mode}: median {statistics.median(took):.3f} ms, max {max(took):.3f} ms")
        assert statistics.median(took) < 2.0


async def test_sending_a_chunk_and_pulling_a_frame_cost_little() -> None:
    sink, ears = RecordingSink(RATE), ScriptedEars(time.monotonic)
    adapter = LiveKitAdapter(SinkRoom(sink), ears=ears, sample_rate_hz=RATE)  # type: ignore[arg-type]
    async with adapter:
        adapter.begin_utterance("u1")
        adapter.send_audio_chunk(numbered(0, 60 * RATE), sample_rate_hz=RATE, utterance_id="u1")
        began = time.perf_counter()
        for _ in range(1000):
            adapter._next_frame(time.monotonic())
        pulls_ms = (time.perf_counter() - began) * 1000
        began = time.perf_counter()
        chunk = numbered(0, FRAME)
        for _ in range(1000):
            adapter.send_audio_chunk(chunk, sample_rate_hz=RATE, utterance_id="u1")
        chunks_ms = (time.perf_counter() - began) * 1000
    print(f"a pull {pulls_ms:.1f} us, a chunk {chunks_ms:.1f} us")
    assert pulls_ms < 500
    assert chunks_ms < 500

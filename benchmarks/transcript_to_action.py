"""From a transcript to what it does to the audio, as somebody in the room hears it, on a busy event loop.

A person speaks over an agent; the recogniser's words come. In `overlap` "yeah but wait" has to silence the
agent: timed from the recogniser's call to the first silent frame that a listener gets. In `confirm` "yeah"
has to let the held audio go on: to the first audible frame. Detector, judge, gate and pacing are real, 50
tasks hold the loop for 0.2 ms each, every 20 ms. Wall clock; a frame is pushed every 10 ms, which is in it.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from gate_latency import PERSON, RATE_HZ, TASKS, _around_onset, _hold_the_loop
from report import Figure, environment, median, percentile, show

from adapters.ears import Ears
from adapters.livekit_adapter import LiveKitAdapter
from adapters.memory_room import InMemoryRoom
from adapters.ports import EARS_HZ, AudioFrame, WordsHeard
from host_agent.interruption import InterruptionHandlerConfig, judge_factory
from streams.vocabulary import BargeInMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import Cut, Resumed
    from streams.vocabulary import Playout

RUNS, ACTIONS = 3, 40
GOAL_MS = 50.0
LIMIT_S = 1.0
AGENT_S = 3.0
SETTLE_S = 0.05
STOPS, GOES_ON = "yeah but wait", "yeah"


class Words:
    """A recogniser that says what it is told to, of the newest speech."""

    def __init__(self) -> None:
        self._tell: Callable[[WordsHeard], None] = lambda _words: None
        self._speech_id = ""

    def open(self, speech_id: str, person: str, on_words: Callable[[WordsHeard], None]) -> Words:
        """Listen to a speech."""
        self._speech_id, self._tell = speech_id, on_words
        return self

    def say(self, text: str) -> None:
        """All that is known of it so far."""
        self._tell(WordsHeard(self._speech_id, PERSON, text, final=False))

    def push(self, pcm: bytes) -> None: ...
    def finish(self) -> None: ...
    def cancel(self) -> None: ...


class Listener:
    """Somebody in the room, who notes when the agent's next audible, and next silent, frame comes."""

    def __init__(self) -> None:
        self._awaited: asyncio.Future[float] | None = None
        self._loud = False

    def next(self, *, loud: bool) -> asyncio.Future[float]:
        """When the next such frame came, in monotonic seconds."""
        self._awaited, self._loud = asyncio.get_running_loop().create_future(), loud
        return self._awaited

    def on_audio(self, identity: str, frame: AudioFrame) -> None:
        """A frame came."""
        if self._awaited is not None and not self._awaited.done() and any(frame.pcm) is self._loud:
            self._awaited.set_result(time.monotonic())

    def on_joined(self, identity: str) -> None: ...
    def on_left(self, identity: str) -> None: ...
    def on_muted(self, identity: str) -> None: ...
    def on_closed(self, reason: str) -> None: ...


class Decided:
    """Notes when the adapter told of a cut or a resumption."""

    def __init__(self) -> None:
        self.at_s: float | None = None

    def on_cut(self, cut: Cut) -> None:
        self.at_s = time.monotonic()

    def on_resumed(self, resumed: Resumed) -> None: ...
    def on_first_audio(self, utterance_id: str, at_s: float) -> None: ...
    def on_played_out(self, utterance_id: str, playout: Playout) -> None: ...
    def on_window_opened(self, speech_id: str) -> None: ...
    def on_window_closed(self) -> None: ...


async def actions_ms(mode: BargeInMode, text: str, *, count: int) -> tuple[list[float], list[float]]:
    """Return how long words took to act on the audio, and until the adapter told of a cut, `count` times.

    Raises:
        TimeoutError: words changed nothing of what the listener hears.
    """
    make, words, decided, listener = (
        judge_factory(InterruptionHandlerConfig()),
        Words(),
        Decided(),
        Listener(),
    )
    hub, heard, told = InMemoryRoom("room"), list[float](), list[float]()
    pieces = _around_onset(0)
    sound = np.full(int(RATE_HZ * AGENT_S), 1_000, "<i2").tobytes()
    ears = Ears(is_person=lambda identity: identity == PERSON, recogniser=words)
    async with AsyncExitStack() as stack:
        room = await stack.enter_async_context(hub.join("agent"))
        other = await stack.enter_async_context(hub.join("listener"))
        other.add_listener(listener)
        adapter = LiveKitAdapter(
            room,
            ears=ears,
            mode=mode,
            judge=lambda _: make(),
            listener=decided,
            sample_rate_hz=RATE_HZ,
        )
        await stack.enter_async_context(adapter)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        busy = [tasks.create_task(_hold_the_loop()) for _ in range(TASKS)]
        for n in range(count):
            utterance_id = f"utterance-{n}"
            audible = listener.next(loud=True)
            adapter.begin_utterance(utterance_id)
            adapter.send_audio_chunk(sound, utterance_id=utterance_id)
            async with asyncio.timeout(LIMIT_S):
                await audible
            held = listener.next(loud=False)
            for pcm in pieces:
                ears.on_audio(PERSON, AudioFrame(pcm, EARS_HZ))
                await asyncio.sleep(0)
            async with asyncio.timeout(LIMIT_S):
                if mode is BargeInMode.CONFIRM:
                    await held
                decided.at_s = None
                acted = listener.next(loud=mode is BargeInMode.CONFIRM)
                began_s = time.monotonic()
                words.say(text)
                heard.append((await acted - began_s) * 1000)
            if decided.at_s is not None:
                told.append((decided.at_s - began_s) * 1000)
            ears.on_muted(PERSON)
            adapter.drop(utterance_id)
            await asyncio.sleep(SETTLE_S)
        for task in busy:
            task.cancel()
    ears.close()
    return heard, told


def measure(*, runs: int = RUNS, count: int = ACTIONS) -> dict[str, Any]:
    """Return the figures in ms, each the median of `runs` and, under `runs`, those of each run.

    Raises:
        TimeoutError: words changed nothing of what the listener hears.
    """
    each: list[dict[str, float | None]] = []
    for _ in range(runs):
        silent, cut = asyncio.run(actions_ms(BargeInMode.OVERLAP, STOPS, count=count))
        goes_on, _ = asyncio.run(actions_ms(BargeInMode.CONFIRM, GOES_ON, count=count))
        each.append(
            {
                "transcript_to_action_p99_ms": percentile([*silent, *goes_on], 0.99),
                "transcript_to_silence_p99_ms": percentile(silent, 0.99),
                "transcript_to_sound_p99_ms": percentile(goes_on, 0.99),
                "transcript_to_cut_p99_ms": percentile(cut, 0.99),
            }
        )
    return {name: median(run[name] for run in each) for name in each[0]} | {"runs": each}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--count", type=int, default=ACTIONS, help="actions of each kind in a run")
    options = parser.parse_args()
    measured = measure(runs=options.runs, count=options.count)
    figure = Figure(
        "transcript_to_action_p99_ms",
        measured["transcript_to_action_p99_ms"],
        "ms",
        peers={
            name: value
            for name, value in measured.items()
            if name.startswith("transcript_to_") and "action" not in name
        },
        runs=[run["transcript_to_action_p99_ms"] for run in measured["runs"]],
        goal=GOAL_MS,
    )
    show("transcript to action", [figure], environment(), as_json=options.json)


if __name__ == "__main__":
    main()

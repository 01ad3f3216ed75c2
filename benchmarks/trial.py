"""One trial: an agent speaks, a person speaks over it, a third participant hears when the agent is silent."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from agent_voice import agent_speech
from contenders.contender import AGENT, PERSON
from contenders.process import ContenderProcess

from tests.engines.listener import LOUD_RMS, Listener, audible_intervals
from tests.engines.person import Person, Speech, read_speech

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from contenders.contender import Notes

    from tests.engines.listener import Interval
    from tests.engines.livekit import LiveKitServer

AUDIO = Path(__file__).resolve().parent.parent / "tests" / "data" / "audio"
HEARD_LIMIT_S = 6.0
SILENCE_LIMIT_S = 5.0
QUIET_S = 1.0
"""Silent for so long is silent: longer than any contender holds its breath before it may go on."""
PAUSE_S = 0.1
LEAD_S = 1.0
"""The person's room before the agent begins, so that detectors and buffers have settled."""
TAIL_S = 0.8
"""Only the room after the person's speech, so that every detector has found its end."""
SETTLE_S = 3.0
"""Between two trials of a contender: 2.25 s after a person's last word AgentSession ends that person's turn,
and with it what it is saying by then."""
SPEECH_MS = 2000.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What happened in one trial. Times in ms; None where it did not happen."""

    contender: str
    stimulus: str
    onset_to_silence_ms: float | None
    """First loud sample pushed by the person to last loud sample of the agent at the listener."""
    onset_to_pause_ms: float | None
    """The same to the first pause of PAUSE_S or more: less where it went on again before it was silent."""
    onset_to_detector_ms: float | None
    detector_to_gate_ms: float | None
    gate_to_silence_ms: float | None
    decision_to_interrupted_ms: float | None
    heard_words: int
    """Words of the agent's speech that were in the listener's recording to their end at the cut."""
    said_words: int
    """Words that the contender's conversation holds as said."""

    @property
    def heard_error(self) -> int:
        return abs(self.heard_words - self.said_words)


def stimuli() -> list[Speech]:
    """Return eight stretches of recorded speech, each with the quiet before it: what people cut in with."""
    parts = (
        ("jfk", 0.0),
        ("jfk", 5130.0),
        ("jfk", 7900.0),
        ("ps_goforward", 0.0),
        ("ps_numbers", 0.0),
        ("ps_librivox_0870", 0.0),
        ("ps_librivox_0880", 0.0),
        ("ps_librivox_0890", 0.0),
    )
    return [read_speech(AUDIO / f"{name}.wav").cut(at, at + SPEECH_MS) for name, at in parts]


class Stage:
    """A room with one contender, one person and one listener: `async with Stage(server, name) as stage`."""

    listens_at_hz = 48_000

    def __init__(self, server: LiveKitServer, name: str) -> None:
        self.name = name
        self._server = server
        self._rested_s = 0.0
        self._resting: asyncio.TimerHandle | None = None
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        server = self._server
        async with contextlib.AsyncExitStack() as stack:
            self.person = await stack.enter_async_context(Person(server.url, server.token(PERSON, self.name)))
            self.listener = await stack.enter_async_context(
                Listener(
                    server.url,
                    server.token("listener", self.name),
                    sample_rate_hz=self.listens_at_hz,
                    only=lambda who: who == AGENT,
                )
            )
            self.contender = await stack.enter_async_context(ContenderProcess(self.name))
            self.rest()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def begin(self) -> None:
        """Let the contender join and get ready. May be awaited for several stages at once.

        Raises:
            ContenderError: it failed.
        """
        await self.contender.start(self._server.url, self._server.token(AGENT, self.name))

    def rest(self) -> None:
        """Send and record nothing until the next trial: what is idle should not take the others' time."""
        if self._resting is not None:
            self._resting.cancel()
        self._resting = None
        self.person.live = self.listener.recording = False
        self.listener.clear()
        self._rested_s = time.monotonic()

    def rest_after(self, delay_s: float) -> None:
        """Rest when the trial's tail is over, or when the next one begins."""
        self._resting = asyncio.get_running_loop().call_later(delay_s, self.rest)

    async def trial(self, speech: Speech, speaks_for_s: float) -> Trial:
        """Let the person say `speech` after the agent has been audible for `speaks_for_s`.

        `rest_after` has to follow; another stage's trial may begin meanwhile.

        Raises:
            ContenderError: the contender failed.
            TimeoutError: the agent did not become audible.
        """
        if self._resting is not None:
            self.rest()
        await asyncio.sleep(max(0.0, self._rested_s + SETTLE_S - time.monotonic()))
        self.person.stay_in(speech.room_tone())
        self.person.live = self.listener.recording = True
        await asyncio.sleep(LEAD_S)
        await self.contender.speak()
        await self.listener.wait_audible(AGENT, after_s=0.0, limit_s=HEARD_LIMIT_S)
        await asyncio.sleep(speaks_for_s)
        onset_s = await self.person.say(speech)
        silence_s = await self._silence(onset_s)
        notes = await self.contender.finish()
        intervals = audible_intervals(self.listener.tracks[AGENT], bridge_ms=30.0)
        await self.person.said()
        return _trial(self.name, speech.name, onset_s, silence_s, notes, intervals)

    async def _silence(self, onset_s: float) -> float | None:
        """Return when the last sound before QUIET_S of silence had arrived; None where it went on."""
        track = self.listener.tracks[AGENT]
        while True:
            now_s = time.monotonic()
            intervals = [i for i in audible_intervals(track, threshold=LOUD_RMS) if i.to_s > onset_s - 1.0]
            last_s = intervals[-1].to_s if intervals else onset_s - 1.0
            if now_s - last_s >= QUIET_S:
                return last_s
            if now_s - onset_s >= SILENCE_LIMIT_S:
                return None
            await asyncio.sleep(max(0.02, last_s + QUIET_S - now_s))


def _trial(
    name: str,
    stimulus: str,
    onset_s: float,
    silence_s: float | None,
    notes: Notes,
    intervals: Sequence[Interval],
) -> Trial:
    speech = agent_speech()
    # Silent before the person spoke: no stop that this trial could measure.
    stopped_s = silence_s if silence_s is not None and silence_s > onset_s else None
    pauses = [
        one.to_s
        for one, next_s in zip(intervals, [*(i.from_s for i in intervals[1:]), math.inf], strict=True)
        if one.to_s > onset_s and next_s - one.to_s >= PAUSE_S
    ]
    paused_s = pauses[0] if stopped_s is not None and pauses else None
    heard_ms = sum(i.ms for i in intervals if stopped_s is None or i.from_s < stopped_s)
    return Trial(
        contender=name,
        stimulus=stimulus,
        onset_to_silence_ms=_between(onset_s, stopped_s),
        onset_to_pause_ms=_between(onset_s, paused_s),
        onset_to_detector_ms=_between(onset_s, notes.detected_s),
        detector_to_gate_ms=_between(notes.detected_s, notes.gate_s),
        gate_to_silence_ms=_between(notes.gate_s, stopped_s),
        decision_to_interrupted_ms=_between(notes.decided_s, notes.model_s),
        heard_words=speech.words_within(heard_ms),
        said_words=len(notes.said.split()),
    )


def _between(from_s: float | None, to_s: float | None) -> float | None:
    return None if from_s is None or to_s is None else (to_s - from_s) * 1000

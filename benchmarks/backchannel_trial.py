"""One trial: an agent speaks, a person acknowledges it, a third participant hears what that does to it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import soxr
from agent_voice import RATE_HZ, agent_speech
from backchannel_heard import follow
from contenders.contender import AGENT
from contenders.process import ContenderError
from trial import HEARD_LIMIT_S, Stage

from host_agent.offline.voice import EspeakVoice
from tests.engines.listener import LOUD_RMS, audible_intervals
from tests.engines.person import FRAME_S, Speech

if TYPE_CHECKING:
    from backchannel_heard import Followed, Samples

    from tests.engines.listener import Interval

HZ = 16_000
LEAD_S, TAIL_S = 0.6, 0.6
PEAK = 6_000.0
ROOM_RMS = 18.0
WINDOW_S = 4.5
"""After the onset: longer than AgentSession waits before it resumes, as it comes."""
CONTROL = "control"
"""The name of trials in which nobody says anything."""
WORD_LATE_MS, FINAL_LATE_MS = 150.0, 300.0
"""A word is known so long after its end, and all of them so long after the last."""
SAID = (
    ("Yeah.", "en-us+f3"),
    ("Okay.", "en-us+m3"),
    ("Mm-hmm.", "en-us+m7"),
    ("Right, yeah.", "en-us+f5"),
    ("Oh really, okay.", "en-us+m3"),
    ("Yeah, yeah, yeah.", "en-us+f3"),
)


@dataclass(frozen=True, slots=True)
class Backchannel:
    """What the person says, and when each beginning of it is known, counted from the onset."""

    text: str
    speech: Speech
    ms: float
    """Of its loud part."""
    words: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """A trial's recording, from the beginning of the agent's speech to the end of WINDOW_S."""

    contender: str
    said: Backchannel
    onset_s: float
    audible: tuple[Interval, ...]
    heard: Samples
    changed_ms: float | None = None
    """What the contender handed over other than it was to be said; None where it does not tell."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one backchannel did to the agent's speech in WINDOW_S. Times in ms."""

    contender: str
    text: str
    ms: float
    silence_ms: float
    longest_ms: float
    """The longest of its gaps."""
    cut: bool
    """The agent was silent at the end, for half a second at least."""
    lost_ms: float
    doubled_ms: float
    later_ms: float
    lost_words: int
    changed_ms: float | None = None


@lru_cache(maxsize=1)
def backchannels() -> tuple[Backchannel, ...]:
    """Return what is said, rendered once, over the faint noise of a room."""
    random = np.random.default_rng(6)
    made: list[Backchannel] = []
    for text, voice in SAID:
        spoken = EspeakVoice(voice).synthesise_blocking(text)
        wave = soxr.resample(
            np.frombuffer(spoken.pcm, np.int16).astype(np.float64), spoken.sample_rate_hz, HZ
        )
        lead = round(LEAD_S * HZ)
        samples = np.zeros(lead + len(wave) + round(TAIL_S * HZ))
        samples[lead : lead + len(wave)] = wave * (PEAK / np.abs(wave).max())
        samples += random.normal(0.0, ROOM_RMS, len(samples))
        speech = Speech(text, HZ, samples.astype(np.int16))
        onset_ms = speech.onset_frame() * FRAME_S * 1000 - LEAD_S * 1000
        texts = [word.text for word in spoken.words]
        words = tuple(
            (word.end_ms - onset_ms + WORD_LATE_MS, " ".join(texts[: n + 1]))
            for n, word in enumerate(spoken.words)
        )
        made.append(Backchannel(text, speech, _loud_ms(samples), words))
    return tuple(made)


def _loud_ms(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    size = HZ // 100
    levels = np.sqrt(np.mean(samples[: len(samples) // size * size].reshape(-1, size) ** 2, axis=1))
    loud = np.flatnonzero(levels >= LOUD_RMS)
    return float(loud[-1] - loud[0] + 1) * 10


class BackchannelStage(Stage):
    """A room with one contender, one person and one listener."""

    listens_at_hz = RATE_HZ

    async def take(self, said: Backchannel, speaks_for_s: float, *, aloud: bool = True) -> Taken:
        """Let the person say it after the agent has been audible for `speaks_for_s`; nothing, if not `aloud`.

        Raises:
            ContenderError: the contender failed.
            TimeoutError: the agent did not become audible.
        """
        self.rest()
        self.person.stay_in(said.speech.room_tone())
        self.person.live = self.listener.recording = True
        await asyncio.sleep(LEAD_S)
        await self.contender.speak()
        audible_s = await self.listener.wait_audible(AGENT, after_s=0.0, limit_s=HEARD_LIMIT_S)
        await asyncio.sleep(speaks_for_s)
        onset_s = await self.person.say(said.speech) if aloud else time.monotonic()
        if aloud:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._words(said, onset_s))
                tasks.create_task(self.person.said())
        await asyncio.sleep(max(0.0, onset_s + WINDOW_S + 0.1 - time.monotonic()))
        self.person.live = self.listener.recording = False
        changed_ms = None
        with contextlib.suppress(ContenderError):
            changed_ms = (await self.contender.finish()).changed_ms
        track = self.listener.tracks[AGENT]
        return Taken(
            self.name if aloud else CONTROL,
            said,
            onset_s,
            tuple(audible_intervals(track)),
            track.samples(audible_s - 0.2, onset_s + WINDOW_S),
            changed_ms,
        )

    async def _words(self, said: Backchannel, onset_s: float) -> None:
        for after_ms, text in said.words:
            await asyncio.sleep(max(0.0, onset_s + after_ms / 1000 - time.monotonic()))
            await self.contender.hear(text, final=False)
        await asyncio.sleep(FINAL_LATE_MS / 1000)
        await self.contender.hear(said.text, final=True)


def outcome(taken: Taken) -> Outcome:
    """Return what the listener got."""
    from_s, to_s = taken.onset_s, taken.onset_s + WINDOW_S
    gaps = _gaps_ms(taken.audible, from_s, to_s)
    followed = follow(agent_speech().samples, taken.heard, RATE_HZ)
    last_s = max((min(i.to_s, to_s) for i in taken.audible), default=from_s)
    return Outcome(
        contender=taken.contender,
        text=taken.said.text,
        ms=taken.said.ms,
        silence_ms=sum(gaps),
        longest_ms=max(gaps, default=0.0),
        cut=to_s - last_s >= 0.5,
        lost_ms=followed.lost_ms if followed else 0.0,
        doubled_ms=followed.doubled_ms if followed else 0.0,
        later_ms=followed.later_ms if followed else 0.0,
        lost_words=_words_in(followed),
        changed_ms=taken.changed_ms,
    )


def _gaps_ms(audible: tuple[Interval, ...], from_s: float, to_s: float) -> list[float]:
    """Return the silences between two times, in order; what the frames' own grain leaves is none."""
    edges = [from_s]
    for one in audible:
        if one.to_s > from_s and one.from_s < to_s:
            edges += [max(from_s, one.from_s), min(to_s, one.to_s)]
    edges.append(to_s)
    gaps = [(b - a) * 1000 for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [gap for gap in gaps if gap >= 5.0]


def _words_in(followed: Followed | None) -> int:
    if followed is None:
        return 0
    return sum(
        any(word.start_ms < to_ms and word.end_ms > from_ms for from_ms, to_ms in followed.lost)
        for word in agent_speech().words
    )

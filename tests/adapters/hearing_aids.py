"""Sound for the tests of the ears: recordings of the repo, echoes of them, and who listens."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapters.ears import Ears
from adapters.ports import EARS_HZ, AudioFrame
from adapters.wav import read_wav

if TYPE_CHECKING:
    from adapters.person_ears import EarsSettings
    from adapters.ports import Recogniser, SpeechEnded, SpeechProgress, SpeechStarted, WordsHeard

RECORDINGS = Path(__file__).parent.parent / "data" / "audio"
FRAME = EARS_HZ // 100


@lru_cache(maxsize=8)
def recording(name: str) -> np.ndarray:
    """A recording of the repo, int16 at EARS_HZ."""
    return read_wav(RECORDINGS / f"{name}.wav").mono(EARS_HZ)


def at_level(sound: np.ndarray, dbfs: float) -> np.ndarray:
    """Floats of full scale 1.0 with this RMS."""
    wide = sound.astype(np.float64)
    return wide * (10 ** (dbfs / 20) / np.sqrt(np.mean(wide**2)))


def to_int16(sound: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(sound * 32768.0), -32768, 32767).astype(np.int16)


def room_noise(samples: int, dbfs: float = -62.0, seed: int = 1) -> np.ndarray:
    return at_level(np.random.default_rng(seed).normal(size=samples), dbfs)


@dataclass(slots=True)
class Listener:
    """Writes down what it is told."""

    events: list[SpeechStarted | SpeechProgress | SpeechEnded | WordsHeard] = field(
        default_factory=list[object]
    )
    started: list[SpeechStarted] = field(default_factory=list[object])
    ended: list[SpeechEnded] = field(default_factory=list[object])
    progress: list[SpeechProgress] = field(default_factory=list[object])
    words: list[WordsHeard] = field(default_factory=list[object])

    def on_speech_started(self, event: SpeechStarted) -> None:
        self.started.append(event)
        self.events.append(event)

    def on_speech_progress(self, event: SpeechProgress) -> None:
        self.progress.append(event)
        self.events.append(event)

    def on_words(self, event: WordsHeard) -> None:
        self.words.append(event)
        self.events.append(event)

    def on_speech_ended(self, event: SpeechEnded) -> None:
        self.ended.append(event)
        self.events.append(event)


class Scene:
    """Ears with a clock of their own, and a person called `person`."""

    def __init__(self, settings: EarsSettings | None = None, recogniser: Recogniser | None = None) -> None:
        self.now_s = 100.0
        chosen = {} if settings is None else {"settings": settings}
        self.ears = Ears(
            is_person=lambda identity: not identity.startswith("agent"),
            recogniser=recogniser,
            clock=lambda: self.now_s,
            new_speech_id=lambda person, n: f"{person}-{n}",
            **chosen,
        )
        self.listener = Listener()
        self.ears.add_listener(self.listener)

    def hear(
        self, sound: np.ndarray, *, said: np.ndarray | None = None, by: str | None = None, who: str = "person"
    ) -> list[float]:
        """Frame by frame in time; gives the times in ms into `sound` at which START was told.

        `said` is what the agent says meanwhile: its own in this process, or that of participant `by`.
        """
        starts: list[float] = []
        for at in range(0, len(sound) - FRAME + 1, FRAME):
            self.now_s += 0.01
            if said is not None:
                pcm = said[at : at + FRAME].tobytes()
                if by is None:
                    self.ears.play_reference(pcm, EARS_HZ)
                else:
                    self.ears.on_audio(by, AudioFrame(pcm, EARS_HZ))
            before = len(self.listener.started)
            self.ears.on_audio(who, AudioFrame(sound[at : at + FRAME].tobytes(), EARS_HZ))
            starts += [(at + FRAME) / 16.0] * (len(self.listener.started) - before)
        return starts

"""An agent's own voice in a person's microphone is not speech of the person.

Witnesses are asked about a window that the detector takes for speech while an agent is, or just was, audible:
- The canceller (WebRTC's AEC3, of livekit's own library) takes out of the microphone what the agents' sound
  explains. Where a person speaks, what it leaves stands out.
- It leaves echo, too, until it knows the way from loudspeaker to microphone. So what stands out must not
  resemble what was just said, by normalised correlation over all delays.
- It swallows the person, too, while it learns. So a microphone that is louder than the echo can be, by what
  was learned of that way, is a person whatever the canceller says; and so is, while the canceller is young,
  what is loud and does not resemble at all what was said.
Nothing here delays the sound that the detector hears. Pure but for the canceller, which is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adapters.audio import level_dbfs
from adapters.ports import EARS_HZ, FRAME_MS
from adapters.ring import SampleRing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.int16]

BLOCK_SAMPLES = EARS_HZ * FRAME_MS // 1000

_COUPLING_FALL_DB = 0.03
"""A window: about 2 dB a second of echo. Three times as much while the canceller is young."""

_FIRST_WINDOWS = 120
"""About 2 s of echo: so long a canceller is young."""

_LOUD_DB = 12.0
"""Below the loudest echo that is possible now."""

HISTORY_SAMPLES = EARS_HZ * 192 // 1000

_SHORT_SAMPLES = EARS_HZ * 64 // 1000
"""So much of the history may hold another speaker's end and still tell echo; it resembles by chance, too."""

_TAIL_SAMPLES = EARS_HZ * 16 // 1000

Canceller = Callable[["Samples", "Samples"], "Samples"]
"""Takes a block of the microphone and what was said at that time; gives what that does not explain."""


@dataclass(frozen=True, slots=True)
class EchoSettings:
    """When sound counts as an echo."""

    audible_dbfs: float = -55.0
    """From this level on a block of the agents' sound can come back as an echo."""
    longest_delay_ms: float = 500.0
    """By then an echo has come back."""
    stands_out_db: float = 6.0
    """How far the canceller's rest is above the noise floor where a person speaks."""
    least_rest_dbfs: float = -56.0
    """Below this the rest is the canceller's own noise."""
    resemblance: float = 0.5
    """Correlation with what was said from which on sound is an echo."""
    strangeness: float = 0.3
    """Correlation of the whole history below which loud sound is no echo, while the canceller is young."""
    deepest_cut_db: float = 25.0
    """A rest further below the microphone than this is what a canceller leaves of an echo."""
    least_of_echo_db: float = 18.0
    """Sound so far below the loudest echo that is possible now is its reverberation."""
    coupling_db: float = -10.0
    """How loud the echo is against the agents' sound, until it has been learned."""
    louder_db: float = 6.0
    """How much louder than an echo the microphone is where a person speaks."""


class Timeline:
    """Places the pieces of a steady stream on the clock's axis of samples at EARS_HZ.

    A piece follows the one before it, whatever the jitter of its arrival, until it is more than 120 ms off.
    """

    __slots__ = ("_end",)

    _TOLERANCE = EARS_HZ * 120 // 1000

    def __init__(self) -> None:
        self._end: int | None = None

    def place(self, n: int, at_s: float) -> int:
        """Where a piece of `n` samples begins whose last sample came at `at_s`."""
        end = round(at_s * EARS_HZ)
        follows = end if self._end is None else self._end + n
        self._end = follows if abs(follows - end) <= self._TOLERANCE else end
        return self._end - n


class ReferenceMix:
    """The last seconds of all that agents said, mixed, on the clock's axis of samples."""

    _CAPACITY = 4 * EARS_HZ

    def __init__(self, settings: EchoSettings) -> None:
        self._settings = settings
        self._mix = np.zeros(self._CAPACITY, dtype=np.int16)
        self._end = 0
        """After the last position that was written; what lies before it and was not written is silence."""
        self._timelines: dict[str, Timeline] = {}
        self._audible_end: int | None = None

    def silent(self, source: str, n: int, at_s: float) -> None:
        """`source` was silent for `n` samples up to `at_s`."""
        self._timelines.setdefault(source, Timeline()).place(n, at_s)

    def add(self, source: str, samples: Samples, at_s: float) -> None:
        """Mix in what `source` said up to `at_s`."""
        samples = samples[-self._CAPACITY // 2 :]
        start = self._timelines.setdefault(source, Timeline()).place(len(samples), at_s)
        end = start + len(samples)
        if end <= self._end - self._CAPACITY:
            return
        if end > self._end:
            gone = np.arange(max(self._end, end - self._CAPACITY), end) % self._CAPACITY
            self._mix[gone] = 0
            self._end = end
        at = np.arange(start, end) % self._CAPACITY
        self._mix[at] = np.clip(self._mix[at].astype(np.int32) + samples, -32768, 32767)
        if level_dbfs(samples) >= self._settings.audible_dbfs:
            self._audible_end = end if self._audible_end is None else max(self._audible_end, end)

    def forget(self, source: str) -> None:
        """The source is gone."""
        self._timelines.pop(source, None)

    def read(self, start: int, n: int) -> Samples:
        """What was said between two positions; silence where nothing was, or is known no more."""
        out = np.zeros(n, dtype=np.int16)
        first = max(start, self._end - self._CAPACITY)
        known = min(start + n, self._end) - first
        if known > 0:
            at = first % self._CAPACITY
            head = min(known, self._CAPACITY - at)
            out[first - start : first - start + head] = self._mix[at : at + head]
            out[first - start + head : first - start + known] = self._mix[: known - head]
        return out

    def may_echo_at(self, position: int) -> bool:
        """Whether something audible was said shortly before a position."""
        if self._audible_end is None:
            return False
        return position < self._audible_end + int(self._settings.longest_delay_ms * EARS_HZ / 1000.0)

    def loudest_dbfs(self, position: int) -> float:
        """The loudest 20 ms of what can be heard as an echo at a position."""
        reach = int(self._settings.longest_delay_ms * EARS_HZ / 1000.0)
        step = 2 * BLOCK_SAMPLES
        wide = self.read(position - reach, reach // step * step).astype(np.float32).reshape(-1, step)
        power = float(np.einsum("ij,ij->i", wide, wide).max()) / step
        return 10.0 * math.log10(max(power, 1e-6)) - 20.0 * math.log10(32768.0)


class EchoJudge:
    """Says of one person's windows whether they are an echo. Positions are those of the person's ring."""

    _CAUSAL = EARS_HZ * 10 // 1000
    """The reference is read a little back in time, as some of the current block may still be on its way."""

    def __init__(
        self, reference: ReferenceMix, make_canceller: Callable[[], Canceller], settings: EchoSettings
    ) -> None:
        self._reference = reference
        self._make_canceller = make_canceller
        self._settings = settings
        self._canceller: Canceller | None = None
        self._timeline = Timeline()
        self._rest = SampleRing(EARS_HZ)
        self._pending = np.zeros(0, dtype=np.int16)
        self._offset = 0
        """Clock position of the person's sample 0, as of the newest piece."""
        self._heard = 0
        self._valid_from: int | None = None
        self._coupling_db = settings.coupling_db
        self._learned = 0

    def take(self, samples: Samples, at_s: float) -> None:
        """Follow the person's sound; costs next to nothing while no agent is audible."""
        start = self._timeline.place(len(samples), at_s)
        self._offset = start - self._heard
        self._heard += len(samples)
        if not self._reference.may_echo_at(start):
            self._valid_from = None
            return
        if self._valid_from is None:
            self._valid_from = self._heard - len(samples)
            self._rest = SampleRing(EARS_HZ)
            self._pending = np.zeros(0, dtype=np.int16)
        if self._canceller is None:
            self._canceller = self._make_canceller()
        line = np.concatenate((self._pending, samples))
        whole = len(line) // BLOCK_SAMPLES * BLOCK_SAMPLES
        first = self._heard - len(line) + self._offset - self._CAUSAL
        for at in range(0, whole, BLOCK_SAMPLES):
            said = self._reference.read(first + at, BLOCK_SAMPLES)
            self._rest.write(self._canceller(line[at : at + BLOCK_SAMPLES], said))
        self._pending = line[whole:]

    def possible_at(self, position: int) -> bool:
        """Whether a window that ends here can be an echo at all."""
        return self._valid_from is not None and self._reference.may_echo_at(position + self._offset)

    def is_echo(self, position: int, sound: Samples, floor_dbfs: float) -> bool:
        """Whether the window that ends here is an echo and nothing else.

        Takes the last HISTORY_SAMPLES of the person's sound and the level of the room's noise.
        """
        if self._valid_from is None:
            return False
        settings = self._settings
        mic_dbfs = level_dbfs(sound[-_TAIL_SAMPLES:])
        rest_dbfs = self._rest_dbfs(position - self._valid_from)
        cut_db = mic_dbfs - rest_dbfs
        above_reference_db = mic_dbfs - self._reference.loudest_dbfs(position + self._offset)
        over_echo_db = above_reference_db - self._coupling_db
        if over_echo_db > settings.louder_db:
            return False
        stands_out = (
            rest_dbfs >= max(floor_dbfs + settings.stands_out_db, settings.least_rest_dbfs)
            and cut_db <= settings.deepest_cut_db
            and over_echo_db >= -settings.least_of_echo_db
        )
        young = (
            self._learned <= _FIRST_WINDOWS and over_echo_db >= -_LOUD_DB and mic_dbfs >= floor_dbfs + 10.0
        )
        if stands_out and self._resemblance(position, sound[-_SHORT_SAMPLES:]) < settings.resemblance:
            return False
        if young and self._resemblance(position, sound) < settings.strangeness:
            return False
        if cut_db >= 10.0 and mic_dbfs >= floor_dbfs + 10.0:
            self._learn(above_reference_db)
        return True

    def _rest_dbfs(self, position: int) -> float:
        end = min(self._rest.end, position)
        return level_dbfs(self._rest.read(max(0, end - _TAIL_SAMPLES), end).samples)

    def _resemblance(self, position: int, sound: Samples) -> float:
        reach = int(self._settings.longest_delay_ms * EARS_HZ / 1000.0)
        start = position + self._offset - len(sound) - reach
        said = self._reference.read(start, len(sound) + reach)
        return resemblance(sound, said)

    def break_off(self) -> None:
        """The person's sound is not continuous here."""
        self._timeline = Timeline()
        self._valid_from = None

    def _learn(self, above_reference_db: float) -> None:
        """Follow the loudest echoes at once, and softer ones slowly."""
        self._learned += 1
        fall_db = _COUPLING_FALL_DB * (3.0 if self._learned <= _FIRST_WINDOWS else 1.0)
        self._coupling_db = max(above_reference_db, self._coupling_db - fall_db)


def resemblance(sound: Samples, said: Samples) -> float:
    """Largest normalised correlation, 0 to 1, of a sound with any equally long stretch of what was said."""
    x, y = _sharpened(sound), _sharpened(said)
    n, power = len(x), float(np.dot(x, x))
    if power <= 0.0 or len(y) < n:
        return 0.0
    length = -(-len(y) // 1024) * 1024
    spectrum = np.fft.rfft(y, length) * np.conj(np.fft.rfft(x, length))
    products = np.fft.irfft(spectrum, length)[: len(y) - n + 1]
    sums = np.concatenate(([0.0], np.cumsum(y.astype(np.float64) ** 2)))
    powers = sums[n:] - sums[:-n]
    floor = 1e-3 * float(powers.max())
    if floor <= 0.0:
        return 0.0
    return float(np.max(np.abs(products) / np.sqrt(np.maximum(powers, floor) * power)))


def _sharpened(samples: Samples) -> NDArray[np.float32]:
    """With its high frequencies raised, as speech is strongest where it tells least."""
    wide = samples.astype(np.float32)
    wide[1:] -= 0.9 * wide[:-1].copy()
    return wide

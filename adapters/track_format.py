"""The format of an outgoing track and of its frames. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.audio import check_format
from adapters.errors import UnsupportedAudioError
from adapters.ports import FRAME_MS

_FRAMES_PER_S = 1000 // FRAME_MS


@dataclass(frozen=True, slots=True)
class TrackFormat:
    """int16 PCM, interleaved, in frames of FRAME_MS.

    Raises:
        UnsupportedAudioError: not 8 to 48 kHz in steps of 100 Hz (a frame is a whole number of samples),
            or neither mono nor stereo.
    """

    sample_rate_hz: int
    channels: int = 1

    def __post_init__(self) -> None:
        check_format(self.sample_rate_hz, self.channels)
        if self.sample_rate_hz % _FRAMES_PER_S:
            raise UnsupportedAudioError(
                f"{FRAME_MS} ms of {self.sample_rate_hz} Hz are no whole number of samples: resample it"
            )

    @property
    def frame_samples(self) -> int:
        """Samples of one frame and channel."""
        return self.sample_rate_hz // _FRAMES_PER_S

    @property
    def frame_bytes(self) -> int:
        return self.frame_samples * self.channels * 2

    def check_frame(self, pcm: bytes) -> None:
        """Accept exactly one frame.

        Raises:
            UnsupportedAudioError: any other length.
        """
        if len(pcm) != self.frame_bytes:
            raise UnsupportedAudioError(f"{len(pcm)} bytes where a frame has {self.frame_bytes}")

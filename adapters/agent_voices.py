"""What the agents of a room say, gathered as the reference for everybody's echo."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters import aec
from adapters.audio import MonoStream, check_format
from adapters.echo import EchoJudge, ReferenceMix
from adapters.ports import EARS_HZ, AudioFrame

if TYPE_CHECKING:
    from adapters.echo import EchoSettings

_OWN = ""
"""The source that is this process's own agent; no participant has an empty identity."""


class AgentVoices:
    """Agents' voices on one time axis. Loads the echo canceller's library when it is made."""

    def __init__(self, settings: EchoSettings) -> None:
        aec.load()
        self._settings = settings
        self._reference = ReferenceMix(settings)
        self._streams: dict[str, MonoStream] = {}

    def hear(self, identity: str, frame: AudioFrame, at_s: float) -> None:
        """Another agent's frame came.

        Raises:
            UnsupportedAudioError: the frame is not int16 PCM of 8 to 48 kHz, mono or stereo.
        """
        check_format(frame.sample_rate_hz, frame.channels)
        if frame.pcm.count(0) == len(frame.pcm):
            samples = len(frame.pcm) // 2 // frame.channels
            self._reference.silent(identity, samples * EARS_HZ // frame.sample_rate_hz, at_s)
            return
        stream = self._streams.setdefault(identity, MonoStream())
        said = stream.push(frame)
        if len(said):
            self._reference.add(identity, said, at_s)

    def play(self, pcm: bytes, sample_rate_hz: int, at_s: float) -> None:
        """This process's agent says this now.

        Raises:
            UnsupportedAudioError: not int16 mono PCM of 8 to 48 kHz.
        """
        self.hear(_OWN, AudioFrame(pcm, sample_rate_hz), at_s)

    def forget(self, identity: str) -> None:
        """The agent is gone, or silent until further notice."""
        self._streams.pop(identity, None)
        self._reference.forget(identity)

    def judge(self) -> EchoJudge:
        """One for each person."""
        return EchoJudge(self._reference, aec.WebRtcCanceller, self._settings)

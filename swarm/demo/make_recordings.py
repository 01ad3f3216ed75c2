"""Makes the demo's backchannel: `python -m swarm.demo.make_recordings` (needs the `offline` packages).

No free recording of a person's "yeah" was at hand, so espeak-ng says it, in a voice that no agent uses. The
cut-in is a person's: see recordings/LICENSES.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soxr

from adapters.wav import write_wav
from host_agent.offline.voice import EspeakVoice

RATE_HZ = 16_000


def main() -> None:
    """Write recordings/backchannel.wav beside this file."""
    speech = EspeakVoice("en-us+m7", rate_wpm=220).synthesise_blocking("Yeah.")
    samples = np.frombuffer(speech.pcm, dtype=np.int16)
    resampled = soxr.resample(samples, speech.sample_rate_hz, RATE_HZ).astype(np.int16)
    write_wav(Path(__file__).parent / "recordings" / "backchannel.wav", [resampled], RATE_HZ)


if __name__ == "__main__":
    main()

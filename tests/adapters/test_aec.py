from __future__ import annotations

import subprocess
import sys

import numpy as np

from adapters.aec import WebRtcCanceller
from adapters.audio import level_dbfs
from adapters.ports import EARS_HZ
from tests.adapters.hearing_aids import FRAME, at_level, recording, to_int16


def through(canceller: WebRtcCanceller, mic: np.ndarray, said: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [canceller(mic[at : at + FRAME], said[at : at + FRAME]) for at in range(0, len(mic) - FRAME, FRAME)]
    )


def test_what_was_said_is_taken_out_and_what_was_not_stays() -> None:
    said = to_int16(at_level(recording("ps_librivox_0870")[: 5 * EARS_HZ], -20.0))
    echo = (np.concatenate((np.zeros(1280), said))[: len(said)] * 0.1).astype(np.int16)
    late = slice(3 * EARS_HZ, 4 * EARS_HZ)
    left = through(WebRtcCanceller(), echo, said)
    assert level_dbfs(left[late]) < level_dbfs(echo[late]) - 20.0
    speech = to_int16(at_level(recording("ps_goforward")[: 2 * EARS_HZ], -20.0))
    kept = through(WebRtcCanceller(), speech, np.zeros_like(speech))
    assert abs(level_dbfs(kept) - level_dbfs(speech[: len(kept)])) < 1.0


def test_a_canceller_in_use_at_exit_leaves_no_complaint() -> None:
    script = (
        "import numpy as np\n"
        "from adapters.aec import WebRtcCanceller\n"
        "block = np.zeros(160, np.int16)\n"
        "keep = [WebRtcCanceller(), WebRtcCanceller()]\n"
        "keep[0](block, block)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")

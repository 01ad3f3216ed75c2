"""Nothing about a user leaves the machine with the speech detector."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_loading_the_detector_leaves_no_telemetry_behind(tmp_path: Path) -> None:
    kept = {k: v for k, v in os.environ.items() if k not in {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}}
    subprocess.run(
        [sys.executable, "-c", "from adapters import silero; silero.load()"],
        env={**kept, "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        timeout=40,
    )
    assert list(tmp_path.rglob("*")) == []

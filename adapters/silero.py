"""Silero's speech probability of one window of sound, computed on the calling thread.

One session is shared by the whole process; each `SileroStream` has its own recurrent state. An inference
takes about 0.1 ms, less than handing it to another thread and back would, and between its return and whatever
acts on it nothing else can run. The model is the one that livekit-plugins-silero packages.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.ports import EARS_HZ

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

WINDOW_SAMPLES = 512
"""What the model takes at 16 kHz: 32 ms."""

_PLUGIN = "livekit.plugins.silero"


@lru_cache(maxsize=1)
def _model_code() -> tuple[ModuleType, Path | None]:
    """The plugin's `onnx_model` and the model file.

    Importing the plugin's package imports all of livekit.agents (1.5 to 3.5 s); this one module needs numpy
    and onnxruntime only. Where it is not found as a file of the package, the package is imported after all.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime reports to its maker unless told not to
    plugins = importlib.util.find_spec("livekit.plugins")
    for place in (plugins.submodule_search_locations or ()) if plugins else ():
        code = Path(place) / "silero" / "onnx_model.py"
        model = Path(place) / "silero" / "resources" / "silero_vad.onnx"
        if code.is_file() and model.is_file():
            spec = importlib.util.spec_from_file_location(f"{_PLUGIN}.onnx_model", code)
            if spec is not None and spec.loader is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module, model
    return importlib.import_module(f"{_PLUGIN}.onnx_model"), None


@lru_cache(maxsize=1)
def _shared_session() -> Any:
    code, model = _model_code()
    return code.new_inference_session(True, model)


def load() -> None:
    """Load the model now (about 0.5 s) instead of at the first window."""
    stream = SileroStream()
    stream.probability(np.zeros(WINDOW_SAMPLES, dtype=np.int16))


class SileroStream:
    """Speech probabilities of one continuous sound at 16 kHz, window by window."""

    __slots__ = ("_model", "_wide")

    def __init__(self) -> None:
        code, _ = _model_code()
        self._model: Any = code.OnnxModel(onnx_session=_shared_session(), sample_rate=EARS_HZ)
        self._wide = np.empty(WINDOW_SAMPLES, dtype=np.float32)

    def probability(self, window: NDArray[np.int16]) -> float:
        """How likely the next WINDOW_SAMPLES samples are speech, 0 to 1."""
        np.divide(window, np.float32(32767.0), out=self._wide)
        return float(self._model(self._wide))

    def reset(self) -> None:
        """Forget what came before: the sound is not continuous here."""
        self._model.reset()

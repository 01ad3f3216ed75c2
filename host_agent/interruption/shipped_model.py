"""Reads the classifier that ships with the package: once in a process, at the edge."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources

from host_agent.interruption.classifier import TurnClassifier, classifier_from

MODEL_FILE = "turn_classifier.json"


@lru_cache(maxsize=1)
def shipped_classifier() -> TurnClassifier:
    """Return the shipped classifier; the file is read at the first call.

    Raises:
        InterruptionSettingError: the file of this installation is damaged.
    """
    text = resources.files("host_agent.interruption").joinpath(MODEL_FILE).read_text(encoding="utf-8")
    return classifier_from(json.loads(text))

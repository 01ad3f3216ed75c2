"""Reads the classifier and the word lists that ship with the package: once in a process, at the edge."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

from host_agent.interruption.classifier import TurnClassifier, classifier_from
from host_agent.interruption.languages import LanguageWords

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL_FILE = "turn_classifier.json"
WORDS_FILE = "language_words.json"


@lru_cache(maxsize=1)
def shipped_classifier() -> TurnClassifier:
    """Return the shipped classifier; the file is read at the first call.

    Raises:
        InterruptionSettingError: the file of this installation is damaged.
    """
    text = resources.files("host_agent.interruption").joinpath(MODEL_FILE).read_text(encoding="utf-8")
    return classifier_from(json.loads(text))


@lru_cache(maxsize=1)
def shipped_languages() -> Mapping[str, LanguageWords]:
    """Return the shipped word lists by language, English apart; the file is read at the first call."""
    text = resources.files("host_agent.interruption").joinpath(WORDS_FILE).read_text(encoding="utf-8")
    return {
        language: LanguageWords(
            language,
            tuple(lists["ignore"]),
            tuple(lists["command"]),
            frozenset(lists.get("first_only", ())),
            spaceless=bool(lists.get("spaceless", False)),
        )
        for language, lists in json.loads(text)["languages"].items()
    }

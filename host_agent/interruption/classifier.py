"""The learned classifier of short replies: a weighted sum over features, calibrated. Pure.

Two heads share the features. `whole` reads a reply that is complete, `growing` the words so far of one
that may go on. Each answers with the probability that the speaker takes the floor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from host_agent.errors import InterruptionSettingError
from host_agent.interruption.reading import features_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1


@dataclass(frozen=True, slots=True)
class TurnClassifier:
    """Tells how likely it is that words said over an agent's speech take the floor. Shared by all judges."""

    whole: Mapping[str, float]
    growing: Mapping[str, float]
    licence: str = ""
    source: str = ""

    def probability(self, text: str, context: str = "", *, complete: bool = True) -> float | None:
        """Return how likely `text`, said over `context`, takes the floor, 0 to 1; None without a word."""
        features = features_of(text, context)
        if not features:
            return None
        weights = self.whole if complete else self.growing
        score = 0.0
        for feature in features:
            score += weights.get(feature, 0.0)
        return 1.0 / (1.0 + math.exp(-min(30.0, max(-30.0, score))))


def classifier_from(document: object) -> TurnClassifier:
    """Return the classifier that a model document describes.

    Raises:
        InterruptionSettingError: it is none of this format, or holds what is no finite number.
    """
    if not isinstance(document, dict):
        raise InterruptionSettingError("model_file", "holds no object")
    values = cast("dict[str, object]", document)
    if values.get("format") != FORMAT:
        raise InterruptionSettingError("model_file", f"is of format {values.get('format')!r}, not {FORMAT}")
    return TurnClassifier(
        whole=_weights("whole", values.get("whole")),
        growing=_weights("growing", values.get("growing")),
        licence=str(values.get("licence", "")),
        source=str(values.get("source", "")),
    )


def _weights(name: str, found: object) -> Mapping[str, float]:
    if not isinstance(found, dict) or not found:
        raise InterruptionSettingError("model_file", f"holds no weights {name!r}")
    weights: dict[str, float] = {}
    for feature, weight in cast("dict[str, object]", found).items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
            raise InterruptionSettingError("model_file", f"{name}[{feature!r}] is {weight!r}, not a number")
        weights[feature] = float(weight)
    return weights

"""Makes judges as the settings say; the model file is read here, once in a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.interruption.judge import LearnedJudge, WordListJudge
from host_agent.interruption.shipped_model import shipped_classifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from host_agent.interruption.settings import InterruptionHandlerConfig


def judge_factory(config: InterruptionHandlerConfig) -> Callable[[], WordListJudge]:
    """Return what makes the judge of each stretch of speech; lists and model are read once.

    The classifier knows English: for other languages, and with `judging` set to `lists`, the lists judge.
    """
    lexicon = config.lexicon()
    if config.judging == "learned" and config.language == "en":
        classifier = shipped_classifier()

        def learned() -> WordListJudge:
            return LearnedJudge(
                classifier, lexicon, config.judge, allow_interruptions=config.allow_interruptions
            )

        return learned

    def by_lists() -> WordListJudge:
        return WordListJudge(lexicon, config.judge, allow_interruptions=config.allow_interruptions)

    return by_lists

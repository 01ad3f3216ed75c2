"""Makes judges as the settings say; the model file is read here, once in a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.interruption.judge import LearnedJudge, WordListJudge
from host_agent.interruption.languages import reader_for
from host_agent.interruption.lexicon import DEFAULT_COMMAND_WORDS, DEFAULT_IGNORE_WORDS
from host_agent.interruption.shipped_model import shipped_classifier, shipped_languages

if TYPE_CHECKING:
    from collections.abc import Callable

    from host_agent.interruption.lexicon import WordReader
    from host_agent.interruption.settings import InterruptionHandlerConfig


def judge_factory(config: InterruptionHandlerConfig) -> Callable[[], WordListJudge]:
    """Return what makes the judge of each stretch of speech; lists and model are read once.

    The classifier knows English: for other languages, and with `judging` set to `lists`, the lists judge.
    """
    lexicon = reader_of(config)
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


def reader_of(config: InterruptionHandlerConfig) -> WordReader:
    """Return the word lists in force: those of the settings, else those of the language."""
    own = (config.ignore_words, config.command_words) != (DEFAULT_IGNORE_WORDS, DEFAULT_COMMAND_WORDS)
    if own or config.language == "en":
        return config.lexicon()
    return reader_for(shipped_languages()[config.language])

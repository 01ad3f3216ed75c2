"""Makes judges as the settings say; the model file is read here, once in a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.interruption.judge import LearnedJudge, WordListJudge
from host_agent.interruption.languages import Readers, reader_for
from host_agent.interruption.lexicon import DEFAULT_COMMAND_WORDS, DEFAULT_IGNORE_WORDS, Lexicon
from host_agent.interruption.shipped_model import shipped_classifier, shipped_languages

if TYPE_CHECKING:
    from collections.abc import Callable

    from host_agent.interruption.lexicon import WordReader
    from host_agent.interruption.settings import InterruptionHandlerConfig


def judge_factory(config: InterruptionHandlerConfig) -> Callable[[], WordListJudge]:
    """Return what makes the judge of each stretch of speech; lists and model are read once.

    The classifier knows English: for other languages, and with `judging` set to `lists`, the lists judge.
    Words in another language than the setting's, by their tag or script, are read by the lists of theirs;
    lists of one's own are for all languages.
    """
    lexicon = reader_of(config)
    readers = None if _own_lists(config) else Readers(shipped_languages(), Lexicon(), config.language)
    if config.judging == "learned" and config.language == "en":
        classifier = shipped_classifier()

        def learned() -> WordListJudge:
            return LearnedJudge(
                classifier,
                lexicon,
                config.judge,
                allow_interruptions=config.allow_interruptions,
                readers=readers,
            )

        return learned

    def by_lists() -> WordListJudge:
        return WordListJudge(
            lexicon, config.judge, allow_interruptions=config.allow_interruptions, readers=readers
        )

    return by_lists


def _own_lists(config: InterruptionHandlerConfig) -> bool:
    return (config.ignore_words, config.command_words) != (DEFAULT_IGNORE_WORDS, DEFAULT_COMMAND_WORDS)


def reader_of(config: InterruptionHandlerConfig) -> WordReader:
    """Return the word lists in force: those of the settings, else those of the language."""
    if _own_lists(config) or config.language == "en":
        return config.lexicon()
    return reader_for(shipped_languages()[config.language])

"""Makes judges as the settings say; the model file is read here, once in a process.

A package brings a judge by an entry point of the group `swarm.judges`: a callable without arguments that
makes one (`adapters.ports.Judge`) for one stretch of speech.
"""

from __future__ import annotations

import logging
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol, cast

from host_agent.errors import InterruptionSettingError
from host_agent.interruption.judge import LearnedJudge, WordListJudge
from host_agent.interruption.languages import Readers, reader_for
from host_agent.interruption.lexicon import DEFAULT_COMMAND_WORDS, DEFAULT_IGNORE_WORDS, Lexicon
from host_agent.interruption.settings import LEARNED, LISTS
from host_agent.interruption.shipped_model import shipped_classifier, shipped_languages

if TYPE_CHECKING:
    from collections.abc import Callable

    from host_agent.interruption.lexicon import WordReader
    from host_agent.interruption.settings import InterruptionHandlerConfig
    from streams.vocabulary import Decision, Observation, Verdict

_log = logging.getLogger(__name__)

GROUP = "swarm.judges"


class _Judge(Protocol):
    def observe(self, observation: Observation) -> Verdict: ...


def judge_factory(config: InterruptionHandlerConfig) -> Callable[[], _Judge]:
    """Return what makes the judge of each stretch of speech; lists and model are read once.

    The classifier knows English: for other languages, and with `judging` set to `lists`, the lists judge.
    Words in another language than the setting's, by their tag or script, are read by the lists of theirs;
    lists of one's own are for all languages. A judge that a package brings gets no settings.

    Raises:
        InterruptionSettingError: `judging` names no judge, or one that cannot be loaded.
    """
    make = _shipped(config) if config.judging in (LEARNED, LISTS) else _brought(config)
    return (lambda: _Logged(make())) if config.log_all_decisions else make


def _shipped(config: InterruptionHandlerConfig) -> Callable[[], WordListJudge]:
    lexicon, readers = reader_of(config), readers_of(config)
    if config.judging == LEARNED and config.language == "en":
        classifier = shipped_classifier()

        def learned() -> WordListJudge:
            return LearnedJudge(
                classifier,
                lexicon,
                config.judge,
                allow_interruptions=config.allow_interruptions,
                readers=readers,
                sensitivity=config.sensitivity,
                on_stt_failure=config.on_stt_failure,
            )

        return learned

    def by_lists() -> WordListJudge:
        return WordListJudge(
            lexicon,
            config.judge,
            allow_interruptions=config.allow_interruptions,
            readers=readers,
            sensitivity=config.sensitivity,
            on_stt_failure=config.on_stt_failure,
        )

    return by_lists


def _brought(config: InterruptionHandlerConfig) -> Callable[[], _Judge]:
    make = package_judge(config.judging)
    return make if config.allow_interruptions else lambda: WordListJudge(allow_interruptions=False)


def package_judges() -> tuple[str, ...]:
    """Return the names of the judges that packages bring."""
    return tuple(sorted({each.name for each in entry_points(group=GROUP)}))


def check_package_judge(name: str) -> None:
    """Refuse what is no judge of a package.

    Raises:
        InterruptionSettingError: none brings a judge by this name.
    """
    brought = package_judges()
    if name not in brought:
        known = ", ".join((LEARNED, LISTS, *brought))
        raise InterruptionSettingError("judging", f"{name!r} is no judge", cure=f"Known are: {known}")


def package_judge(name: str) -> Callable[[], _Judge]:
    """Return what makes the judges that a package brings by this name; one is made to see that it works.

    Raises:
        InterruptionSettingError: there is none, or it cannot be loaded.
    """
    check_package_judge(name)
    found = next(each for each in entry_points(group=GROUP) if each.name == name)
    try:
        make = cast("Callable[[], _Judge]", found.load())
        ready = callable(make) and callable(getattr(make(), "observe", None))
    except Exception as error:
        raise InterruptionSettingError(
            "judging", f"{name!r} cannot be loaded ({error})", cure="Mend its package"
        ) from error
    if not ready:
        raise InterruptionSettingError(
            "judging", f"{name!r} makes nothing with observe()", cure="Mend its package"
        )
    return make


class _Logged:
    """Logs each change of another judge's mind."""

    def __init__(self, judge: _Judge) -> None:
        self._judge = judge
        self._last: tuple[Decision, str, str] | None = None

    @property
    def patience_ms(self) -> float:
        """The other judge's; 0 where it has none."""
        return float(getattr(self._judge, "patience_ms", 0.0))

    def observe(self, observation: Observation) -> Verdict:
        """Return what the other judge says."""
        verdict = self._judge.observe(observation)
        said = (verdict.decision, verdict.reason, verdict.words)
        if said != self._last:
            self._last = said
            about = {"decision": said[0].value, "reason": said[1], "words": said[2][:200]}
            _log.info("interruption.decided", extra=about)
        return verdict


def _own_lists(config: InterruptionHandlerConfig) -> bool:
    return (config.ignore_words, config.command_words) != (DEFAULT_IGNORE_WORDS, DEFAULT_COMMAND_WORDS)


def reader_of(config: InterruptionHandlerConfig) -> WordReader:
    """Return the word lists in force: those of the settings, else those of the language."""
    if _own_lists(config) or config.language == "en":
        return config.lexicon()
    return reader_for(shipped_languages()[config.language])


def readers_of(config: InterruptionHandlerConfig) -> Readers | None:
    """Return the lists of all languages; None where one's own are for all of them."""
    return None if _own_lists(config) else Readers(shipped_languages(), Lexicon(), config.language)


def any_reader_of(config: InterruptionHandlerConfig) -> WordReader:
    """Return what reads words by their script, where lists of one's own are not for all languages."""
    return readers_of(config) or config.lexicon()

"""The judges that can be named: those that ship, those to compare with, and those that packages bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.errors import InterruptionSettingError
from host_agent.interruption import InterruptionHandlerConfig, load_config
from host_agent.interruption.judging import judge_factory, package_judge, package_judges
from streams.vocabulary import Decision, Verdict
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import Judge
    from streams.vocabulary import Observation

CONFIGURED, LEARNED, LISTS, MIN_WORDS, ALWAYS = "configured", "learned", "lists", "min-words", "always"
_MIN_WORDS = 3


class MinWordsJudge:
    """Interrupts from three words on, whatever they are: what others ship, to compare with."""

    def observe(self, observation: Observation) -> Verdict:
        """Return what is to be done now."""
        if len(observation.words.split()) >= _MIN_WORDS:
            return Verdict(Decision.INTERRUPT, f"{_MIN_WORDS} words", observation.words)
        return Verdict(Decision.CONTINUE, f"fewer than {_MIN_WORDS} words", observation.words)


class AlwaysJudge:
    """Interrupts at anything: what a bare detector does, to compare with."""

    def observe(self, observation: Observation) -> Verdict:
        """Return what is to be done now."""
        return Verdict(Decision.INTERRUPT, "speech", observation.words)


def judge_named(name: str) -> Callable[[], Judge]:
    """Return what makes judges of the name.

    Raises:
        SettingError: there is none of that name, or a package's cannot be loaded.
        InterruptionSettingError: the configured judge's settings are wrong.
    """
    match name:
        case "configured":
            return judge_factory(load_config())
        case "learned":
            return judge_factory(InterruptionHandlerConfig())
        case "lists":
            return judge_factory(InterruptionHandlerConfig(judging="lists"))
        case "min-words":
            return MinWordsJudge
        case "always":
            return AlwaysJudge
        case _:
            return _from_packages(name)


def _from_packages(name: str) -> Callable[[], Judge]:
    known = (CONFIGURED, LEARNED, LISTS, MIN_WORDS, ALWAYS, *package_judges())
    if name not in known:
        raise SettingError("--judge", f"{name!r} is no judge", f"Known are: {', '.join(known)}")
    try:
        return package_judge(name)
    except InterruptionSettingError as error:
        raise SettingError("--judge", error.reason, error.cure) from error

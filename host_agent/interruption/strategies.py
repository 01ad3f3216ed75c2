"""Interruption strategies: each says by itself whether what a person has said so far should interrupt.

A strategy is fed with audio and text while a person speaks over an agent, asked, and reset after the
interruption or when the speech is over. Several are combined by any-of (`first_to_interrupt`, `AnyOf`)
or all-of (`AllOf`); one that fails is logged and left out.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from host_agent.errors import InterruptionSettingError
from host_agent.interruption.lexicon import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = (
    "AllOf",
    "AnyOf",
    "BaseInterruptionStrategy",
    "MinWordsInterruptionStrategy",
    "TimeBasedStrategy",
    "first_to_interrupt",
    "reset_all",
)

_log = logging.getLogger(__name__)

LONGEST_TEXT_CHARS = 4_000
"""Text that a strategy keeps; more does not change what it says."""


class BaseInterruptionStrategy(ABC):
    """Decides when a person may interrupt. Holds `lock`, for threads that feed and ask at once.

    A subclass overrides `append_audio` or `append_text` for what it looks at; the other is ignored.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()

    @property
    def name(self) -> str:
        """What the record says interrupted."""
        return type(self).__name__

    def append_audio(self, audio: bytes, sample_rate_hz: int) -> None:  # noqa: B027 - may be ignored
        """Take the next piece of the person's sound: int16 little-endian mono."""

    def append_text(self, text: str) -> None:  # noqa: B027 - may be ignored
        """Take the next words of the person."""

    def replace_text(self, text: str) -> None:
        """Take all words so far anew: a recogniser has changed its mind about them."""
        self.reset()
        self.append_text(text)

    @abstractmethod
    def should_interrupt(self) -> bool:
        """Return whether what was heard so far interrupts."""

    @abstractmethod
    def reset(self) -> None:
        """Forget what was heard."""


class MinWordsInterruptionStrategy(BaseInterruptionStrategy):
    """Interrupts when the person has said at least `min_words` words."""

    def __init__(self, min_words: int) -> None:
        """Count up to `min_words`.

        Raises:
            InterruptionSettingError: `min_words` is no whole number above 0.
        """
        super().__init__()
        if isinstance(min_words, bool) or not isinstance(min_words, int) or min_words < 1:  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
            raise InterruptionSettingError("min_words", f"{min_words!r} is no whole number above 0")
        self.min_words = min_words
        self._text = ""

    def append_text(self, text: str) -> None:
        with self.lock:
            self._text = joined(self._text, text)

    def should_interrupt(self) -> bool:
        with self.lock:
            return len(words_of(self._text)) >= self.min_words

    def reset(self) -> None:
        with self.lock:
            self._text = ""


class TimeBasedStrategy(BaseInterruptionStrategy):
    """Interrupts when the person has been speaking for `min_duration_s` since the first words."""

    def __init__(self, min_duration_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Wait for `min_duration_s` seconds of `clock`.

        Raises:
            InterruptionSettingError: `min_duration_s` is no number from 0 to 60.
        """
        super().__init__()
        self.min_duration_s = checked("min_duration_s", min_duration_s, 0.0, 60.0)
        self._clock = clock
        self._since_s: float | None = None

    def append_text(self, text: str) -> None:
        with self.lock:
            if self._since_s is None and joined("", text).strip():
                self._since_s = self._clock()

    def replace_text(self, text: str) -> None:
        self.append_text(text)

    def should_interrupt(self) -> bool:
        with self.lock:
            return self._since_s is not None and self._clock() - self._since_s >= self.min_duration_s

    def reset(self) -> None:
        with self.lock:
            self._since_s = None


class _Combined(BaseInterruptionStrategy):
    """Feeds several strategies as one."""

    def __init__(self, strategies: Iterable[BaseInterruptionStrategy]) -> None:
        """Combine them.

        Raises:
            InterruptionSettingError: there are none, or one of them is no strategy.
        """
        super().__init__()
        self.strategies = checked_strategies(strategies)
        if not self.strategies:
            raise InterruptionSettingError("interruption_strategies", "nothing to combine")

    def append_audio(self, audio: bytes, sample_rate_hz: int) -> None:
        tell_all(self.strategies, lambda each: each.append_audio(audio, sample_rate_hz))

    def append_text(self, text: str) -> None:
        tell_all(self.strategies, lambda each: each.append_text(text))

    def replace_text(self, text: str) -> None:
        tell_all(self.strategies, lambda each: each.replace_text(text))

    def reset(self) -> None:
        reset_all(self.strategies)


class AnyOf(_Combined):
    """Interrupts when one of the strategies does."""

    @property
    def name(self) -> str:
        return " or ".join(each.name for each in self.strategies)

    def should_interrupt(self) -> bool:
        return first_to_interrupt(self.strategies) is not None


class AllOf(_Combined):
    """Interrupts when all of the strategies do, say three words and half a second. The hybrid one.

    A strategy that fails has no vote; where all fail nothing interrupts.
    """

    @property
    def name(self) -> str:
        return " and ".join(each.name for each in self.strategies)

    def should_interrupt(self) -> bool:
        votes = [vote for each in self.strategies if (vote := _asked(each)) is not None]
        return bool(votes) and all(votes)


def first_to_interrupt(strategies: Iterable[BaseInterruptionStrategy]) -> BaseInterruptionStrategy | None:
    """Return the first strategy that interrupts, or None. One that fails is logged and skipped."""
    return next((each for each in strategies if _asked(each)), None)


def reset_all(strategies: Iterable[BaseInterruptionStrategy]) -> None:
    """Have every strategy forget what it heard; one that fails is logged, the others are reset."""
    tell_all(strategies, lambda each: each.reset())


def tell_all(
    strategies: Iterable[BaseInterruptionStrategy], tell: Callable[[BaseInterruptionStrategy], None]
) -> None:
    """Tell every strategy; one that fails is logged and the others are told."""
    for each in strategies:
        try:
            tell(each)
        except Exception:
            _log.exception("interruption.strategy_failed", extra={"strategy": type(each).__name__})


def _asked(strategy: BaseInterruptionStrategy) -> bool | None:
    try:
        return bool(strategy.should_interrupt())
    except Exception:
        _log.exception("interruption.strategy_failed", extra={"strategy": type(strategy).__name__})
        return None


def checked_strategies(strategies: Iterable[object]) -> tuple[BaseInterruptionStrategy, ...]:
    """Return them as a tuple.

    Raises:
        InterruptionSettingError: one of them is no strategy.
    """
    checked: list[BaseInterruptionStrategy] = []
    if not isinstance(strategies, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
        raise InterruptionSettingError("interruption_strategies", f"{strategies!r} is no list of strategies")
    for each in strategies:
        if not isinstance(each, BaseInterruptionStrategy):
            raise InterruptionSettingError(
                "interruption_strategies",
                f"{each!r} is no strategy",
                cure="Derive it from BaseInterruptionStrategy",
            )
        checked.append(each)
    return tuple(checked)


def checked(key: str, value: float, low: float, high: float) -> float:
    """Return `value` if it is a number within the range.

    Raises:
        InterruptionSettingError: it is not; names the key.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
        raise InterruptionSettingError(key, f"{value!r} is no number from {low:g} to {high:g}")
    return float(value)


def joined(text: str, more: str) -> str:
    """Return the words of both, in order; the latest ones where there are too many. No text adds nothing."""
    if not isinstance(more, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
        return text
    return f"{text} {more}"[-LONGEST_TEXT_CHARS:] if text else more[-LONGEST_TEXT_CHARS:]

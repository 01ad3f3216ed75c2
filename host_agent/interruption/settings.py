"""What can be set about the judgement of interruptions, with what stands where nothing is set. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import cast

from host_agent.errors import InterruptionSettingError
from host_agent.interruption.lexicon import DEFAULT_COMMAND_WORDS, DEFAULT_IGNORE_WORDS, Lexicon


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """The thresholds of the first judge. Times in ms, loudness in dB over full scale."""

    no_words_ms: float = 500.0
    """Speech that goes on this long without a recogniser, or with unsure words, is an interruption."""
    wordless_ms: float = 1000.0
    """The same while no word is known yet: most acknowledgements are over by then, and their words there."""
    sustained_ms: float = 700.0
    """Voiced speech this long whose words are unsure is an interruption; shorter is none."""
    unknown_words: int = 3
    """This many words of neither list, surely heard, are an interruption whatever their length."""
    backchannel_ms: float = 1200.0
    """Voiced speech that acknowledging words may take beside `backchannel_word_ms` for each of them."""
    backchannel_word_ms: float = 350.0
    settle_ms: float = 130.0
    """Silence after acknowledging words that lets the agent go on."""
    quiet_ms: float = 200.0
    """Silence after short speech without sure words (a cough) that lets the agent go on."""
    pause_ms: float = 100.0
    """Silence from which on speech does not count as going on."""
    brief_ms: float = 450.0
    """Sound no longer than this lets the agent go on at the limit even after a `pause_ms` only."""
    min_confidence: float = 0.5
    """Words below this confidence do not count as heard. Without a confidence they do."""
    faint_dbfs: float = -55.0
    """Speech fainter than this has to last `faint_factor` times as long to interrupt."""
    faint_factor: float = 2.0
    echo_share: float = 0.8
    """This share of the words in the agent's own words, in their order, is an echo of the agent."""
    echo_min_words: int = 4
    """Fewer words are never taken for an echo: a person may well say one of the agent's words."""
    thinking_factor: float = 2.0
    """While the agent thinks nothing has to be silenced: speech without sure words may last so many times
    as long before it counts."""
    take_probability: float = 0.5
    """Complete words that take the floor at least so probably interrupt (learned classifier)."""
    growing_probability: float = 0.5
    """The same while more words may come."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            InterruptionSettingError: a value is not a number, or out of its range; names the key.
        """
        for each in fields(self):
            value = _number(each.name, getattr(self, each.name))
            low, high = _RANGES.get(each.name, (0.0, 60_000.0))
            if not low <= value <= high:
                raise InterruptionSettingError(each.name, f"{value!r} is not within {low:g} to {high:g}")


_RANGES = {
    "unknown_words": (1.0, 1_000.0),
    "min_confidence": (0.0, 1.0),
    "faint_dbfs": (-120.0, 0.0),
    "faint_factor": (1.0, 10.0),
    "thinking_factor": (1.0, 10.0),
    "echo_share": (0.5, 1.0),
    "take_probability": (0.01, 0.99),
    "growing_probability": (0.01, 0.99),
    "echo_min_words": (2.0, 1_000.0),
}

LONGEST_STT_TIMEOUT_MS = 500.0
LEARNED, LISTS = "learned", "lists"
LANGUAGES = ("en", "de", "es", "fr", "it", "pt", "hi", "ja", "zh", "nl", "pl", "tr", "ru", "ko")
_CHOICES = {
    "sensitivity": ("low", "normal", "high"),
    "on_stt_failure": ("interrupt", "continue"),
    "language": LANGUAGES,
}


@dataclass(frozen=True, slots=True)
class InterruptionHandlerConfig:
    """Word lists, switches and thresholds of the interruption judgement."""

    ignore_words: tuple[str, ...] = DEFAULT_IGNORE_WORDS
    command_words: tuple[str, ...] = DEFAULT_COMMAND_WORDS
    allow_interruptions: bool = True
    """Off: nothing that a person says stops the agent."""
    log_all_decisions: bool = False
    stt_timeout_ms: float = LONGEST_STT_TIMEOUT_MS
    """How long a decision waits for a transcript; then it is the safe one, an interruption."""
    judge: JudgeSettings = field(default_factory=JudgeSettings)
    sensitivity: str = "normal"
    """How readily words of neither list stop the agent: `low` never, `normal` when the judge says so
    (`judging`), `high` at the first of them. Commands always do."""
    on_stt_failure: str = "interrupt"
    """What is done where no words come in time: `interrupt` (safe) or `continue`."""
    judging: str = LEARNED
    """`learned`: the classifier judges English words of neither list; `lists`: durations and counts do; or
    the name of a judge that a package brings (entry points of the group `swarm.judges`)."""
    language: str = "en"
    """What people speak, one of LANGUAGES: picks the lists where none are given."""

    def __post_init__(self) -> None:
        """Take lists as tuples and refuse what cannot be meant.

        Raises:
            InterruptionSettingError: names the key.
        """
        for key in ("ignore_words", "command_words"):
            words = getattr(self, key)
            if isinstance(words, str | bytes | Mapping) or not isinstance(words, Iterable):
                raise InterruptionSettingError(key, f"{words!r} is not a list of words")
            object.__setattr__(self, key, tuple(cast("Iterable[str]", words)))
        for key in ("allow_interruptions", "log_all_decisions"):
            if not isinstance(getattr(self, key), bool):
                raise InterruptionSettingError(key, f"{getattr(self, key)!r} is neither true nor false")
        wait = _number("stt_timeout_ms", self.stt_timeout_ms)
        if not 0 < wait <= LONGEST_STT_TIMEOUT_MS:
            raise InterruptionSettingError(
                "stt_timeout_ms", f"{wait!r} is not above 0 and at most {LONGEST_STT_TIMEOUT_MS:g}"
            )
        for key, choices in _CHOICES.items():
            if getattr(self, key) not in choices:
                raise InterruptionSettingError(key, f"{getattr(self, key)!r} is none of {', '.join(choices)}")
        if not isinstance(self.judging, str) or not self.judging:  # pyright: ignore[reportUnnecessaryIsInstance] -- from files
            raise InterruptionSettingError("judging", f"{self.judging!r} is no name of a judge")
        if not isinstance(self.judge, JudgeSettings):  # pyright: ignore[reportUnnecessaryIsInstance] -- callers are untyped
            raise InterruptionSettingError("judge", f"{self.judge!r} is no JudgeSettings")
        self.lexicon()

    def lexicon(self) -> Lexicon:
        """Return the word lists, compiled."""
        return Lexicon(self.ignore_words, self.command_words)


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InterruptionSettingError(key, f"{value!r} is not a number")
    return value

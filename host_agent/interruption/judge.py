"""The first judge: word lists where words are sure, else duration and energy. Pure.

Fed with growing observations of one stretch of speech, it answers Continue, Hold, Interrupt or Resume
and why. Interrupt is final. Everything else may change as more is heard: "yeah" is Continue, "yeah,
but" Interrupt; a Resume stands until it becomes an Interrupt. When the record of a Resume is closed
is for the caller to say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from host_agent.interruption.lexicon import Lexicon, Reading, words_of
from host_agent.interruption.settings import JudgeSettings
from streams.vocabulary import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from host_agent.interruption.settings import InterruptionHandlerConfig
    from streams.vocabulary import Observation


@dataclass(frozen=True, slots=True)
class _Speech:
    """An observation with numbers that can be compared."""

    elapsed_ms: float
    voiced_ms: float
    silence_ms: float
    faint: bool
    ended: bool
    settled: bool
    """Nothing more will be heard, or `quiet_ms` of silence have passed."""


class WordListJudge:
    """Judges one stretch of speech; made anew for each."""

    def __init__(
        self,
        lexicon: Lexicon | None = None,
        settings: JudgeSettings | None = None,
        *,
        allow_interruptions: bool = True,
    ) -> None:
        self._lexicon = lexicon or Lexicon()
        self._settings = settings or JudgeSettings()
        self._allowed = allow_interruptions
        self._last: Verdict | None = None

    def observe(self, observation: Observation) -> Verdict:
        """Return what is to be done now. The same observations give the same verdicts; never raises."""
        last = self._last
        if last is not None and last.decision is Decision.INTERRUPT:
            return last
        decision, reason = self._decide(observation)
        if (
            last is not None
            and last.decision is Decision.RESUME
            and decision in (Decision.HOLD, Decision.CONTINUE)
        ):
            return last
        self._last = Verdict(decision, reason, observation.words)
        return self._last

    def _decide(self, seen: Observation) -> tuple[Decision, str]:
        if not self._allowed:
            return Decision.RESUME, "interruptions are switched off"
        speech = self._measure(seen)
        sure = seen.confidence is None or seen.confidence >= self._settings.min_confidence
        reading = self._lexicon.read(seen.words)
        if not reading.empty and sure and not seen.recogniser_failed:
            return self._by_words(seen, speech, reading)
        if speech is None:
            return Decision.INTERRUPT, "durations that are no numbers: interrupt to be safe"
        return self._by_sound(seen, speech, None if reading.empty else reading)

    def _by_words(self, seen: Observation, speech: _Speech | None, reading: Reading) -> tuple[Decision, str]:
        settings = self._settings
        if _is_echo(seen.words, seen.agent_words, settings):
            calm = speech is not None and (speech.ended or speech.silence_ms >= settings.settle_ms)
            return (Decision.RESUME if calm else Decision.CONTINUE), "the agent's own words coming back"
        if reading.commands:
            return Decision.INTERRUPT, f"command word {reading.commands[0]!r}"
        if speech is None:
            return Decision.INTERRUPT, "durations that are no numbers: interrupt to be safe"
        if not reading.others:
            return self._acknowledged(speech, reading)
        beyond = " ".join(reading.others[:5])
        if len(reading.others) >= settings.unknown_words or (seen.final and seen.confidence is not None):
            return Decision.INTERRUPT, f"words beyond an acknowledgement: {beyond}"
        return self._by_sound(seen, speech, reading)

    def _acknowledged(self, speech: _Speech, reading: Reading) -> tuple[Decision, str]:
        settings = self._settings
        words = " ".join(reading.backchannels[:5])
        allowance_ms = settings.backchannel_ms + settings.backchannel_word_ms * len(reading.backchannels)
        if speech.voiced_ms > allowance_ms * self._patience(speech):
            return Decision.INTERRUPT, f"{speech.voiced_ms:.0f} ms of speech are more than {words!r} takes"
        if speech.ended or speech.silence_ms >= settings.settle_ms:
            return Decision.RESUME, f"only acknowledging words: {words}"
        return Decision.CONTINUE, f"only acknowledging words so far: {words}"

    def _by_sound(self, seen: Observation, speech: _Speech, heard: Reading | None) -> tuple[Decision, str]:
        settings = self._settings
        what = "words that are not sure" if heard else "no words"
        if seen.recogniser_failed:
            what = "no recogniser"
        patience = self._patience(speech)
        if speech.voiced_ms >= settings.sustained_ms * patience:
            return Decision.INTERRUPT, f"{speech.voiced_ms:.0f} ms of speech, {what}"
        if speech.settled:
            return Decision.RESUME, f"{speech.voiced_ms:.0f} ms of sound, {what}"
        if speech.elapsed_ms >= settings.no_words_ms * patience and not seen.ended:
            pausing = speech.silence_ms >= settings.pause_ms
            if pausing and speech.voiced_ms <= settings.brief_ms:
                return Decision.RESUME, f"{speech.voiced_ms:.0f} ms of sound and a pause, {what}"
            if not pausing:
                return Decision.INTERRUPT, f"speech goes on after {speech.elapsed_ms:.0f} ms, {what}"
        return Decision.HOLD, f"{speech.voiced_ms:.0f} ms of speech so far, {what}"

    def _patience(self, speech: _Speech) -> float:
        return self._settings.faint_factor if speech.faint else 1.0

    def _measure(self, seen: Observation) -> _Speech | None:
        numbers = (seen.elapsed_ms, seen.voiced_ms, seen.silence_ms)
        if not all(math.isfinite(number) for number in numbers):
            return None
        elapsed_ms, voiced_ms, silence_ms = (max(0.0, number) for number in numbers)
        return _Speech(
            elapsed_ms=elapsed_ms,
            voiced_ms=voiced_ms,
            silence_ms=silence_ms,
            faint=seen.level_dbfs < self._settings.faint_dbfs,
            ended=seen.ended,
            settled=seen.ended or silence_ms >= self._settings.quiet_ms,
        )


def judge_factory(config: InterruptionHandlerConfig) -> Callable[[], WordListJudge]:
    """Return what makes the judge of each stretch of speech; the word lists are compiled once."""
    lexicon = config.lexicon()

    def make() -> WordListJudge:
        return WordListJudge(lexicon, config.judge, allow_interruptions=config.allow_interruptions)

    return make


def _is_echo(words: str, agent_words: str, settings: JudgeSettings) -> bool:
    heard = words_of(words)
    if len(heard) < settings.echo_min_words or not agent_words:
        return False
    return _common_in_order(heard, words_of(agent_words)) >= settings.echo_share * len(heard)


def _common_in_order(heard: tuple[str, ...], said: tuple[str, ...]) -> int:
    """Length of the longest run of words that both hold in the same order, gaps allowed."""
    heard, said = heard[-_ECHO_WINDOW:], said[-_ECHO_WINDOW:]
    row = [0] * (len(said) + 1)
    for word in heard:
        before = 0
        for index, other in enumerate(said):
            above = row[index + 1]
            row[index + 1] = before + 1 if word == other else max(above, row[index])
            before = above
    return row[-1]


_ECHO_WINDOW = 60

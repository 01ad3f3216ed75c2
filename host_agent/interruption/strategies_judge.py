"""A judge made of strategies: what the adapter observes of one speech is fed to them, any one interrupts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.interruption.lexicon import words_of
from host_agent.interruption.strategies import checked_strategies, first_to_interrupt, reset_all, tell_all
from streams.vocabulary import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from host_agent.interruption.strategies import BaseInterruptionStrategy
    from streams.vocabulary import Observation

__all__ = ("StrategyJudge",)

AUDIO_HZ = 16_000
HOLD_MS = 400.0
"""So long after the onset a held agent waits for a strategy; then it goes on until one interrupts."""
QUIET_MS = 200.0
"""Silence after which the speech counts as over for now."""


class StrategyJudge:
    """Judges one stretch of speech by strategies; made anew for each, with strategies of its own.

    Interrupts when any of them does, and resets all. Without a strategy every speech interrupts at once.
    `audio(sample)` returns the person's sound from a position on (int16 mono at 16 kHz, as `Ears.audio`
    does), `from_sample` is where the speech began; without it strategies that listen to sound hear none.
    """

    def __init__(
        self,
        strategies: Iterable[BaseInterruptionStrategy],
        *,
        allow_interruptions: bool = True,
        audio: Callable[[int], bytes] | None = None,
        from_sample: int = 0,
    ) -> None:
        """Begin with strategies that have heard nothing.

        Raises:
            InterruptionSettingError: one of them is no strategy.
        """
        self._strategies = checked_strategies(strategies)
        self._allowed = allow_interruptions
        self._audio = audio
        self._next_sample = from_sample
        self._words: tuple[str, ...] = ()
        self._fired: Verdict | None = None
        reset_all(self._strategies)

    def observe(self, observation: Observation) -> Verdict:
        """Return what is to be done now; Interrupt is final. Never raises."""
        if self._fired is not None:
            return self._fired
        try:
            decision, reason = self._decide(observation)
        except (AttributeError, TypeError, ValueError) as error:
            decision, reason = Decision.INTERRUPT, f"what cannot be read ({error}): interrupt to be safe"
        verdict = Verdict(decision, reason, observation.words)
        if decision is Decision.INTERRUPT:
            self._fired = verdict
            reset_all(self._strategies)
        return verdict

    def _decide(self, seen: Observation) -> tuple[Decision, str]:
        if not self._allowed:
            return Decision.RESUME, "interruptions are switched off"
        if not self._strategies:
            return Decision.INTERRUPT, "no strategy: every speech interrupts"
        self._feed_audio()
        self._feed_words(seen.words)
        if (fired := first_to_interrupt(self._strategies)) is not None:
            return Decision.INTERRUPT, fired.name
        if seen.ended or seen.silence_ms >= QUIET_MS:
            return Decision.RESUME, "no strategy interrupts"
        if not seen.elapsed_ms < HOLD_MS:
            return Decision.CONTINUE, "no strategy interrupts so far"
        return Decision.HOLD, "no strategy interrupts yet"

    def _feed_audio(self) -> None:
        if self._audio is None:
            return
        pcm = self._audio(self._next_sample)
        if pcm:
            self._next_sample += len(pcm) // 2
            tell_all(self._strategies, lambda each: each.append_audio(pcm, AUDIO_HZ))

    def _feed_words(self, text: str) -> None:
        words, before = words_of(text), self._words
        if words == before:
            return
        self._words = words
        if words[: len(before)] == before:
            more = " ".join(words[len(before) :])
            tell_all(self._strategies, lambda each: each.append_text(more))
        else:
            tell_all(self._strategies, lambda each: each.replace_text(text))

"""Drives one judge for one speech: what is known so far, one timer, and the verdicts that count."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adapters.ports import PatientJudge
from adapters.verdicts import Case, Limits, Stage, goes_on, weigh
from streams.vocabulary import Decision, Observation, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ports import Judge, SpeechEnded, SpeechProgress, SpeechStarted, WordsHeard

_log = logging.getLogger(__name__)
_SILENT_DBFS = -120.0


@dataclass(slots=True)
class SpeechSoFar:
    """What the ears have told of one speech."""

    started: SpeechStarted
    progress: SpeechProgress | None = None
    words: WordsHeard | None = None
    ended: SpeechEnded | None = None

    def seen(self, now_s: float, agent_words: str, *, agent_thinking: bool = False) -> Observation:
        """All of it, at one moment."""
        progress, words = self.progress, self.words
        return Observation(
            elapsed_ms=max(0.0, (now_s - self.started.onset_s) * 1000),
            voiced_ms=progress.voiced_ms if progress else 0.0,
            silence_ms=progress.silence_ms if progress else 0.0,
            level_dbfs=progress.level_dbfs if progress else _SILENT_DBFS,
            words=words.text.lower() if words else "",
            final=words.final if words else False,
            confidence=words.confidence if words else None,
            ended=self.ended is not None,
            recogniser_failed=words.failed if words else False,
            agent_words=agent_words,
            agent_thinking=agent_thinking,
            language=words.language if words else "",
        )

    def goes_on(self, now_s: float) -> bool:
        """Whether the person is still speaking, short pauses aside."""
        return goes_on(self.seen(now_s, ""))


class Judgement:
    """Asks `judge` after every change and at the limit; tells `on_verdict` what to act on.

    Without a judge duration alone decides: speech that goes on at the limit for speech without words
    interrupts, speech that has stopped resumes. A judge that raises counts as one that cannot decide.
    `on_verdict` is told an Interrupt at most once and nothing after it.
    """

    def __init__(
        self,
        speech: SpeechSoFar,
        judge: Judge | None,
        *,
        on_verdict: Callable[[Verdict], None],
        agent_words: Callable[[], str],
        agent_thinking: Callable[[], bool],
        clock: Callable[[], float],
        limits: Limits,
    ) -> None:
        self._speech = speech
        self._judge = judge
        self._on_verdict = on_verdict
        self._agent_words = agent_words
        self._agent_thinking = agent_thinking
        self._clock = clock
        self._limits = limits
        now_s = clock()
        patience_ms = judge.patience_ms if isinstance(judge, PatientJudge) else 0.0
        self._case = Case(
            now_s + limits.decide_s,
            now_s + max(limits.decide_s, limits.wordless_s),
            patient_until_s=speech.started.onset_s + patience_ms / 1000,
        )
        self._due_s = self._case.decide_by_s
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(limits.decide_s, self._at_limit)

    @property
    def closed(self) -> bool:
        """Whether nothing that is still said can change the outcome."""
        return self._case.stage is Stage.CLOSED

    def look(self) -> None:
        """Ask the judge: something about the speech has changed."""
        if not self.closed:
            self._weigh(self._clock())

    def close(self) -> None:
        """Decide nothing more."""
        self._timer.cancel()
        self._case = replace(self._case, stage=Stage.CLOSED)

    def _weigh(self, now_s: float) -> None:
        seen = self._speech.seen(now_s, self._agent_words(), agent_thinking=self._agent_thinking())
        said, before = self._ask(seen), self._case
        self._case, verdict = weigh(before, said, seen, now_s, self._limits)
        if self._case.stage is Stage.CLOSED:
            self._timer.cancel()
        elif self._case.resumed and not before.resumed:
            self._timer.cancel()
            self._timer = self._loop.call_later(self._limits.revise_s, self._at_limit)
        if verdict is not None:
            self._on_verdict(verdict)

    def _ask(self, seen: Observation) -> Verdict:
        if self._judge is None:
            return Verdict(Decision.HOLD, "no judge", seen.words)
        try:
            return _checked(self._judge.observe(seen))
        except Exception:
            _log.exception("judge_failed")
            self._case = replace(self._case, patient_until_s=0.0)
            return Verdict(Decision.HOLD, "the judge failed", seen.words)

    def _at_limit(self) -> None:
        """Decide now, whatever the timer's grain; after a Resume, end the time for second thoughts."""
        if self.closed:
            return
        if self._case.resumed:
            if self._speech.ended is not None:
                self.close()
            return
        now_s = self._clock()
        self._weigh(max(now_s, self._due_s))
        if self._case.stage is Stage.OPEN:
            done_s = max(now_s, self._due_s)
            limits_s = (self._case.wordless_by_s, self._case.patient_until_s)
            for due_s in sorted(due_s for due_s in limits_s if due_s > done_s)[:1]:
                self._due_s = due_s
                self._timer = self._loop.call_later(due_s - now_s, self._at_limit)


def _checked(said: object) -> Verdict:
    """What a judge has answered, if it is a verdict."""
    if not isinstance(said, Verdict):
        raise TypeError(f"a judge answers with a Verdict, not with {type(said).__name__}")
    known = isinstance(said.decision, Decision)  # pyright: ignore[reportUnnecessaryIsInstance] -- from users
    return said if known else replace(said, decision=Decision(said.decision))

"""The judge: word lists and a learned classifier where words are sure, else duration and energy. Pure.

Fed with growing observations of one stretch of speech, it answers Continue, Hold, Interrupt or Resume
and why. Interrupt is final. Everything else may change as more is heard: "yeah" is Continue, "yeah,
but" Interrupt; a Resume stands until it becomes an Interrupt. When the record of a Resume is closed
is for the caller to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.interruption.lexicon import Lexicon, Reading
from host_agent.interruption.measured import Measured, measured
from host_agent.interruption.own_words import is_echo
from host_agent.interruption.reading import acknowledges, in_phrases, may_become_a_remark, without_phrases
from host_agent.interruption.settings import JudgeSettings
from streams.vocabulary import Decision, Verdict

if TYPE_CHECKING:
    from host_agent.interruption.classifier import TurnClassifier
    from host_agent.interruption.languages import Readers
    from host_agent.interruption.lexicon import WordReader
    from streams.vocabulary import Observation


class WordListJudge:
    """Judges one stretch of speech; made anew for each."""

    def __init__(
        self,
        lexicon: WordReader | None = None,
        settings: JudgeSettings | None = None,
        *,
        allow_interruptions: bool = True,
        readers: Readers | None = None,
        sensitivity: str = "normal",
        on_stt_failure: str = "interrupt",
    ) -> None:
        """Judge by `lexicon`, and by `readers` what is said in another language than theirs is usually.

        `sensitivity` and `on_stt_failure` are those of `InterruptionHandlerConfig`.
        """
        self._lexicon = lexicon or Lexicon()
        self._settings = settings or JudgeSettings()
        self._allowed = allow_interruptions
        self._sensitivity = sensitivity
        self._wordless_goes_on = on_stt_failure == "continue"
        self._readers = readers
        self._language = ""
        self._last: Verdict | None = None

    @property
    def patience_ms(self) -> float:
        """So long after its onset, at the latest, speech that goes on is judged by the thresholds alone."""
        settings = self._settings
        longest_ms = max(settings.no_words_ms, settings.wordless_ms, settings.sustained_ms)
        return longest_ms * settings.thinking_factor * settings.faint_factor

    def observe(self, observation: Observation) -> Verdict:
        """Return what is to be done now. The same observations give the same verdicts; never raises."""
        last = self._last
        if last is not None and last.decision is Decision.INTERRUPT:
            return last
        try:
            decision, reason = self._decide(observation)
        except (AttributeError, TypeError, ValueError) as error:
            decision, reason = Decision.INTERRUPT, f"what cannot be read ({error}): interrupt to be safe"
        if (
            last is not None
            and last.decision is Decision.RESUME
            and decision in (Decision.HOLD, Decision.CONTINUE)
        ):
            return last
        self._last = Verdict(decision, reason, observation.words, self._confidence(observation, decision))
        return self._last

    def _confidence(self, seen: Observation, decision: Decision) -> float | None:
        """How likely `decision` is right, for a subclass that can tell."""
        del seen, decision
        return None

    def _decide(self, seen: Observation) -> tuple[Decision, str]:
        if not self._allowed:
            return Decision.RESUME, "interruptions are switched off"
        speech = measured(seen, self._settings)
        sure = seen.confidence is None or seen.confidence >= self._settings.min_confidence
        reading = self._reader(seen).read(seen.words)
        if not reading.empty and sure and not seen.recogniser_failed:
            return self._by_words(seen, speech, reading)
        if speech is None:
            return Decision.INTERRUPT, "durations that are no numbers: interrupt to be safe"
        return self._by_sound(seen, speech, None if reading.empty else reading)

    def _reader(self, seen: Observation) -> WordReader:
        if self._readers is None:
            return self._lexicon
        self._language = self._readers.language(seen.language, seen.words)
        return (
            self._lexicon if self._language == self._readers.usual else self._readers.reader(self._language)
        )

    def _by_words(self, seen: Observation, speech: Measured | None, reading: Reading) -> tuple[Decision, str]:
        settings = self._settings
        if not seen.agent_thinking and is_echo(seen.words, reading, seen.agent_words, settings):
            calm = speech is not None and (speech.ended or speech.silence_ms >= settings.settle_ms)
            return (Decision.RESUME if calm else Decision.CONTINUE), "the agent's own words coming back"
        if reading.commands and self._commanding(seen.words, reading):
            return Decision.INTERRUPT, f"command word {reading.commands[0]!r}"
        if speech is None:
            return Decision.INTERRUPT, "durations that are no numbers: interrupt to be safe"
        if not reading.others and not reading.commands:
            if (
                reading.answers
                and not seen.agent_thinking
                and seen.agent_words.rstrip().endswith(_QUESTION_MARKS)
            ):
                return Decision.INTERRUPT, f"an answer to the agent's question: {reading.answers[0]}"
            return self._acknowledged(speech, reading)
        beyond = " ".join(reading.others[:5])
        if self._sensitivity == "high":
            return Decision.INTERRUPT, f"words beyond an acknowledgement: {beyond}"
        if self._sensitivity == "low" and not seen.agent_thinking:
            calm = speech.ended or speech.silence_ms >= settings.settle_ms
            return (Decision.RESUME if calm else Decision.CONTINUE), f"no command word: {beyond}"
        if (by_classifier := self._learned(seen, speech, reading)) is not None:
            return by_classifier
        if seen.agent_thinking:
            return Decision.INTERRUPT, f"a new turn while the agent thinks: {beyond}"
        if len(reading.others) >= settings.unknown_words or (seen.final and seen.confidence is not None):
            return Decision.INTERRUPT, f"words beyond an acknowledgement: {beyond}"
        return self._by_sound(seen, speech, reading)

    def _commanding(self, words: str, reading: Reading) -> bool:
        """Whether a command word in `words` commands, for a subclass that knows phrases around it."""
        del words, reading
        return True

    def _learned(self, seen: Observation, speech: Measured, reading: Reading) -> tuple[Decision, str] | None:
        """Words of neither list, for a subclass that knows more about them; None leaves them to the lists."""
        del seen, speech, reading
        return None

    def _acknowledged(self, speech: Measured, reading: Reading) -> tuple[Decision, str]:
        settings = self._settings
        words = " ".join(reading.backchannels[:5])
        allowance_ms = settings.backchannel_ms + settings.backchannel_word_ms * len(reading.backchannels)
        if not speech.complete and speech.voiced_ms > allowance_ms * speech.patience:
            return Decision.INTERRUPT, f"{speech.voiced_ms:.0f} ms of speech are more than {words!r} takes"
        if speech.ended or speech.silence_ms >= settings.settle_ms:
            return Decision.RESUME, f"only acknowledging words: {words}"
        return Decision.CONTINUE, f"only acknowledging words so far: {words}"

    def _by_sound(self, seen: Observation, speech: Measured, heard: Reading | None) -> tuple[Decision, str]:
        settings = self._settings
        what = "words that are not sure" if heard else "no words"
        if seen.recogniser_failed:
            what = "no recogniser"
        patience = speech.patience
        may_be_told = heard is None and not seen.final and not seen.recogniser_failed
        longest_ms = settings.wordless_ms if may_be_told else settings.sustained_ms
        too_long = Decision.INTERRUPT
        if self._wordless_goes_on and (heard is None or seen.recogniser_failed):
            too_long = Decision.RESUME if speech.settled else Decision.CONTINUE
        if speech.voiced_ms >= longest_ms * patience:
            return too_long, f"{speech.voiced_ms:.0f} ms of speech, {what}"
        if speech.settled:
            return Decision.RESUME, f"{speech.voiced_ms:.0f} ms of sound, {what}"
        if speech.elapsed_ms >= settings.no_words_ms * patience and not seen.ended:
            pausing = speech.silence_ms >= settings.pause_ms
            if pausing and speech.voiced_ms <= settings.brief_ms:
                return Decision.RESUME, f"{speech.voiced_ms:.0f} ms of sound and a pause, {what}"
            if not pausing and (not may_be_told or speech.elapsed_ms >= settings.wordless_ms * patience):
                return too_long, f"speech goes on after {speech.elapsed_ms:.0f} ms, {what}"
        return Decision.HOLD, f"{speech.voiced_ms:.0f} ms of speech so far, {what}"


class LearnedJudge(WordListJudge):
    """A judge that asks a classifier where the lists do not know; made anew for each stretch of speech.

    The lists go first: a command interrupts and plain acknowledgements do not, whatever the classifier says.
    """

    def __init__(
        self,
        classifier: TurnClassifier,
        lexicon: WordReader | None = None,
        settings: JudgeSettings | None = None,
        *,
        allow_interruptions: bool = True,
        readers: Readers | None = None,
        sensitivity: str = "normal",
        on_stt_failure: str = "interrupt",
    ) -> None:
        super().__init__(
            lexicon,
            settings,
            allow_interruptions=allow_interruptions,
            readers=readers,
            sensitivity=sensitivity,
            on_stt_failure=on_stt_failure,
        )
        self._classifier = classifier
        self._judged: tuple[str, str, bool] = ("", "", False)
        self._p: float | None = None
        self._newest = ""
        self._newest_ms = 0.0

    def _learned(self, seen: Observation, speech: Measured, reading: Reading) -> tuple[Decision, str] | None:
        settings = self._settings
        if self._foreign():
            return None
        if len(reading.others) >= _MANY_WORDS:
            return Decision.INTERRUPT, f"{len(reading.others)} words beyond an acknowledgement"
        complete = seen.final or seen.ended
        if seen.words != self._newest:
            self._newest, self._newest_ms = seen.words, speech.elapsed_ms
        if not complete and not speech.settled and may_become_a_remark(seen.words):
            if speech.elapsed_ms - self._newest_ms >= settings.no_words_ms:
                return self._by_sound(seen, speech, reading)
            going_on = self._last is not None and self._last.decision is not Decision.HOLD
            return (
                Decision.CONTINUE if going_on else Decision.HOLD
            ), f"may become a remark: {seen.words[:_SHOWN_CHARS]}"
        p = self._probability(seen.words, seen.agent_words, complete=complete)
        if p is None:
            return None
        sure_at = (
            settings.take_probability if complete or seen.agent_thinking else settings.growing_probability
        )
        if p < sure_at or acknowledges(seen.words):
            return self._remarked(speech, seen.words, p)
        return Decision.INTERRUPT, f"takes the floor with {p:.0%}: {seen.words[:_SHOWN_CHARS]}"

    def _confidence(self, seen: Observation, decision: Decision) -> float | None:
        known = (seen.words, seen.agent_words, seen.final or seen.ended) == self._judged
        if self._p is None or not known or decision is Decision.HOLD:
            return None
        return round(max(self._p if decision is Decision.INTERRUPT else 1.0 - self._p, 0.5), 4)

    def _commanding(self, words: str, reading: Reading) -> bool:
        if (
            self._foreign()
            or len(reading.others) >= _MANY_WORDS
            or not any(in_phrases(each) for each in reading.commands)
        ):
            return True
        beside = without_phrases(words)
        return beside is None or bool(self._lexicon.read(beside).commands)

    def _foreign(self) -> bool:
        return self._language not in ("", "en")

    def _remarked(self, speech: Measured, words: str, p: float) -> tuple[Decision, str]:
        said = words[:_SHOWN_CHARS]
        allowance_ms = self._settings.backchannel_ms + self._settings.backchannel_word_ms * len(words.split())
        if not speech.complete and speech.voiced_ms > allowance_ms * speech.patience:
            return Decision.INTERRUPT, f"{speech.voiced_ms:.0f} ms of speech are more than {said!r} takes"
        if speech.ended or speech.silence_ms >= self._settings.settle_ms:
            return Decision.RESUME, f"a remark, takes the floor with {p:.0%}: {said}"
        return Decision.CONTINUE, f"a remark so far, takes the floor with {p:.0%}: {said}"

    def _probability(self, words: str, agent_words: str, *, complete: bool) -> float | None:
        judged = (words, agent_words, complete)
        if judged != self._judged:
            self._judged, self._p = (
                judged,
                self._classifier.probability(words, agent_words, complete=complete),
            )
        return self._p


_SHOWN_CHARS = 60
_MANY_WORDS = 7
"""So many words of neither list take the floor, whatever they are."""
_QUESTION_MARKS = ("?", "？", "؟")

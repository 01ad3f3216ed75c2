"""What people's speech does to one agent: gate, judgement, activity windows. In the callback, no await."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from adapters.gate import Effect, Gate, GateState
from adapters.judgement import Judgement, SpeechSoFar
from adapters.ports import EARS_HZ, Resumed
from adapters.verdicts import Limits
from streams.vocabulary import BargeInMode, Decision, ParticipantKind, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.model_feed import ModelFeed, PeoplesAudio
    from adapters.ports import AdapterListener, Judge, SpeechEnded, SpeechProgress, SpeechStarted, WordsHeard
    from adapters.voice import Voice

_log = logging.getLogger(__name__)
_SPEECHES_KEPT = 64
"""Ended speeches that can still be handed to the model."""


@dataclass(frozen=True, slots=True)
class ListeningSettings:
    """How an agent takes people's speech."""

    limits: Limits = field(default_factory=Limits)
    endpointing_ms: float = 0.0
    """After END_OF_SPEECH until `send_activity_end()`; speech that goes on meanwhile is the same activity."""
    preroll_ms: float = 300.0
    """Audio before the onset that the model gets."""
    tail_ms: float = 200.0
    """Audio after a speech's last voiced window that the model gets with a turn that is over."""
    stale_s: float = 30.0
    """A speech that began so long before an utterance without any word (a detector stuck on noise)
    does not gate that utterance."""
    listen: Literal["interruptions", "always"] = "interruptions"
    """Whose speech opens a window by itself in `confirm` and `overlap`: only what interrupts, or all
    that comes while the agent is silent too. In `immediate` it is always all."""


@dataclass(slots=True)
class _Speech:
    so_far: SpeechSoFar
    judgement: Judgement | None = None
    over_utterance: str = ""
    held_from_ms: float | None = None
    """What the voice had held back before this speech held it."""
    held_ms: float = 0.0


class Listening:
    """Listens for one agent. A `SpeechListener`; `active_speakers` counts people between START and END."""

    def __init__(
        self,
        voice: Voice,
        people: PeoplesAudio,
        *,
        mode: BargeInMode,
        judge: Callable[[SpeechStarted], Judge] | None,
        agent_words: Callable[[], str],
        settings: ListeningSettings,
        reports: AdapterListener,
        clock: Callable[[], float],
    ) -> None:
        self.active_speakers = 0
        self.feed: ModelFeed | None = None
        self._voice = voice
        self._people = people
        self._gate = Gate(mode)
        self._judge = judge
        self._agent_words = agent_words
        self._settings = settings
        self._reports = reports
        self._clock = clock
        self._speeches: OrderedDict[str, _Speech] = OrderedDict()
        self._held_since_s = 0.0

    @property
    def gate_state(self) -> GateState:
        return self._gate.state

    @property
    def mode(self) -> BargeInMode:
        return self._gate.mode

    def on_speech_started(self, event: SpeechStarted) -> None:
        """START_OF_SPEECH: the gate acts before this returns."""
        self.active_speakers += 1
        speech = _Speech(SpeechSoFar(event))
        self._speeches[event.speech_id] = speech
        if self.mode is BargeInMode.IMMEDIATE:
            self._gate, _ = self._gate.started(event.speech_id)
            self._interrupt(speech, Verdict(Decision.INTERRUPT, "start of speech"), self._clock())
            self._give_to_model(speech)
        elif self._voice.is_live:
            self._consider(speech)
        elif self._settings.listen == "always":
            self._give_to_model(speech)
        self._forget_old()

    def on_speech_progress(self, event: SpeechProgress) -> None:
        """A window of the detector: the judge may decide; a speech that goes on may begin to matter."""
        speech = self._speeches.get(event.speech_id)
        if speech is None:
            return
        speech.so_far.progress = event
        now_s = self._clock()
        going_on = speech.so_far.goes_on(now_s)
        self._gate, effect = self._gate.voice(event.speech_id, speaking=going_on)
        if effect is Effect.DROP:
            self._interrupt(speech, Verdict(Decision.INTERRUPT, "the speech that interrupted goes on"), now_s)
        if speech.judgement is not None:
            speech.judgement.look()
        elif going_on:
            self._consider_late(speech, now_s)

    def on_words(self, event: WordsHeard) -> None:
        """The recogniser's words so far."""
        speech = self._speeches.get(event.speech_id)
        if speech is not None:
            speech.so_far.words = event
            if speech.judgement is not None:
                speech.judgement.look()

    def on_speech_ended(self, event: SpeechEnded) -> None:
        """END_OF_SPEECH, whatever the reason: the person left or muted just as well."""
        speech = self._speeches.get(event.speech_id)
        if speech is None or speech.so_far.ended is not None:
            return
        self.active_speakers -= 1
        speech.so_far.ended = event
        self._gate = self._gate.ended(event.speech_id)
        if speech.judgement is not None:
            speech.judgement.look()
        if self.feed is not None:
            self.feed.end(event.speech_id)

    def utterance_begins(self) -> None:
        """An utterance starts: people who are speaking by now are speaking over it."""
        if self.mode is not BargeInMode.IMMEDIATE:
            now_s = self._clock()
            for speech in tuple(self._speeches.values()):
                if speech.judgement is None and speech.so_far.goes_on(now_s):
                    self._consider_late(speech, now_s)

    def flush_turn(self, speech_id: str) -> bool:
        """Give the model one speech that it was not given. False where its audio is not known here."""
        speech = self._speeches.get(speech_id)
        if speech is None or self.feed is None:
            return False
        if self.feed.carried(speech_id):
            return True
        start = self._model_start(speech)
        if not self._people.audio(speech.so_far.started.person, start, start + 1):
            return False
        self._give_to_model(speech)
        return True

    def open_window(self, person: str, from_sample: int) -> str:
        """Give the model a person's audio from `from_sample` on, until their END or `close_window`."""
        speaking = (
            speech.so_far.started.speech_id
            for speech in self._speeches.values()
            if speech.so_far.started.person == person and speech.so_far.ended is None
        )
        speech_id = next(speaking, f"{person}@{from_sample}")
        if self.feed is not None:
            self.feed.open(speech_id, person, from_sample)
        return speech_id

    def close(self) -> None:
        """Judge no more, and end the model's window."""
        for speech in self._speeches.values():
            if speech.judgement is not None:
                speech.judgement.close()
        if self.feed is not None:
            self.feed.close()

    def _consider_late(self, speech: _Speech, now_s: float) -> None:
        """A speech that began before the utterance: over it too, unless it is mere noise."""
        if self.mode is BargeInMode.IMMEDIATE or not self._voice.is_live:
            return
        age_s = now_s - speech.so_far.started.onset_s
        words = speech.so_far.words
        if age_s < self._settings.stale_s or (words is not None and words.text):
            self._consider(speech)

    def _consider(self, speech: _Speech) -> None:
        event = speech.so_far.started
        now_s = self._clock()
        was_held = self._gate.state is GateState.HELD
        self._gate, effect = self._gate.started(event.speech_id)
        if effect is Effect.HOLD:
            speech.held_from_ms = self._voice.held_ms
            if not was_held:
                self._held_since_s = now_s
        speech.over_utterance = self._voice.current_utterance
        speech.judgement = Judgement(
            speech.so_far,
            self._judge_of(event),
            on_verdict=lambda verdict: self._on_verdict(speech, verdict),
            agent_words=self._agent_words,
            agent_thinking=lambda: self._voice.is_preparing,
            clock=self._clock,
            limits=self._settings.limits,
        )

    def _judge_of(self, event: SpeechStarted) -> Judge | None:
        try:
            return None if self._judge is None else self._judge(event)
        except Exception:  # a judge of the user's own must not end the audio's callback
            _log.exception("judge_not_made")
            return None

    def _on_verdict(self, speech: _Speech, verdict: Verdict) -> None:
        event = speech.so_far.started
        now_s = self._clock()
        gate_s = self._held_since_s if self._gate.state is GateState.HELD else now_s
        if speech.held_from_ms is not None:
            speech.held_ms += self._voice.held_ms - speech.held_from_ms
            speech.held_from_ms = None
        over = speech.so_far.ended is not None
        self._gate, _ = self._gate.judged(event.speech_id, verdict.decision, over=over)
        if verdict.decision is Decision.INTERRUPT:
            cut = self._interrupt(speech, verdict, gate_s)
            listens = self._settings.listen == "always" or (self.feed is not None and self.feed.is_open)
            if cut or listens:
                self._give_to_model(speech)
        elif verdict.decision is Decision.RESUME:
            self._reports.on_resumed(
                Resumed(speech.over_utterance, event.person, verdict, event, speech.held_ms)
            )

    def _interrupt(self, speech: _Speech, verdict: Verdict, gate_s: float) -> bool:
        if not self._voice.is_live:
            return False
        event = speech.so_far.started
        self._voice.cut_all(
            by=event.person, by_kind=ParticipantKind.PERSON, verdict=verdict, speech=event, gate_s=gate_s
        )
        return True

    def _give_to_model(self, speech: _Speech) -> None:
        if self.feed is None:
            return
        event, ended = speech.so_far.started, speech.so_far.ended
        self.feed.open(event.speech_id, event.person, self._model_start(speech))
        if ended is not None:
            tail = int(self._settings.tail_ms * EARS_HZ / 1000)
            self.feed.end(event.speech_id, ended.end_sample + tail, at_once=True)

    def _model_start(self, speech: _Speech) -> int:
        preroll = int(self._settings.preroll_ms * EARS_HZ / 1000)
        return max(0, speech.so_far.started.onset_sample - preroll)

    def _forget_old(self) -> None:
        surplus = len(self._speeches) - _SPEECHES_KEPT
        if surplus > 0:
            ended = [id_ for id_, speech in self._speeches.items() if speech.so_far.ended is not None]
            for speech_id in ended[:surplus]:
                judgement = self._speeches.pop(speech_id).judgement
                if judgement is not None:
                    judgement.close()

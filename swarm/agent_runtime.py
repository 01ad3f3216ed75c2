"""One agent in one room: its host speaks only while its grant lasts, and its mouth tells the record.

The floor decides who speaks (grants come from the talking stick, whoever asked for them), the adapter decides
what is heard, the host decides what is said. This file only carries word from one to the other.
"""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapters.gate import GateState
from adapters.livekit_adapter import LiveKitAdapter
from host_agent.ports import Prompt
from streams import events as ev
from streams.vocabulary import Decision, ParticipantKind, Verdict
from swarm.allocation import Candidate, first_named
from swarm.allocation_history import TURN_ID_PREFIX
from swarm.allocation_turns import turn_of
from swarm.backchannel_right import BackchannelRight
from swarm.interruption_stages import InterruptionStages
from swarm.participant import Participant, Priority
from swarm.speech_book import SpeechBook
from swarm.traced_record import TracedRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.ears import Ears
    from adapters.ports import (
        Cut,
        Judge,
        Resumed,
        Room,
        SpeechEnded,
        SpeechProgress,
        SpeechStarted,
        WordsHeard,
    )
    from host_agent.ports import TurnResult
    from streams.events import Recorded
    from streams.outbox import Outbox
    from swarm.grant import Grant, Lost
    from swarm.roster import Roster
    from swarm.session import AgentSpec
    from swarm.talking_stick import TalkingStick

MAX_PROMPTS = 16
MAX_HEARD = 40
_SENTENCE_END = re.compile(r"[.?!]\s+")
GO_ON = "You have the floor. Answer what was said last."


def last_sentence(text: str) -> str:
    """Return the last sentence of `text`: who is named there gets the stick next."""
    return _SENTENCE_END.split(text.strip().rstrip(".?!"))[-1]


@dataclass(frozen=True, slots=True)
class _Heard:
    """Somebody's words for the next prompt; a person's with our ears' name for the speech."""

    who: str
    text: str
    speech_id: str = ""


class _NoFloor:
    """The view of an agent that holds nothing: mute."""

    may_speak_from_s = math.inf
    may_speak_until_s = -math.inf


class AgentRuntime:
    """Speaks when granted, falls silent when told, tells the record. Adapter and ears tell it what happens.

    `run` serves grants until cancelled. All callbacks come on the event loop's thread.
    """

    def __init__(
        self,
        spec: AgentSpec,
        *,
        room: Room,
        ears: Ears,
        judge: Callable[[SpeechStarted], Judge],
        stick: TalkingStick,
        outbox: Outbox,
        roster: Roster,
        to_ms: Callable[[float], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._to_ms = to_ms
        self._spec = spec
        self.participant = Participant(spec.name, ParticipantKind.AGENT, spec.role)
        self.adapter = LiveKitAdapter(
            room,
            ears=ears,
            mode=spec.mode,
            judge=judge,
            floor=_NoFloor(),
            listener=self,
            agent_words=lambda: self.host.saying[0],
            clock=clock,
        )
        self._outbox = TracedRecord(outbox, clock=clock)
        self.host = spec.host(self.adapter, self._outbox)
        self.adapter.set_model_input(self.host.queue)
        self.interruptions = InterruptionStages(
            self.adapter, self.host, config=spec.interruptions(), is_person=roster.is_person
        )
        self._clock = clock
        self._stick = stick
        self._roster = roster
        self._grant: Grant | None = None
        self._sounded = ("", 0.0)
        """The utterance that was audible last, and how much of it was heard when the floor was told."""
        self._prompts: OrderedDict[str, Prompt] = OrderedDict()
        self._heard: deque[_Heard] = deque(maxlen=MAX_HEARD)
        self._windows: deque[str] = deque(maxlen=MAX_HEARD)
        """Speeches that the model was given as audio."""
        self._book = SpeechBook()

    async def ask(self, prompt: Prompt, *, priority: Priority = Priority.NORMAL, reason: str = "") -> str:
        """Ask for the floor in order to answer `prompt`, and return the request's id.

        An URGENT request pre-empts the agent that holds the floor at a lower priority. At most
        MAX_PROMPTS wait; the oldest is forgotten, its grant then answers what was heard.
        """
        request_id = self._stick.new_request_id()
        observed = self._stick.token if priority is Priority.URGENT else None
        self._prompts[request_id] = prompt
        while len(self._prompts) > MAX_PROMPTS:
            self._prompts.popitem(last=False)
        await self._stick.request(
            self.participant, request_id=request_id, priority=priority, reason=reason, observed_token=observed
        )
        return request_id

    async def acknowledge(self, pcm: bytes, *, sample_rate_hz: int) -> bool:
        """Say int16 mono `pcm` as a short acknowledgement, without the floor; True where it was heard.

        Only where the room allows it (`FloorSettings.backchannel_ms`, which is also the longest it lasts),
        and not with the floor in hand: that says what it has to say.
        """
        right = None if self._grant is not None else await self._stick.backchannel(self.participant)
        if not isinstance(right, BackchannelRight) or self._grant is not None:
            return False
        utterance_id = f"{self.participant.identity}-acknowledges-{secrets.token_hex(4)}"
        self.adapter.set_floor(right)
        try:
            self.adapter.begin_utterance(utterance_id)
            self.adapter.send_audio_chunk(pcm, sample_rate_hz=sample_rate_hz, utterance_id=utterance_id)
            self.adapter.end_utterance(utterance_id)
            return (await self.adapter.wait_played_out(utterance_id)).heard_ms > 0
        finally:
            if self._grant is None:
                self.adapter.set_floor(_NoFloor())

    async def run(self) -> None:
        """Serve grants, one after another, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.host.run())
            await self.host.opened()
            async for grant in self._stick.grants(self.participant):
                await self._turn(grant)

    def feed(self, entry: Recorded) -> None:
        """Take an event of the room: what others were heard to say goes into the next prompt."""
        me = self.participant.identity
        match entry.event:
            case ev.Utterance(participant=who, heard_text=text) if who != me and text:
                self._heard.append(_Heard(who, text))
            case ev.SpeechStarted(participant=who, speech_id=speech_id):
                self._book.recorded(who, speech_id, entry.occurred_ms)
            case ev.Transcript(participant=who, text=text, final=True, speech_id=speech_id) if text:
                ours = self._book.ours(speech_id)
                if not ours or ours not in self._windows:
                    self._heard.append(_Heard(who, text, ours))
            case ev.FloorGranted(participant=who) if who == me:
                self._outbox.granted(entry.token, entry.traceparent)
            case ev.FloorGranted(reason=reason) if turn_of(reason):
                self.host.on_turn_given_to_another()
            case _:
                pass

    # Speech of people, from the ears

    def on_speech_started(self, event: SpeechStarted) -> None:
        self._book.heard(event.person, event.speech_id, self._to_ms(event.onset_s))

    def on_speech_progress(self, event: SpeechProgress) -> None:
        """Nothing to tell."""

    def on_words(self, event: WordsHeard) -> None:
        self.host.on_words(event)

    def on_speech_ended(self, event: SpeechEnded) -> None:
        self.host.on_speech_ended(event)

    # Turns

    async def _turn(self, grant: Grant) -> None:
        self._grant = grant
        self.adapter.set_floor(grant)
        grant.sounds_while(self._sounding)
        grant.on_lost(self._on_lost)
        result = await self.host.speak(grant, self._prompt(grant))
        if not result.interrupted and grant.valid():
            await asyncio.sleep(self._spec.playout_tail_ms / 1000)
        with self._outbox.turn(grant.token):
            await grant.release(to=self._next_speaker(result))
        self._grant = None

    def _prompt(self, grant: Grant) -> Prompt:
        """What to say: what it asked for itself, the person's turn, or an answer to whoever spoke last."""
        asked = self._prompts.pop(grant.request_id, None)
        if asked is None and grant.request_id.startswith(TURN_ID_PREFIX):
            speech_id = self._book.ours(grant.request_id.removeprefix(TURN_ID_PREFIX))
            if speech_id and (speech_id in self._windows or self.adapter.flush_turn(speech_id)):
                return Prompt(text="", heard=self._take_heard(but=speech_id))
        return Prompt(text=GO_ON if asked is None else asked.text, heard=self._take_heard())

    def _take_heard(self, but: str = "-") -> tuple[tuple[str, str], ...]:
        heard = tuple((each.who, each.text) for each in self._heard if each.speech_id != but)
        self._heard.clear()
        return heard

    def _next_speaker(self, result: TurnResult) -> str | None:
        if result.interrupted or not self._spec.hand_over:
            return None
        others = [
            Candidate(identity) for identity in self._roster.agents() if identity != self.participant.identity
        ]
        return first_named(last_sentence(result.heard_text), others)

    def _sounding(self) -> bool:
        """Return whether it was audible since it was asked last, or only a person keeps it from being so."""
        before = self._sounded
        if before[0]:
            self._sounded = (before[0], self.adapter.playout(before[0]).heard_ms)
        return self._sounded != before or self.adapter.gate_state is not GateState.OPEN

    def _on_lost(self, lost: Lost) -> None:
        if lost.reason != "released":
            by_person = bool(lost.by) and self._roster.is_person(lost.by)
            kind = ParticipantKind.PERSON if by_person else ParticipantKind.AGENT
            self.adapter.cut(lost.by or "floor", kind, Verdict(Decision.INTERRUPT, lost.reason))

    def on_first_audio(self, utterance_id: str, at_s: float) -> None:
        """FLOOR_TAKEN is written for the grant in use."""
        self._sounded = (utterance_id, 0.0)
        if self._grant is not None:
            with self._outbox.turn(self._grant.token):
                self._grant.taken()

    def on_cut(self, cut: Cut) -> None:
        self.host.on_cut(cut)
        self.interruptions.cut(cut.by, cut.verdict.reason)
        if cut.speech is not None and self._grant is not None:
            with self._outbox.interrupting(cut.utterance_id, cut.speech.onset_s):
                self._stick.preempt_soon(cut.by, self._grant.token, cut.verdict.reason)

    def on_resumed(self, resumed: Resumed) -> None:
        speech, now_s = resumed.speech, self._clock()
        about = {
            "speaker": self.participant.identity,
            "by": resumed.by,
            "utterance_id": resumed.utterance_id,
            "reason": resumed.verdict.reason,
            "words": resumed.verdict.words,
            "held_ms": round(resumed.held_ms, 1),
            "latency": ev.Latency(
                onset_to_detector_ms=round((speech.detected_s - speech.onset_s) * 1000, 2),
                gate_to_decision_ms=round((now_s - speech.detected_s) * 1000, 2),
            ),
        }
        event = ev.Backchannel if resumed.verdict.words else ev.FalseInterruption
        token = self._grant.token if self._grant is not None else None
        self._outbox.report(
            event.model_validate(about), source=self.participant.identity, token=token, occurred_s=now_s
        )

    def on_played_out(self, utterance_id: str, playout: object) -> None:
        """The host waits for it by itself."""

    def on_window_opened(self, speech_id: str) -> None:
        self._windows.append(speech_id)
        self.host.on_window_opened(speech_id)

    def on_window_closed(self) -> None:
        self.host.on_window_closed()

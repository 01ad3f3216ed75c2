"""The mouth of one agent: a gated playout that falls silent in the callback of START_OF_SPEECH."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.ears import Ears
from adapters.gate import GateState
from adapters.listening import Listening, ListeningSettings
from adapters.model_feed import ModelFeed, blob_factory
from adapters.pacer import Pacer
from adapters.reports import Reports, UntilClosed
from adapters.track_format import TrackFormat
from adapters.voice import Voice
from streams.vocabulary import BargeInMode, Decision, ParticipantKind, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from adapters.ports import AdapterListener, FloorView, Judge, ModelInput, Room, SpeechStarted
    from streams.vocabulary import Playout

FLOOR = "floor"
"""Who cut an utterance that was without the floor."""


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """How an adapter plays and listens."""

    listening: ListeningSettings = field(default_factory=ListeningSettings)
    buffer_s: float = 120.0
    """Audio that may wait to be played; the newest chunk that does not fit is refused."""
    fade_ms: float = 5.0
    """An utterance that was held gets louder again within this time."""


class LiveKitAdapter:
    """One agent's mouth in a room, with ears on the people there. A `SpeechOutput` for a host.

    `mode` says what a person's speech does to an utterance (`BargeInMode`). `judge` makes a judge for
    each speech in `confirm` and `overlap`; without one, speech that goes on for the decision limit
    interrupts. `floor` says when the agent may be audible; without one it always may. `model_input`
    is the model session's input (ADK's LiveRequestQueue), to which nobody else may send activity
    signals or audio. `ears` may be shared by several adapters; without them the adapter listens by
    itself to everybody whom `is_person` names (by default everybody).

    All methods belong to the event loop's thread. The room has to be connected before `start`, and
    stays so after `aclose`.
    """

    def __init__(
        self,
        room: Room,
        *,
        ears: Ears | None = None,
        is_person: Callable[[str], bool] = lambda identity: True,
        mode: BargeInMode = BargeInMode.IMMEDIATE,
        judge: Callable[[SpeechStarted], Judge] | None = None,
        floor: FloorView | None = None,
        model_input: ModelInput | None = None,
        listener: AdapterListener | None = None,
        agent_words: Callable[[], str] = lambda: "",
        sample_rate_hz: int = 24_000,
        settings: AdapterSettings = AdapterSettings(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        TrackFormat(sample_rate_hz)
        self._room = room
        self._owns_ears = ears is None
        self._ears = Ears(is_person=is_person, clock=clock) if ears is None else ears
        self._model_input = model_input
        self._reports = Reports(listener)
        self._sample_rate_hz = sample_rate_hz
        self._settings = settings
        self._clock = clock
        self._pacer: Pacer | None = None
        self._until_closed = UntilClosed(self._shut)
        self._untap: Callable[[], None] | None = None
        self._implicit_utterances = 0
        self._voice = Voice(
            sample_rate_hz=sample_rate_hz,
            limit_s=settings.buffer_s,
            fade_ms=settings.fade_ms,
            floor=floor,
            gate_state=lambda: self.gate_state,
            on_floor_lost=self._floor_lost,
            reports=self._reports,
            clock=clock,
        )
        self._listening = Listening(
            self._voice,
            self._ears,
            mode=mode,
            judge=judge,
            agent_words=agent_words,
            settings=settings.listening,
            reports=self._reports,
            clock=clock,
        )

    async def start(self) -> None:
        """Publish the track and listen. From now on a frame leaves every FRAME_MS, silence included.

        Raises:
            NotConnectedError: the room is not connected.
        """
        if self._pacer is not None:
            return
        if self._model_input is not None:
            await asyncio.to_thread(blob_factory)
        sink = await self._room.publish_audio(self._sample_rate_hz)
        self._voice.attach(sink)
        self._pacer = Pacer(sink, self._next_frame, clock=self._clock)
        self.set_model_input(self._model_input)
        self._ears.add_listener(self._listening)
        self._untap = self._ears.add_audio_tap(self._on_person_audio)
        if self._owns_ears:
            self._ears.attach(self._room)
        self._room.add_listener(self._until_closed)
        self._pacer.start()

    async def aclose(self) -> None:
        """Fall silent, cut what is unplayed, end the model's window. Harmless when not started."""
        self._shut("the adapter was closed")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def _active_speakers(self) -> int:
        """People between START_OF_SPEECH and END_OF_SPEECH."""
        return self._listening.active_speakers

    @property
    def gate_state(self) -> GateState:
        """What people's speech does to this agent's audio at the moment."""
        return self._listening.gate_state

    def begin_utterance(self, utterance_id: str) -> None:
        """Start an utterance; it is played after the one before. Again is harmless."""
        self._voice.begin(utterance_id)
        self._listening.utterance_begins()

    def send_audio_chunk(
        self, pcm: bytes, *, sample_rate_hz: int | None = None, utterance_id: str | None = None
    ) -> bool:
        """Queue int16 mono audio, of the track's rate by default; False where it was discarded.

        It is discarded while a person who interrupts is speaking, after its utterance was cut, without
        the floor, and when the buffer is full. Discarded audio counts as unheard, and so does the rest
        of its utterance. Without `utterance_id` the chunk belongs to the utterance that is live, or
        begins one.

        Raises:
            UnknownUtteranceError: `utterance_id` never began.
            UnsupportedAudioError: no whole int16 samples, or a rate outside 8 to 48 kHz.
        """
        if utterance_id is None:
            if self.gate_state is GateState.DROPPING:
                return False
            utterance_id = self._voice.current_utterance or self._begin_implicit()
        return self._voice.add(utterance_id, pcm, sample_rate_hz or self._sample_rate_hz)

    def end_utterance(self, utterance_id: str | None = None) -> None:
        """No more audio will come for it (by default for the one that is live).

        Raises:
            UnknownUtteranceError: it never began.
        """
        utterance_id = utterance_id or self._voice.current_utterance
        if utterance_id:
            self._voice.end(utterance_id)

    def playout(self, utterance_id: str) -> Playout:
        """What was made and what was heard of it so far.

        Raises:
            UnknownUtteranceError: it never began.
        """
        return self._voice.playout(utterance_id)

    async def wait_played_out(self, utterance_id: str) -> Playout:
        """Return when it was played to its end, or was cut.

        Raises:
            UnknownUtteranceError: it never began.
        """
        return await self._voice.wait_played_out(utterance_id)

    def drop(self, utterance_id: str) -> Playout:
        """Discard what is unplayed of it, for good, and say what was heard. Not reported as a cut.

        Raises:
            UnknownUtteranceError: it never began.
        """
        return self._voice.drop(utterance_id)

    def cut(self, by: str, kind: ParticipantKind, verdict: Verdict) -> None:
        """Cut every live utterance for another reason than speech: an agent's pre-emption, a lost lease.

        The model is told by an empty activity window, so that it stops too. Without a live utterance
        nothing happens.
        """
        if self._voice.is_live:
            self._voice.cut_all(by=by, by_kind=kind, verdict=verdict, speech=None, gate_s=self._clock())
            if self._listening.feed is not None:
                self._listening.feed.signal()

    def set_floor(self, floor: FloorView) -> None:
        """Ask this view from the next frame on."""
        self._voice.floor = floor

    def set_model_input(self, model_input: ModelInput | None) -> None:
        """Serve another model session; a window of the one before is closed."""
        if self._listening.feed is not None:
            self._listening.feed.close()
        self._model_input = model_input
        self._listening.feed = None
        if model_input is not None:
            self._listening.feed = ModelFeed(
                model_input,
                self._ears,
                endpointing_ms=self._settings.listening.endpointing_ms,
                on_opened=self._reports.on_window_opened,
                on_closed=self._reports.on_window_closed,
                clock=self._clock,
            )

    def flush_turn(self, speech_id: str) -> bool:
        """Give the model one speech in a window of its own: start, the audio, end.

        A speech that goes on stays open until its END. One that the model was given already is not
        given again. False where its audio is not known (any more), or there is no model.
        """
        return self._listening.flush_turn(speech_id)

    def open_window(self, person: str, from_sample: int) -> str:
        """Give the model a person's audio from a position of the ears on; returns the window's id.

        Ends with that person's END_OF_SPEECH, or with `close_window`.
        """
        return self._listening.open_window(person, from_sample)

    def close_window(self, window_id: str) -> None:
        """End what `open_window` began. Harmless when it has ended."""
        if self._listening.feed is not None:
            self._listening.feed.end(window_id, at_once=True)

    def _begin_implicit(self) -> str:
        self._implicit_utterances += 1
        utterance_id = f"{self._room.identity}-{self._implicit_utterances}"
        self.begin_utterance(utterance_id)
        return utterance_id

    def _next_frame(self, now_s: float) -> bytes | None:
        frame = self._voice.next_frame(now_s)
        # In another room the ears hear this voice like any other agent's.
        if frame is not None and self._ears.listens_in(self._room):
            self._ears.play_reference(frame, self._sample_rate_hz)
        return frame

    def _on_person_audio(self, person: str, pcm: bytes, start_sample: int) -> None:
        if self._listening.feed is not None:
            self._listening.feed.on_audio(person)

    def _floor_lost(self) -> None:
        self.cut(FLOOR, ParticipantKind.AGENT, Verdict(Decision.INTERRUPT, "without the floor"))

    def _shut(self, reason: str) -> None:
        if self._pacer is None:
            return
        self._pacer.stop()
        self._pacer = None
        if self._untap is not None:
            self._untap()
        self._ears.remove_listener(self._listening)
        self._room.remove_listener(self._until_closed)
        self._voice.cut_all(
            by=self._room.identity,
            by_kind=ParticipantKind.AGENT,
            verdict=Verdict(Decision.INTERRUPT, reason),
            speech=None,
            gate_s=self._clock(),
        )
        self._listening.close()
        if self._owns_ears:
            self._ears.close()

"""What a host does with the events of its model session and the cuts of its output, one turn at a time.

Events arrive in the order of the model session; cuts arrive from the output at once. After a cut, what the
session still brings of the turn is dropped until it acknowledges (`interrupted`), or the watchdog reopens it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from google.adk.sessions.in_memory_session_service import InMemorySessionService

from host_agent.cascade import HeardCascadeLive
from host_agent.live_input import LiveInput
from host_agent.live_run import LiveRun
from host_agent.model_errors import explain, one_line, single
from host_agent.native_side import NativeSide
from host_agent.prompting import Prompting
from host_agent.reports import interruption, utterance
from host_agent.rewind import HeardTruth, repairs
from host_agent.stage import LOST, Stage
from host_agent.states import Cause, HostState, next_state
from host_agent.turn import UnreportedCut
from host_agent.watchdog import Alarm, Watchdog
from host_agent.words import SpeechWords
from streams.events import AgentFailed, StateChanged, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.adk.agents.llm_agent import LlmAgent
    from google.adk.events.event import Event
    from google.adk.sessions.base_session_service import BaseSessionService

    from host_agent.ports import Record, SpeechOutput
    from host_agent.settings import HostSettings
    from host_agent.turn import Cut, Turn
    from streams.events import Event as RoomEvent
    from streams.vocabulary import Playout

_log = logging.getLogger(__name__)
_REOPENED = "reopened the model session with the heard history"


class Brain:
    """The inside of a UniversalHostAgent. For the event loop's thread."""

    def __init__(
        self,
        agent: LlmAgent,
        *,
        name: str,
        output: SpeechOutput,
        record: Record,
        session_service: BaseSessionService | None,
        settings: HostSettings,
        clock: Callable[[], float],
        user_id: str,
        session_id: str,
    ) -> None:
        self.name = name
        self.agent_name = agent.name
        self.settings = settings
        self.session_id = session_id
        self.state = HostState.IDLE
        self.turn: Turn | None = None
        self.quiet = asyncio.Event()
        """Nothing is left to come of an earlier turn."""
        self.quiet.set()
        self._output = output
        self._record = record
        self._clock = clock
        self._watchdog = Watchdog()
        self._watched = asyncio.Event()
        self._start_seen = False
        self.words = SpeechWords()
        self.live_input = LiveInput(
            self.words, kept_s=settings.window_kept_s, on_activity_start=self._on_activity_start
        )
        self.stage = Stage(
            output=output,
            live_input=self.live_input,
            words=self.words,
            settings=settings,
            on_reasoning=self._on_reasoning,
        )
        model = agent.canonical_live_model
        self.takes_partial = "gemini-3" not in model.model
        """Gemini 3 is reported to refuse client content in the middle of a session."""
        self.is_native = not isinstance(model, HeardCascadeLive)
        self.native = NativeSide(self)
        self.truth = HeardTruth(self.native.on_final if self.is_native else lambda text, _: text)
        self.prompts = Prompting(self)
        self.live = LiveRun(
            agent,
            app_name=agent.name,
            user_id=user_id,
            session_id=session_id,
            session_service=session_service or InMemorySessionService(),
            truth=self.truth,
            live_input=self.live_input,
            stage=self.stage,
            settings=settings,
            clock=clock,
            on_event=self._on_event,
            on_lost=self._on_session_lost,
        )

    async def run(self) -> None:
        """Keep the session, the watchdog and the repairs going until cancelled or the model is unusable."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch())
                tasks.create_task(self._repair())
                tasks.create_task(self.live.run())
        except BaseExceptionGroup as group:
            raise single(group) from group
        finally:
            self.live_input.unbind()
            if self.turn is not None:
                self.give_up(self.turn, "the host was stopped", reopen=False)

    # The course of a turn.

    def begin(self, turn: Turn) -> None:
        self.turn = self.stage.turn = turn
        self.move(Cause.GRANTED)

    def begin_audio(self, turn: Turn) -> None:
        """Tell the output of the utterance."""
        self._output.begin_utterance(turn.utterance_id)
        turn.begun = True
        self._arm(Alarm.NO_FIRST_AUDIO, self.settings.first_audio_limit_s)

    def ready(self, turn: Turn) -> None:
        """The prompt is complete: let the model go."""
        turn.ready = True
        if self.is_native:
            self._on_reasoning(turn)

    def take_audio(self, turn: Turn, pcm: bytes, sample_rate_hz: int) -> None:
        """Hand audio of the turn over, without waiting."""
        if turn.stopped:
            return
        self._watchdog.disarm(Alarm.NO_FIRST_AUDIO)
        taken = self._output.send_audio_chunk(
            pcm, sample_rate_hz=sample_rate_hz, utterance_id=turn.utterance_id
        )
        turn.timeline.add_audio(len(pcm) / 2 / sample_rate_hz * 1000.0, accepted=taken)
        self.stage.audio_taken(turn, len(pcm))
        if not taken and not turn.grant.valid():
            self._lose(turn, LOST)

    def model_complete(self, turn: Turn) -> None:
        """The model has said all of the turn."""
        self._watchdog.disarm(Alarm.NO_FIRST_AUDIO)
        turn.model_open = False
        if turn.stopped:
            self._settled(turn, None)
            return
        self.stage.finish_audio(turn)
        turn.model_ended.set()

    def played_out(self, turn: Turn, playout: Playout) -> None:
        """The output will play no more of the turn."""
        turn.playout = playout
        if not playout.complete:
            self._lose(turn, LOST)
            return
        self._remember(turn)
        turn.reported = True
        self._report(utterance(self.name, turn), turn)
        self.move(Cause.PLAYED_OUT)

    def end(self, turn: Turn) -> None:
        """The turn is over, however."""
        self._watchdog.disarm(Alarm.NO_FIRST_AUDIO)
        turn.ready = False
        self.turn = None
        if turn.failed:
            self._report(
                AgentFailed(participant=self.name, what=turn.failed, recovery="the turn was ended"), turn
            )
        if self.state is HostState.SPEAKING:
            self.move(Cause.FAILED)

    def on_cut(self, cut: Cut) -> None:
        turn = self.turn
        if turn is None or turn.utterance_id != cut.utterance_id or turn.stopped:
            return
        turn.cut, turn.playout = cut, cut.playout
        self.move(Cause.CUT)
        self._stop(turn)

    def abandon(self, turn: Turn) -> None:
        """Whoever let the turn speak does not want it any more."""
        if not turn.stopped:
            self._lose(turn, "")

    def give_up(self, turn: Turn, why: str, *, reopen: bool = True) -> None:
        """The model does not do its part: end the turn with what was heard, and begin a new session."""
        if turn.reported:
            return
        turn.failed = turn.failed or why
        self.stage.settle(turn)
        turn.model_open = False
        self._acknowledged()
        self._settled(turn, None)
        if reopen:
            self.live.reopen()

    def _lose(self, turn: Turn, why: str) -> None:
        turn.lose(why)
        self.stage.settle(turn)
        self._stop(turn)

    def _stop(self, turn: Turn) -> None:
        """Nothing more of the turn will be heard: have the model stop, or settle it where that has ended."""
        self._watchdog.disarm(Alarm.NO_FIRST_AUDIO)
        self.words.wake()
        if not turn.model_open:
            self._settled(turn, None)
            return
        self._expect_interrupted()
        # The adapter sends activity_start itself, in this step, when a person cut in.
        asyncio.get_running_loop().call_soon(self._ensure_signalled, turn)

    def _ensure_signalled(self, turn: Turn) -> None:
        if turn.model_open and not self._start_seen:
            self.live_input.signal_stop()

    def _settled(self, turn: Turn, interrupted_s: float | None) -> None:
        """What was heard of a turn that was broken off is known, and the model has stopped."""
        if not turn.reported:
            turn.reported = True
            self._remember(turn)
            if turn.cut is not None:
                event = interruption(
                    self.name, turn, turn.cut, interrupted_s=interrupted_s, now_s=self._clock()
                )
                self._report(event, turn, occurred_s=turn.cut.gate_s)
            self._report(utterance(self.name, turn), turn)
            if self.is_native:
                self.native.rewind(turn)
        turn.model_ended.set()

    def _remember(self, turn: Turn) -> None:
        """Make the persisted session say what was heard."""
        if turn.stopped and turn.flushed:
            for repair in repairs(turn.flushed, turn.heard().heard, turn.who_cut):
                self.truth.replace(repair)
        elif not turn.recorded and turn.timeline.has_audio and (text := turn.context_text()):
            self.truth.add(self.agent_name, "model", text)

    # The model session.

    def _on_event(self, event: Event) -> None:
        parts = event.content.parts if event.content else None
        for part in parts or ():
            blob = part.inline_data
            if blob is not None and blob.data and (blob.mime_type or "").startswith("audio/"):
                self._on_audio(blob.data, _rate_hz(blob.mime_type or ""))
        said, asked = event.output_transcription, event.input_transcription
        if said is not None and event.partial and said.text:
            self._on_text(said.text)
        if asked is not None and asked.finished and self.is_native:
            self.live_input.resolve()
        if event.interrupted:
            self._on_interrupted()
        if event.error_code:
            self._on_model_error(event.error_message or event.error_code)
        if event.turn_complete:
            self._on_turn_complete(interrupted=bool(event.interrupted))
        if (usage := event.usage_metadata) is not None:
            used = Usage(
                participant=self.name,
                input_tokens=usage.prompt_token_count or 0,
                output_tokens=usage.candidates_token_count or 0,
            )
            self._record.report(used, source=self.name)

    def _on_audio(self, pcm: bytes, sample_rate_hz: int) -> None:
        if not self.quiet.is_set():
            return
        if (turn := self.turn) is not None and turn.ready:
            if self.is_native:
                self.native.on_output(turn)
            self.take_audio(turn, pcm, sample_rate_hz)
        elif self.is_native:
            self.native.on_early_audio(pcm, sample_rate_hz)

    def _on_text(self, text: str) -> None:
        if not self.quiet.is_set():
            return
        if (turn := self.turn) is not None and turn.ready:
            if self.is_native:
                self.native.on_output(turn)
            if not turn.stopped:
                turn.timeline.add_text(text)
        elif self.is_native:
            self.native.on_early_text(text)

    def _on_interrupted(self) -> None:
        self._acknowledged()
        self.native.on_interrupted()
        turn = self.stage.turn
        if turn is None or not turn.model_open:
            return
        turn.model_open = False
        now_s = self._clock()
        if not turn.stopped:
            # Somebody signalled activity without the output having cut: what was played so far was heard.
            self.stage.settle(turn)
        if turn.cut is None and (turn.playout is not None and not turn.failed and self.turn is turn):
            turn.lost = False
            turn.cut = UnreportedCut(turn.utterance_id, playout=turn.playout, gate_s=now_s)
            self.move(Cause.CUT)
        self._settled(turn, now_s)

    def _on_turn_complete(self, *, interrupted: bool) -> None:
        if self.is_native and self.native.take_trailing_complete(interrupted=interrupted):
            return
        self._acknowledged()
        turn = self.stage.turn
        if turn is not None and turn.model_open:
            self.model_complete(turn)
        elif self.is_native:
            self.native.on_early_complete()

    def _on_model_error(self, message: str) -> None:
        error = self.stage.model_error
        fatal = explain(error, self.agent_name) if error is not None else None
        turn = self.turn
        if turn is not None:
            turn.failed = turn.failed or (one_line(error) if error is not None else message)
            self.stage.settle(turn)
        if fatal is not None:
            self.live.fail(fatal)

    def _on_session_lost(self, why: str) -> None:
        self._report(
            AgentFailed(participant=self.name, what=f"model session lost: {why}", recovery=_REOPENED)
        )
        if self.turn is not None:
            self.give_up(self.turn, "the model session was lost", reopen=False)
        self._acknowledged()

    def _on_reasoning(self, turn: Turn) -> None:
        turn.model_open = True
        self._start_seen = False

    def _on_activity_start(self) -> None:
        self._start_seen = True
        turn = self.stage.turn
        if turn is not None and turn.model_open and (not self.is_native or turn.answered or turn.stopped):
            self._expect_interrupted()

    # Waiting.

    def _expect_interrupted(self) -> None:
        self.quiet.clear()
        self._arm(Alarm.NOT_INTERRUPTED, self.settings.interrupted_limit_s)

    def _acknowledged(self) -> None:
        self._watchdog.disarm(Alarm.NOT_INTERRUPTED)
        self.quiet.set()

    def _arm(self, alarm: Alarm, limit_s: float) -> None:
        self._watchdog.arm(alarm, now_s=self._clock(), limit_s=limit_s)
        self._watched.set()

    async def _watch(self) -> None:
        while True:
            self._watched.clear()
            deadline_s = self._watchdog.next_deadline_s()
            try:
                async with asyncio.timeout(
                    None if deadline_s is None else max(0.0, deadline_s - self._clock())
                ):
                    await self._watched.wait()
            except TimeoutError:
                for alarm in self._watchdog.overdue(self._clock()):
                    self._on_alarm(alarm)

    def _on_alarm(self, alarm: Alarm) -> None:
        turn = self.turn
        if alarm is Alarm.NOT_INTERRUPTED or turn is None:
            self._report(AgentFailed(participant=self.name, what=alarm.value, recovery=_REOPENED))
        stage_turn = self.stage.turn
        if turn is not None:
            if turn.stopped:
                turn.model_open = False
                self._acknowledged()
                self._settled(turn, None)
                self.live.reopen()
            else:
                self.give_up(turn, alarm.value)
            return
        if stage_turn is not None:
            stage_turn.model_open = False
        self._acknowledged()
        self.live.reopen()

    async def _repair(self) -> None:
        while True:
            try:
                await self.truth.run()
            except Exception as error:  # whatever a session service raises: the next session reads afresh
                what = f"the session could not be corrected: {one_line(error)}"
                self._report(AgentFailed(participant=self.name, what=what, recovery=_REOPENED))
                self.live.reopen()

    # Telling.

    def given_away(self) -> None:
        """Nobody waits for this host's answer."""
        self.stage.given_away()
        if self.is_native:
            self.native.given_away()
        self.move(Cause.GIVEN_AWAY)

    def move(self, cause: Cause) -> None:
        """Change the state and report it, if that changes anything."""
        old, self.state = self.state, next_state(self.state, cause)
        if self.state is not old:
            self._report(
                StateChanged(participant=self.name, old=old.value, new=self.state.value, cause=cause.value),
                self.turn,
            )

    def _report(self, event: RoomEvent, turn: Turn | None = None, *, occurred_s: float | None = None) -> None:
        token = turn.grant.token if turn is not None else None
        self._record.report(event, source=self.name, token=token, occurred_s=occurred_s)


def _rate_hz(mime_type: str) -> int:
    for item in mime_type.split(";"):
        key, _, value = item.strip().partition("=")
        if key == "rate" and value.isdigit() and int(value) > 0:
            return int(value)
    return 24_000

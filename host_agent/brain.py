"""What a host does with the events of its model session and the cuts of its output, one turn at a time.

Events arrive in the order of the model session; cuts arrive from the output at once. After a cut, what the
session still brings of the turn is dropped until it acknowledges (`interrupted`), or the watchdog reopens it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from host_agent.afterwards import Afterwards
from host_agent.audio import duration_ms
from host_agent.cascade import HeardCascadeLive
from host_agent.diary import REOPENED, Diary
from host_agent.live_input import LiveInput
from host_agent.live_run import LiveRun
from host_agent.model_errors import single
from host_agent.models import live_model
from host_agent.native_side import NativeSide
from host_agent.prompting import Prompting
from host_agent.rewind import HeardTruth
from host_agent.session_events import SessionEvents
from host_agent.sessions import LiveSessions, in_front_of
from host_agent.stage import LOST, Stage
from host_agent.states import Cause, HostState
from host_agent.turn import FLOOR, UnreportedCut
from host_agent.watchdog import Alarm
from host_agent.watching import Watching
from host_agent.words import SpeechWords

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.adk.agents.llm_agent import LlmAgent
    from google.adk.sessions.base_session_service import BaseSessionService

    from host_agent.ports import Record, SpeechOutput
    from host_agent.settings import HostSettings
    from host_agent.turn import Cut, Turn
    from streams.vocabulary import Playout


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
        model = live_model(agent)
        self.model_name = model.model
        self.agent_name = agent.name
        self.settings = settings
        self.session_id = session_id
        self.diary = Diary(name, record)
        self.turn: Turn | None = None
        self.quiet = asyncio.Event()
        """Nothing is left to come of an earlier turn."""
        self.quiet.set()
        self._output = output
        self._clock = clock
        self._watching = Watching(clock=clock, on_alarm=self._on_alarm)
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
        self.takes_partial = "gemini-3" not in model.model
        """Gemini 3 is reported to refuse client content in the middle of a session."""
        self.is_native = not isinstance(model, HeardCascadeLive)
        self.native = NativeSide(self)
        self.truth = HeardTruth(self.native.on_final if self.is_native else lambda text, _: text)
        self.prompts = Prompting(self)
        self._afterwards = Afterwards(agent_name=agent.name, truth=self.truth, diary=self.diary, clock=clock)
        self._sessions = in_front_of(session_service, self.diary.not_stored)
        self.live = LiveRun(
            agent,
            app_name=agent.name,
            user_id=user_id,
            session_id=session_id,
            session_service=self._sessions or session_service or LiveSessions(),
            truth=self.truth,
            live_input=self.live_input,
            stage=self.stage,
            settings=settings,
            clock=clock,
            on_event=SessionEvents(self).take,
            on_opened=self.native.session_opened,
            on_lost=self._on_session_lost,
        )

    async def run(self) -> None:
        """Keep the session, the watchdog and the repairs going until cancelled or the model is unusable."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watching.run())
                tasks.create_task(self._afterwards.repair())
                if self._sessions is not None:
                    tasks.create_task(self._sessions.run())
                tasks.create_task(self.live.run())
        except BaseExceptionGroup as group:
            raise single(group) from group
        finally:
            self.live_input.unbind()
            if self.turn is not None:
                self.give_up(self.turn, "the host was stopped", reopen=False)
            if self._sessions is not None:
                await self._sessions.finish(self.settings.close_limit_s)

    def begin(self, turn: Turn) -> None:
        self.turn = turn
        self.stage.begin(turn)
        self.diary.move(Cause.GRANTED, turn)

    def begin_audio(self, turn: Turn) -> None:
        """Tell the output of the utterance."""
        self._output.begin_utterance(turn.utterance_id)
        turn.begun = True

    def ready(self, turn: Turn) -> None:
        """The prompt is complete: let the model go."""
        turn.ready = True
        self._watching.expect(Alarm.NO_FIRST_AUDIO, self.settings.first_audio_limit_s)
        if self.is_native:
            self._on_reasoning(turn)

    def take_audio(self, turn: Turn, pcm: bytes, sample_rate_hz: int) -> None:
        """Hand audio of the turn over, without waiting."""
        if turn.stopped:
            return
        self._watching.forget(Alarm.NO_FIRST_AUDIO)
        taken = self._output.send_audio_chunk(
            pcm, sample_rate_hz=sample_rate_hz, utterance_id=turn.utterance_id
        )
        turn.timeline.add_audio(duration_ms(len(pcm), sample_rate_hz), accepted=taken)
        self.stage.took(turn)
        if not taken and not turn.grant.valid():
            self._lose(turn, LOST)

    def model_complete(self, turn: Turn) -> None:
        """The model has said all of the turn."""
        self._watching.forget(Alarm.NO_FIRST_AUDIO)
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
        self._afterwards.write(turn)
        self.diary.move(Cause.PLAYED_OUT, turn)

    def end(self, turn: Turn) -> None:
        """The turn is over, however."""
        self._watching.forget(Alarm.NO_FIRST_AUDIO)
        turn.ready = False
        self.turn = None
        if turn.failed:
            self.diary.failed(turn.failed, "the turn was ended", turn)
        if self.diary.state is HostState.SPEAKING:
            self.diary.move(Cause.FAILED, turn)

    def on_cut(self, cut: Cut) -> None:
        turn = self.turn
        if turn is None or turn.utterance_id != cut.utterance_id or turn.stopped:
            return
        if cut.by == FLOOR and cut.playout.heard_ms <= 0:
            self._lose(turn, LOST)  # it never had the floor: nobody was interrupted
            return
        turn.cut, turn.playout = cut, cut.playout
        self.diary.move(Cause.CUT, turn)
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
        self.acknowledged()
        self._settled(turn, None)
        if reopen:
            self.live.reopen()

    def _lose(self, turn: Turn, why: str) -> None:
        turn.lose(why)
        self.stage.settle(turn)
        self._stop(turn)

    def _stop(self, turn: Turn) -> None:
        """Nothing more of the turn will be heard: have the model stop, or settle it where that has ended."""
        self._watching.forget(Alarm.NO_FIRST_AUDIO)
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
        if self._afterwards.write(turn, interrupted_s=interrupted_s) and self.is_native:
            self.native.rewind(turn)
        turn.model_ended.set()

    def on_interrupted(self) -> None:
        self.acknowledged()
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
            self.diary.move(Cause.CUT, turn)
        self._settled(turn, now_s)

    def _on_session_lost(self, why: str) -> None:
        self.diary.session_lost(why)
        if self.turn is not None:
            self.give_up(self.turn, "the model session was lost", reopen=False)
        self.acknowledged()

    def _on_reasoning(self, turn: Turn) -> None:
        turn.model_open = True
        self._start_seen = False

    def _on_activity_start(self) -> None:
        self._start_seen = True
        turn = self.stage.turn
        if turn is not None and turn.model_open and (not self.is_native or turn.answered or turn.stopped):
            self._expect_interrupted()

    def _expect_interrupted(self) -> None:
        self.quiet.clear()
        self._watching.expect(Alarm.NOT_INTERRUPTED, self.settings.interrupted_limit_s)

    def acknowledged(self) -> None:
        self._watching.forget(Alarm.NOT_INTERRUPTED)
        self.quiet.set()

    def _on_alarm(self, alarm: Alarm) -> None:
        turn = self.stage.turn
        if turn is not None and turn is self.turn and not turn.stopped:
            self.give_up(turn, alarm.value)
            return
        self.diary.failed(alarm.value, REOPENED, turn)
        self.acknowledged()
        if turn is not None:
            turn.model_open = False
            self._settled(turn, None)
        self.live.reopen()

    def given_away(self) -> None:
        """Nobody waits for this host's answer."""
        self.stage.given_away()
        if self.is_native:
            self.native.given_away()
        self.diary.move(Cause.GIVEN_AWAY)

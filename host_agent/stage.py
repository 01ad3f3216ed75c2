"""Where a cascade's connection and its host meet: the grant that lets it reason, the ledger it believes."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from host_agent.live_input import LiveInput
    from host_agent.ports import SpeechOutput
    from host_agent.settings import HostSettings
    from host_agent.turn import Turn
    from host_agent.words import SpeechWords, Window

LOST = "the grant ended or the audio was refused"
_SHORTEST_WAIT_S = 0.01


class Reasoner(Protocol):
    """A connection whose reasoning waits for the grant."""

    def want(self) -> None:
        """There is input that asks for an answer."""
        ...

    def proceed(self) -> None:
        """Begin to reason if there is input for it and the stage allows it."""
        ...

    def stop_reasoning(self) -> None:
        """Generate no more of the turn in progress."""
        ...

    def stop_voice(self) -> None:
        """Say no more of the turn in progress, and drop what of it was not taken."""
        ...


class Stage:
    """One host's turn as its cascade connection sees it."""

    def __init__(
        self,
        *,
        output: SpeechOutput,
        live_input: LiveInput,
        words: SpeechWords,
        settings: HostSettings,
        on_reasoning: Callable[[Turn], None],
    ) -> None:
        self._output = output
        self._input = live_input
        self._words = words
        self._settings = settings
        self._on_reasoning = on_reasoning
        self.turn: Turn | None = None
        """The current turn, or the last one until the next begins."""
        self.connection: Reasoner | None = None
        self.unanswered = False
        """The context holds a person's words that no turn has answered."""
        self.not_understood = False
        """A window ended without words, and no turn has reacted to it."""
        self.context_goes_first = False
        """The next content belongs before the unanswered words."""
        self.model_error: BaseException | None = None

    @property
    def words_limit_s(self) -> float:
        return self._settings.words_limit_s

    def attach(self, connection: Reasoner) -> None:
        """A connection has opened; a turn that waits for one goes on."""
        self.connection = connection
        if self.unanswered:
            connection.want()
            connection.proceed()
        self._words.wake()

    def detach(self, connection: Reasoner) -> None:
        if self.connection is connection:
            self.connection = None

    def begin(self, turn: Turn) -> None:
        """A turn begins; the one before has settled."""
        self.turn = turn
        self.context_goes_first = False

    def take_window(self) -> Window:
        return self._input.take_window()

    def window_resolved(self, window: Window, text: str) -> None:
        """A window's words are known: in the context now, or there are none."""
        window.resolved = True
        if text:
            self.unanswered = True
        elif window.speech_ids or window.carried_audio:
            self.not_understood = True
        self._words.wake()

    def given_away(self) -> None:
        """Nobody waits for an answer of this host any more; the words stay in its context."""
        self.unanswered = self.not_understood = False

    def may_reason(self) -> bool:
        return self.turn is not None and self.turn.live

    def reasoning_started(self) -> None:
        turn = self.turn
        self.unanswered = self.not_understood = self.context_goes_first = False
        self.model_error = None
        if turn is not None:
            turn.model_open = True
            turn.generation_done = False
            self._on_reasoning(turn)

    def stop_reasoning(self) -> None:
        """Have the connection stop a turn that was cut off: its activity_start is on its way."""
        if self.connection is not None and self.turn is not None and self.turn.stopped:
            self.connection.stop_reasoning()

    def stop_voice(self) -> None:
        """The same for the voice."""
        if self.connection is not None and self.turn is not None and self.turn.stopped:
            self.connection.stop_voice()

    def text_generated(self, text: str) -> None:
        if self.turn is not None:
            self.turn.timeline.add_generated(text)

    def gave(self, duration_ms: float) -> None:
        """The connection gives out a piece of audio, or the text that goes with it, which lasts no time."""
        if self.turn is not None:
            self.turn.made += 1
            self.turn.made_ms += duration_ms
            self.turn.caught_up.clear()

    def took(self, turn: Turn) -> None:
        """The host took a piece out of the session; the utterance ends when the last one was taken."""
        turn.taken += 1
        self._end_audio(turn)

    def finish_audio(self, turn: Turn) -> None:
        """No more audio will be made for the turn."""
        turn.generation_done = True
        self._end_audio(turn)

    def settle(self, turn: Turn) -> None:
        """Fix what was heard of a turn that is broken off, discarding what is unplayed."""
        if turn.playout is None and turn.begun:
            turn.playout = self._output.drop(turn.utterance_id)

    def take_said(self, *, broken_off: bool) -> str:
        """Return what the context is to hold of the turn since the last call; empty for nothing."""
        turn = self.turn
        if turn is None:
            return ""
        if broken_off:
            self.settle(turn)
            if not turn.stopped:
                turn.lost = True
        elif turn.playout is None:  # a tool is called in the middle of a turn
            said = turn.timeline.split(0.0, complete=True, first_segment=turn.recorded_segments).heard
            turn.recorded_segments = turn.timeline.segments_done
            return said
        turn.recorded = True
        text = turn.context_text()
        turn.recorded_segments = turn.timeline.segments_done
        return text

    async def make_room(self) -> None:
        """Return when the voice may make more: not too far ahead of what is being played."""
        await asyncio.sleep(0)  # a burst of words leaves the loop to others between any two
        while (turn := self.turn) is not None and turn.begun and not turn.stopped:
            heard_ms = self._output.playout(turn.utterance_id).heard_ms
            ahead_s = (turn.made_ms - heard_ms) / 1000 - self._settings.lead_limit_s
            if ahead_s <= 0:
                return
            await asyncio.sleep(max(ahead_s, _SHORTEST_WAIT_S))

    async def played_out(self, *, last: bool) -> bool:
        """Return when what was made of the turn was played; False where it was cut off instead.

        `last` says that no more will be made.
        """
        turn = self.turn
        if turn is None or turn.failed:
            return True
        if not last:
            return await self._heard_so_far(turn)
        self.finish_audio(turn)
        await turn.audio_ended.wait()
        playout = await self._output.wait_played_out(turn.utterance_id)
        if turn.cut is not None:
            return False
        if not playout.complete:
            turn.lose(LOST)
        turn.playout = playout
        return True

    async def _heard_so_far(self, turn: Turn) -> bool:
        self._end_audio(turn)
        await turn.caught_up.wait()
        while not turn.stopped:
            playout = self._output.playout(turn.utterance_id)
            left_s = (playout.generated_ms - playout.heard_ms) / 1000
            if left_s <= 0:
                return True
            await asyncio.sleep(max(left_s, _SHORTEST_WAIT_S))
        return False

    def _end_audio(self, turn: Turn) -> None:
        if turn.taken < turn.made:
            return
        turn.caught_up.set()
        if turn.generation_done and not turn.audio_ended.is_set():
            if turn.begun and not turn.stopped:
                self._output.end_utterance(turn.utterance_id)
            turn.audio_ended.set()


STAGE: ContextVar[Stage | None] = ContextVar("host_agent_stage", default=None)
"""The stage of the host whose run_live opens a connection: one model may serve several hosts."""

"""One voice agent over any ADK live model, which speaks only when granted and knows what was heard of it."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Self

from host_agent.brain import Brain
from host_agent.errors import HostNotRunningError, TurnInProgressError
from host_agent.model_errors import single
from host_agent.models import agent_of
from host_agent.settings import HostSettings
from host_agent.states import Cause
from host_agent.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from google.adk.agents.llm_agent import LlmAgent
    from google.adk.models.base_llm import BaseLlm
    from google.adk.sessions.base_session_service import BaseSessionService

    from host_agent.live_input import LiveInput
    from host_agent.ports import FloorGrant, Prompt, Record, SpeechOutput, TurnResult
    from host_agent.states import HostState
    from host_agent.turn import Cut
    from host_agent.words import Words
    from streams.vocabulary import Playout


class UniversalHostAgent:
    """Keeps an ADK live session open and speaks through `output` when told to, one turn at a time.

    Give either an `agent`, or a `model` (HeardCascadeLive, a Gemini live model's name or instance) with an
    `instruction`. Its model hears people through `queue` and the `on_...` calls: all of them are synchronous,
    never block, and belong to the event loop's thread. Use it by `async with`, or run `run()` in a TaskGroup.

    Sessions are kept by `session_service`; in memory by default. `clock` counts seconds and must be the one
    that the output's cuts are timed by.
    """

    def __init__(
        self,
        agent: LlmAgent | None = None,
        *,
        name: str,
        model: str | BaseLlm | None = None,
        instruction: str = "",
        output: SpeechOutput,
        record: Record,
        session_service: BaseSessionService | None = None,
        settings: HostSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        user_id: str = "swarm",
        session_id: str | None = None,
    ) -> None:
        """Set up; nothing is opened yet.

        Raises:
            ModelSettingError: neither an agent nor a model was given, or ADK knows no such model.
        """
        self._name = name
        self._settings = settings or HostSettings()
        self._output = output
        self._brain = Brain(
            agent or agent_of(name, model, instruction),
            name=name,
            output=output,
            record=record,
            session_service=session_service,
            settings=self._settings,
            clock=clock,
            user_id=user_id,
            session_id=session_id or f"{name}-{uuid.uuid4().hex[:12]}",
        )
        self._running = False
        self._tasks: asyncio.TaskGroup | None = None
        self._run: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def state(self) -> HostState:
        return self._brain.diary.state

    @property
    def queue(self) -> LiveInput:
        """The model's input: activity signals and audio. Stays the same whatever becomes of the session."""
        return self._brain.live_input

    @property
    def session_id(self) -> str:
        """Under this id the session service keeps the conversation."""
        return self._brain.session_id

    @property
    def saying(self) -> tuple[str, str]:
        """What was heard of the present turn by now, and all that was made of it; empty between turns."""
        turn = self._brain.turn
        if turn is None or not turn.begun:
            return "", ""
        playout = self._output.playout(turn.utterance_id)
        return turn.timeline.split(playout.heard_ms).heard, turn.timeline.generated_text

    async def __aenter__(self) -> Self:
        self._tasks = await asyncio.TaskGroup().__aenter__()
        self._run = self._tasks.create_task(self.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._tasks is not None
        assert self._run is not None
        self._run.cancel()
        if not isinstance(error, asyncio.CancelledError):
            kind = error = trace = None  # it belongs to the body, which raises it as it is
        try:
            await self._tasks.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            raise single(group) from group

    async def opened(self) -> None:
        """Return when a model session is being opened: what is sent from then on reaches it."""
        await self._brain.live.opened.wait()

    async def run(self) -> None:
        """Keep the model session open until cancelled.

        Raises:
            ModelSettingError: a setting of the model is wrong, named in one line.
            ModelUnavailableError: the model's service does not answer, or ends the session again and again.
        """
        self._running = True
        try:
            await self._brain.run()
        finally:
            self._running = False

    async def speak(self, grant: FloorGrant, prompt: Prompt) -> TurnResult:
        """Say one turn under `grant` and return when it was played out, cut off, or failed.

        With an empty `prompt.text` the turn answers the person in the activity window that was announced or
        opened before; where nothing was understood, the agent asks again. Cancelling ends the turn unheard.

        Raises:
            HostNotRunningError: the model session is not kept open.
            TurnInProgressError: the turn before has not ended.
        """
        brain = self._brain
        if not self._running:
            raise HostNotRunningError(self._name)
        if brain.turn is not None:
            raise TurnInProgressError(host=self._name, utterance_id=brain.turn.utterance_id)
        turn = Turn(utterance_id=f"{self._name}-{uuid.uuid4().hex[:12]}", grant=grant, prompt=prompt)
        if not grant.valid():
            turn.failed = "the grant had ended before the turn began"
            return turn.result()
        brain.begin(turn)
        try:
            async with asyncio.timeout(self._settings.turn_limit_s):
                await self._say(turn)
        except TimeoutError:
            brain.give_up(turn, "the turn did not end in time")
        except asyncio.CancelledError:
            brain.abandon(turn)
            raise
        finally:
            brain.end(turn)
        return turn.result()

    async def _say(self, turn: Turn) -> None:
        await self._brain.quiet.wait()
        await self._brain.prompts.give(turn)
        await turn.model_ended.wait()
        if turn.stopped:
            return
        playout = await self._output.wait_played_out(turn.utterance_id)
        await asyncio.sleep(0)  # a cut reported in the same step goes before
        if not turn.stopped:
            self._brain.played_out(turn, playout)

    # What the adapter and the swarm tell.

    def on_cut(self, cut: Cut) -> None:
        """The output cut an utterance off for good."""
        self._brain.on_cut(cut)

    def stop_generation(self) -> None:
        """Stop what the model still makes of a turn that was cut off, now. Harmless otherwise."""
        self._brain.stage.stop_reasoning()

    def stop_voice(self) -> None:
        """Drop what the voice made of a turn that was cut off and nobody took. Harmless otherwise."""
        self._brain.stage.stop_voice()

    def on_window_opened(self, speech_id: str) -> None:
        """The open window, or the one that opens next, carries this speech."""
        self._brain.live_input.announce(speech_id)
        self._brain.diary.move(Cause.WINDOW_OPENED)

    def on_window_closed(self) -> None:
        """The window has ended; the queue was told by activity_end."""

    def on_words(self, words: Words) -> None:
        """The process's recogniser has words, final or not, of a speech."""
        self._brain.words.told(words)

    def on_speech_ended(self, _event: object = None) -> None:
        """END_OF_SPEECH of a person."""
        self._brain.diary.move(Cause.SPEECH_ENDED)

    def on_turn_given_to_another(self) -> None:
        """Another agent answers what this one's model may have heard: it stays in the context, unanswered."""
        self._brain.given_away()

    def on_first_audio(self, utterance_id: str, at_s: float) -> None:
        """The first audio of an utterance went out."""

    def on_resumed(self, resumed: object) -> None:
        """A held utterance goes on: for the model nothing has happened."""

    def on_played_out(self, utterance_id: str, playout: Playout) -> None:
        """An utterance was played to its end; `speak` waits for that by itself."""

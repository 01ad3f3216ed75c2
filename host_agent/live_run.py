"""Keeps one ADK run_live open: starts it, reopens it with the repaired history, gives up in the end.

A run that is left behind is cancelled and ends in the background; its events are ignored from that moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import sys
from typing import TYPE_CHECKING

from google.adk.agents.live_request_queue import LiveRequestQueue
from google.adk.agents.run_config import RunConfig
from google.adk.apps.app import App
from google.adk.runners import Runner
from google.genai import types

from host_agent.errors import HostError, ModelUnavailableError
from host_agent.model_errors import explain, one_line
from host_agent.stage import STAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.adk.agents.llm_agent import LlmAgent
    from google.adk.events.event import Event
    from google.adk.sessions.base_session_service import BaseSessionService

    from host_agent.live_input import LiveInput
    from host_agent.rewind import HeardTruth
    from host_agent.settings import HostSettings
    from host_agent.stage import Stage

_log = logging.getLogger(__name__)
_LOADED_LATE = (
    "google.adk.live._runner_utils",
    "google.adk.live._live_llm_flow",
    "google.adk.flows.llm_flows.auto_flow",
    "google.adk.workflow._workflow",
)
"""What ADK imports at the first run_live: more than a second in which the loop would stand still."""
_LASTED_S = 10.0
"""A run that lasted so long was a good one: attempts are counted anew."""


class LiveRun:
    """One host's model session, over as many run_live calls as it takes."""

    def __init__(
        self,
        agent: LlmAgent,
        *,
        app_name: str,
        user_id: str,
        session_id: str,
        session_service: BaseSessionService,
        truth: HeardTruth,
        live_input: LiveInput,
        stage: Stage,
        settings: HostSettings,
        clock: Callable[[], float],
        on_event: Callable[[Event], None],
        on_opened: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._runner = Runner(
            app=App(name=app_name, root_agent=agent, plugins=[truth]), session_service=session_service
        )
        self._app_name = app_name
        self._user_id = user_id
        self._session_id = session_id
        self._sessions = session_service
        self._truth = truth
        self._input = live_input
        self._stage = stage
        self._settings = settings
        self._clock = clock
        self._on_event = on_event
        self._on_opened = on_opened
        self._on_lost = on_lost
        self._model = str(getattr(agent.model, "model", agent.model))
        self._outcomes: asyncio.Queue[BaseException | None] = asyncio.Queue(1)
        self._runs: set[asyncio.Task[None]] = set()
        self._current: object | None = None
        self._fatal: HostError | None = None
        self.opened = asyncio.Event()
        """A run_live was started; what is sent from now on reaches it."""

    def reopen(self) -> None:
        """Leave the present session and open another with the history as it is then. Again is harmless."""
        if self._current is not None:
            self._leave(None)

    def fail(self, error: HostError) -> None:
        """End `run` with `error`: the model cannot be used."""
        self._fatal = error
        if self._current is not None:
            self._leave(error)

    def _leave(self, outcome: BaseException | None) -> None:
        self._current = None
        self.opened.clear()
        self._outcomes.put_nowait(outcome)

    async def run(self) -> None:
        """Keep a session open until cancelled.

        Raises:
            HostError: a setting of the model is wrong, or its service stays away.
        """
        STAGE.set(self._stage)
        if not sys.modules.keys() >= set(_LOADED_LATE):
            await asyncio.to_thread(load_adk)
        await self._ensure_session()
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._keep_open(tasks)
            finally:
                await self._end_runs()
        assert self._fatal is not None
        raise self._fatal

    async def _keep_open(self, tasks: asyncio.TaskGroup) -> None:
        failures = 0
        while self._fatal is None:
            begun_s = self._clock()
            task = self._open(tasks)
            outcome = await self._outcomes.get()
            task.cancel()
            if outcome is not None:
                failures = 0 if self._clock() - begun_s > _LASTED_S else failures + 1
                await self._after_failure(outcome, failures)
            await self._truth.settled(self._settings.close_limit_s)

    async def _end_runs(self) -> None:
        """End what is open and what is still closing; a service may take long over a goodbye."""
        self._current = None
        for task in self._runs:
            task.cancel()
        if self._runs:
            _, late = await asyncio.wait(self._runs, timeout=self._settings.close_limit_s / 2)
            for task in late:
                task.cancel()

    async def _after_failure(self, error: BaseException, failures: int) -> None:
        if (fatal := explain(error, self._model)) is not None:
            raise fatal from error
        if failures >= self._settings.reopen_attempts:
            raise ModelUnavailableError(self._model, one_line(error), attempts=failures) from error
        self._on_lost(one_line(error))
        if failures > 1:
            await asyncio.sleep(self._settings.reopen_backoff_s * 2 ** (failures - 2))

    def _open(self, tasks: asyncio.TaskGroup) -> asyncio.Task[None]:
        queue = LiveRequestQueue()
        self._stage.connection = None
        self._on_opened()
        self._input.bind(queue)
        mark = self._current = object()
        self.opened.set()
        task = tasks.create_task(self._drive(queue, mark))
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)
        return task

    async def _drive(self, queue: LiveRequestQueue, mark: object) -> None:
        outcome: BaseException
        try:
            events = self._runner.run_live(
                user_id=self._user_id,
                session_id=self._session_id,
                live_request_queue=queue,
                run_config=_run_config(),
            )
            async with contextlib.aclosing(events):
                async for event in events:
                    if self._current is not mark:
                        return
                    self._on_event(event)
            outcome = ConnectionError("the model's service ended the session")
        except Exception as error:  # whatever ADK or a model raises ends this session, not the host
            if self._current is not mark:
                _log.info("host.left_session_failed", extra={"error": one_line(error)})
                return
            outcome = error
        if self._current is mark:
            self._leave(outcome)

    async def _ensure_session(self) -> None:
        app, user, session = self._app_name, self._user_id, self._session_id
        try:
            if await self._sessions.get_session(app_name=app, user_id=user, session_id=session) is None:
                await self._sessions.create_session(app_name=app, user_id=user, session_id=session)
        except HostError:
            raise
        except Exception as error:
            raise ModelUnavailableError(
                self._model, f"session service: {one_line(error)}", attempts=1
            ) from error


def load_adk() -> None:
    """Import what ADK would import at its first live run. Slow the first time: not on the event loop."""
    for name in _LOADED_LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _run_config() -> RunConfig:
    return RunConfig(
        response_modalities=[types.Modality.AUDIO],
        output_audio_transcription=types.AudioTranscriptionConfig(),
        input_audio_transcription=types.AudioTranscriptionConfig(),
        realtime_input_config=types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(disabled=True),
            activity_handling=types.ActivityHandling.START_OF_ACTIVITY_INTERRUPTS,
        ),
    )

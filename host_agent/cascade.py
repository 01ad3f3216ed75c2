"""ADK's CascadeLive, fed by what was really played and by the grant.

Stock CascadeLive takes the wall clock for the playout and answers every person it hears. Here the heard text
and the end of a turn come from the playout ledger, a model call waits for the floor, and each activity window
becomes exactly one person's turn in bounded time. This is the one file that touches private names of ADK's
cascade; tests/host_agent/test_cascade_contract.py fails when they change.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections import deque
from typing import TYPE_CHECKING, Any

from google.adk.features import FeatureName, is_feature_enabled
from google.adk.live import CascadeLive, LiveEgress, LiveIngress, UserTurnFinished
from google.adk.live import _cascade_live_connection as stock
from google.adk.models.llm_response import LlmResponse
from google.genai import types

from host_agent.audio import duration_ms, rate_hz
from host_agent.errors import ModelSettingError
from host_agent.stage import STAGE
from host_agent.transforms import WINDOW, OneTurn, Paced, SharedTranscripts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from google.adk.live import IngressEvent
    from google.adk.models.base_llm import BaseLlm
    from google.adk.models.base_llm_connection import BaseLlmConnection, RealtimeInput
    from google.adk.models.llm_request import LlmRequest

    from host_agent.stage import Stage
    from host_agent.words import Window

with warnings.catch_warnings():
    # ADK warns once that CascadeLive is experimental: here its version is pinned and its seams are tested.
    warnings.simplefilter("ignore", UserWarning)
    is_feature_enabled(FeatureName.CASCADE_LIVE)

_LISTENING = stock._State.LISTENING  # pyright: ignore[reportPrivateUsage] - ADK exports no name for it
_SILENCE = types.Blob(data=bytes(320), mime_type="audio/pcm;rate=16000")


class HeardCascadeLive(CascadeLive):
    """A live model of speech-to-text, text model and voice that knows what was heard of it.

    `model` is a text model's name or instance, `stt` any LiveIngress (by default the words that the host is
    told), `tts` any LiveEgress that reports text after its audio, best word by word. Runs under
    UniversalHostAgent only; one instance may serve several hosts.
    """

    def __init__(
        self, model: str | BaseLlm, *, tts: LiveEgress, stt: LiveIngress | None = None, **data: Any
    ) -> None:
        super().__init__(model, stt=stt or SharedTranscripts(), tts=tts, **data)

    def resolve(self) -> BaseLlm:
        """Return the text model.

        Raises:
            ValueError: no such model is known.
        """
        return self._resolve_llm()

    @contextlib.asynccontextmanager
    async def connect(self, llm_request: LlmRequest) -> AsyncGenerator[BaseLlmConnection, None]:
        """Open a connection on the stage of the host that runs it.

        Raises:
            ModelSettingError: no host runs it.
        """
        if (stage := STAGE.get()) is None:
            raise ModelSettingError(
                "model", "HeardCascadeLive needs a host's playout ledger", cure="Run it by UniversalHostAgent"
            )
        connection = HeardCascadeConnection(llm_request, self._resolve_llm(), self.stt, self.tts, stage)
        try:
            yield connection
        finally:
            stage.detach(connection)
            await connection.close()


class HeardCascadeConnection(stock.CascadeLiveConnection):
    """A cascade connection that asks its stage what was heard and whether it may reason."""

    def __init__(
        self, llm_request: LlmRequest, llm: BaseLlm, stt: LiveIngress, tts: LiveEgress, stage: Stage
    ) -> None:
        self._stage = stage
        self._wanted = False
        self._unanswered_at: int | None = None
        self._window: Window | None = None
        self._expected: Window | None = None
        self._heard_windows: deque[Window] = deque()
        self._resolving: Window | None = None
        self._limits: dict[int, asyncio.Timeout] = {}
        super().__init__(llm_request, llm, OneTurn(stt, self), Paced(tts, stage))
        stage.attach(self)

    # Ingress: one activity window, one person's turn.

    async def send_realtime(self, blob: RealtimeInput) -> None:
        """Take activity signals and audio; audio outside a window is dropped."""
        match blob:
            case types.ActivityStart():
                self._window = self._window or self._stage.take_window()
            case types.ActivityEnd():
                await self._end_window()
                return
            case types.Blob():
                if self._window is None:
                    return
                self._expect(self._window)
            case _:
                pass
        await super().send_realtime(blob)

    def _expect(self, window: Window) -> None:
        if window is not self._expected:
            self._expected = window
            self._heard_windows.append(window)

    async def _end_window(self) -> None:
        window, self._window = self._window, None
        if window is None:
            return
        if window.speech_ids and not window.carried_audio:
            self._expect(window)
            await self._audio_in.put(_SILENCE)
        if not (window.speech_ids or window.carried_audio):
            self._stage.window_resolved(window, "")
            return
        if (limit := self._limits.get(id(window))) is not None:
            self._start_clock(limit)
        await self._audio_in.put(None)

    def _start_clock(self, limit: asyncio.Timeout) -> None:
        limit.reschedule(asyncio.get_running_loop().time() + self._stage.words_limit_s)

    @contextlib.asynccontextmanager
    async def resolving(self) -> AsyncGenerator[None, None]:
        """Bound the recognition of the next window: its clock starts when the window has ended."""
        window = self._heard_windows.popleft()
        self._resolving = window
        WINDOW.set(window)
        async with asyncio.timeout(None) as limit:
            self._limits[id(window)] = limit
            if window is not self._window:
                self._start_clock(limit)
            try:
                yield
            finally:
                del self._limits[id(window)]

    def told(self) -> str:
        """Return what the process's recogniser says of the window that is being resolved."""
        return self._resolving.text if self._resolving is not None else ""

    async def deliver(self, event: IngressEvent) -> None:
        """Pass an interim transcript on."""
        await self._on_ingress_event(event)

    async def _on_user_turn_finished(self, event: UserTurnFinished) -> None:
        window, self._resolving = self._resolving, None
        if window is None:
            return
        text = event.text.strip()
        if not text:
            self._stage.window_resolved(window, "")
            return
        if self._unanswered_at is None:
            self._unanswered_at = len(self._contents)
        self._stage.window_resolved(window, text)
        await super()._on_user_turn_finished(UserTurnFinished(text=text))

    # Reasoning: only with the floor.

    async def send_content(self, content: types.Content) -> None:
        """Take a prompt or a tool's result; what others said goes before words that are still unanswered."""
        at = self._unanswered_at if self._stage.context_goes_first else None
        self._contents.insert(len(self._contents) if at is None else at, content)
        self._start_reasoning()

    def _start_reasoning(self) -> None:
        self._wanted = True
        self.proceed()

    def want(self) -> None:
        """There is input that asks for an answer."""
        self._wanted = True

    def proceed(self) -> None:
        """Begin to reason if there is input for it and the floor was granted."""
        if self._wanted and not self._closed and self._stage.may_reason():
            self._wanted = False
            self._unanswered_at = None
            self._stage.reasoning_started()
            super()._start_reasoning()

    def stop_reasoning(self) -> None:
        """Generate no more of a turn that was cut off; the activity_start behind it settles the rest."""
        if self._turn is not None and not self._turn.done():
            self._turn.cancel()

    def stop_voice(self) -> None:
        """Say no more of it, and drop what was made of it and not yet received."""
        self._cancel.set()
        for _ in range(self._out.qsize()):
            response = self._out.get_nowait()
            if not _is_speech(response):
                self._out.put_nowait(response)

    async def _stream_text(self) -> AsyncGenerator[str, None]:
        try:
            async with contextlib.aclosing(super()._stream_text()) as deltas:
                async for delta in deltas:
                    self._stage.text_generated(delta)
                    yield delta
        except Exception as error:
            self._stage.model_error = error
            raise

    # Truth: what was played, by the ledger.

    async def _on_speech_started(self, event: Any) -> None:
        if self._state is _LISTENING and self._input_ready.is_set():
            # A turn was asked for and its task has not run yet: stock code would overlook the barge-in.
            self._input_ready.clear()
            self._record_spoken(heard_only=True)
            self._emit(LlmResponse(interrupted=True))
            return
        await super()._on_speech_started(event)

    async def _await_playback(self) -> None:
        if not await self._stage.played_out(last=self._pending_function_call is None):
            # Cut off: the activity_start that ends this turn is on its way.
            await self._cancel.wait()

    def _record_spoken(self, *, heard_only: bool) -> None:
        self._spoken_marks = []
        if not (text := self._stage.take_said(broken_off=heard_only)):
            return
        self._contents.append(types.Content(role="model", parts=[types.Part(text=text)]))
        self._emit(
            LlmResponse(output_transcription=types.Transcription(text=text, finished=True), partial=False)
        )

    def _emit(self, response: LlmResponse) -> None:
        if not self._closed:
            if response.partial and response.output_transcription is not None:
                self._stage.gave(0.0)
            for part in (response.content.parts if response.content is not None else None) or ():
                if (blob := part.inline_data) is not None:
                    size = len(blob.data or b"")
                    self._stage.gave(duration_ms(size, rate_hz(blob.mime_type or "")))
        super()._emit(response)


def _is_speech(response: Any) -> bool:
    """Whether it is a piece of an answer's audio, or the words that go with one."""
    if not isinstance(response, LlmResponse):
        return False
    parts = (response.content.parts if response.content is not None else None) or ()
    words = response.partial and response.output_transcription is not None
    return bool(words) or any(part.inline_data is not None for part in parts)

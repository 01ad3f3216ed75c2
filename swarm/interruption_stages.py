"""The stages of one agent that an interruption passes: gate, model, voice, playout. Each empties its queue.

The gate silences the agent by itself in the callback of a person's speech. These stages give everybody else
the same way in, by a frame, and see to it that nothing waits in any stage afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.interruption import BaseProcessor, Pipeline, PipelineTask, PipelineTaskConfig
from streams.vocabulary import Decision, ParticipantKind, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.livekit_adapter import LiveKitAdapter
    from host_agent.interruption import InterruptionFrame
    from host_agent.universal_host_agent import UniversalHostAgent

__all__ = (
    "GateStage",
    "InterruptionStages",
    "ModelStage",
    "PlayoutStage",
    "VoiceStage",
)


class GateStage(BaseProcessor):
    """Falls silent: what the transport holds and what waits to be played is cut, and the model is told."""

    def __init__(self, silence: Callable[[InterruptionFrame], None]) -> None:
        super().__init__()
        self._silence = silence

    def clear(self, frame: InterruptionFrame) -> None:
        super().clear(frame)
        self._silence(frame)


class ModelStage(BaseProcessor):
    """Stops the generation in progress; what the session has made of it and nobody took is dropped."""

    def __init__(self, host: UniversalHostAgent) -> None:
        super().__init__()
        self._host = host

    def clear(self, frame: InterruptionFrame) -> None:
        super().clear(frame)
        self._host.stop_generation()


class VoiceStage(BaseProcessor):
    """Stops the voice; what it has made and nobody took is dropped."""

    def __init__(self, host: UniversalHostAgent) -> None:
        super().__init__()
        self._host = host

    def clear(self, frame: InterruptionFrame) -> None:
        super().clear(frame)
        self._host.stop_voice()


class PlayoutStage(GateStage):
    """Drops what is unplayed all the same: of an utterance that began while the interruption came down."""


class InterruptionStages:
    """One agent's stages in their order, under one task. For the event loop's thread.

    Any stage may ask for an interruption by `push_interruption_task_frame()`, which is dropped where
    interruptions are switched off. `is_person` tells by name who is behind one.
    """

    def __init__(
        self,
        adapter: LiveKitAdapter,
        host: UniversalHostAgent,
        *,
        config: PipelineTaskConfig | None = None,
        is_person: Callable[[str], bool] = bool,
    ) -> None:
        self._adapter = adapter
        self._is_person = is_person
        self._silent = False
        self.gate = GateStage(self._silence)
        self.model = ModelStage(host)
        self.voice = VoiceStage(host)
        self.playout = PlayoutStage(self._silence)
        self.task = PipelineTask(Pipeline([self.gate, self.model, self.voice, self.playout]), config)
        self.task.start()

    def cut(self, by: str, reason: str) -> None:
        """The gate has cut the agent off by itself: what waits behind it goes too."""
        was_silent, self._silent = self._silent, True
        try:
            self.task.interrupt(by=by, reason=reason)
        finally:
            self._silent = was_silent

    def _silence(self, frame: InterruptionFrame) -> None:
        if not self._silent:
            kind = ParticipantKind.PERSON if self._is_person(frame.by) else ParticipantKind.AGENT
            self._adapter.cut(frame.by, kind, Verdict(Decision.INTERRUPT, frame.reason))

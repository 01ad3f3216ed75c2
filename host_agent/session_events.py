"""The events of a model session, in their order, and what each means for the turn. Only enqueues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.audio import rate_hz
from host_agent.model_errors import explain, one_line

if TYPE_CHECKING:
    from google.adk.events.event import Event

    from host_agent.brain import Brain


class SessionEvents:
    """Reads ADK's events for a brain. Audio and text of no living turn are dropped or kept apart."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain

    def take(self, event: Event) -> None:
        """Act on one event; never waits."""
        brain = self._brain
        parts = event.content.parts if event.content else None
        for part in parts or ():
            blob = part.inline_data
            if blob is not None and blob.data and (blob.mime_type or "").startswith("audio/"):
                self._audio(blob.data, rate_hz(blob.mime_type or ""))
        said, asked = event.output_transcription, event.input_transcription
        if said is not None and event.partial and said.text:
            self._text(said.text)
        if asked is not None and asked.finished and brain.is_native:
            brain.live_input.resolve()
        if event.interrupted:
            brain.on_interrupted()
        if event.error_code:
            self._error(event.error_message or event.error_code)
        if event.turn_complete:
            self._complete(interrupted=bool(event.interrupted))
        if (usage := event.usage_metadata) is not None:
            brain.diary.used(
                input_tokens=usage.prompt_token_count or 0, output_tokens=usage.candidates_token_count or 0
            )

    def _audio(self, pcm: bytes, sample_rate_hz: int) -> None:
        brain, turn = self._brain, self._brain.turn
        if not brain.quiet.is_set():
            return  # the rest of a turn that was cut off
        if turn is not None and turn.ready:
            brain.native.on_output(turn)
            brain.take_audio(turn, pcm, sample_rate_hz)
        else:
            brain.native.on_early_audio(pcm, sample_rate_hz)

    def _text(self, text: str) -> None:
        brain, turn = self._brain, self._brain.turn
        if not brain.quiet.is_set():
            return
        if turn is None or not turn.ready:
            brain.native.on_early_text(text)
        elif not turn.stopped:
            brain.native.on_output(turn)
            turn.timeline.add_text(text)
            brain.stage.took(turn)

    def _complete(self, *, interrupted: bool) -> None:
        brain, turn = self._brain, self._brain.stage.turn
        if brain.native.take_trailing_complete(interrupted=interrupted):
            return
        brain.acknowledged()
        if turn is not None and turn.model_open:
            brain.model_complete(turn)
        else:
            brain.native.on_early_complete()

    def _error(self, message: str) -> None:
        brain, turn = self._brain, self._brain.turn
        error = brain.stage.model_error
        if turn is not None:
            turn.failed = turn.failed or (one_line(error) if error is not None else message)
            brain.stage.settle(turn)
        if error is not None and (fatal := explain(error, brain.model_name)) is not None:
            brain.live.fail(fatal)

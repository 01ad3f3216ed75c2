"""What a native model needs beyond a cascade: it answers ungranted, and it remembers what was unheard.

An answer without a grant is kept until its host is granted the floor for it. What the open session believes
to have said and nobody heard is put right by a new session with the repaired history, or by a note with the
next prompt: `HostSettings.native_rewind`, docs/decisions/0004-heard-truth.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.marker import mark_interrupted
from host_agent.native import NOT_SAID, EarlyAnswer, Sound
from host_agent.prompts import correction, heard_lines, turn_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from host_agent.brain import Brain
    from host_agent.turn import Turn


class NativeSide:
    """The native part of one host's brain; idle where the model is a cascade."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain
        self._early = EarlyAnswer(limit_s=brain.settings.unclaimed_limit_s)
        self._early_flushed = False
        self._note = ""
        self._untold: list[tuple[str, str]] = []
        self._trailing = False

    # An answer that comes before its grant.

    def on_early_audio(self, pcm: bytes, sample_rate_hz: int) -> None:
        """Audio came that belongs to no granted turn: a native model's may be claimed yet."""
        if not self._brain.is_native:
            return
        self._early.add(Sound(pcm, sample_rate_hz))
        self._brain.words.wake()

    def on_early_text(self, text: str) -> None:
        if self._brain.is_native:
            self._early.add(text)

    def on_early_complete(self) -> None:
        self._early.complete = True

    def claim(self, turn: Turn) -> None:
        """Say what was kept, as the answer of this turn."""
        if not self._early:
            return
        self.on_output(turn)
        parts, complete = self._early.take()
        for part in parts:
            if isinstance(part, Sound):
                self._brain.take_audio(turn, part.pcm, part.sample_rate_hz)
            elif not turn.stopped:
                turn.timeline.add_text(part)
        self._early_flushed = False
        if complete and not turn.stopped:
            self._brain.model_complete(turn)

    def on_output(self, turn: Turn) -> None:
        """The model answers this turn."""
        if not self._brain.is_native:
            return
        self._trailing = False
        if not turn.answered:
            turn.answered = True
            self._brain.live_input.resolve()
            self._brain.words.wake()

    async def clear_for_prompt(self) -> None:
        """Have no unsaid answer in the way of a prompt by text."""
        if self._early or self._early_flushed:
            self._forget_unsaid()
            await self._brain.live.opened.wait()

    def given_away(self) -> None:
        """Somebody else answers the person: what was kept, or still comes, is not said."""
        window = self._brain.live_input.pending
        if self._early or self._early_flushed or (window is not None and window.ended):
            self._forget_unsaid()

    def _forget_unsaid(self) -> None:
        self._early.forget()
        self._early_flushed = False
        self._brain.live_input.resolve()
        self._brain.truth.add(self._brain.agent_name, "model", NOT_SAID)
        self._brain.live.reopen()

    # What the session persists and believes.

    def on_final(self, text: str, timestamp: float) -> str:
        """Return what a final transcription of the model may say in the persisted session."""
        turn = self._brain.stage.turn
        if turn is None or not (turn.answered or turn.timeline.has_audio) or self._early:
            self._early_flushed = True
            return ""
        if not turn.stopped:
            if not turn.timeline.reported_text:
                turn.timeline.add_text(text)
            turn.flushed.append((timestamp, text))
            turn.recorded = True
            return text
        flushed = sum(len(said.split()) for _, said in turn.flushed)
        heard = " ".join(turn.heard().heard.split()[flushed:])
        turn.recorded = True
        if turn.cut is None and not heard:
            return ""
        return mark_interrupted(heard, turn.who_cut)

    def rewind(self, turn: Turn) -> None:
        """The open session believes more than was heard: put it right."""
        split = turn.heard()
        if not turn.timeline.has_audio or not split.unheard.strip():
            return
        if self._brain.settings.native_rewind == "reconnect":
            self._brain.live.reopen()
        else:
            self._note = correction(split.heard, split.unheard)

    def on_interrupted(self) -> None:
        """The session has ended an answer; an unsaid one is void."""
        self._trailing = True
        self._early.forget()

    def take_trailing_complete(self, *, interrupted: bool) -> bool:
        """Return whether a turn_complete belongs to the answer that was interrupted before."""
        trailing, self._trailing = self._trailing or interrupted, False
        return trailing and self._brain.is_native

    # What the model is told.

    def tell(self, heard: Sequence[tuple[str, str]]) -> None:
        """Tell what others said without asking for an answer: at once where the session rests, else later."""
        self._untold.extend(heard)
        lines = heard_lines(self._untold)
        if (
            not lines
            or self._early
            or self._brain.live_input.pending is not None
            or not self._brain.takes_partial
        ):
            return
        self._untold.clear()
        self._brain.live_input.send_text(lines, partial=True)
        self._brain.truth.add("user", "user", lines)

    def turn_text(self, turn: Turn) -> str:
        """Return the content that begins a turn by text, with all that was put off."""
        note, self._note = self._note, ""
        heard, self._untold = (*self._untold, *turn.prompt.heard), []
        return turn_text(heard, turn.prompt.text, note=note)

    def session_opened(self) -> None:
        """The session is a new one, with the right history."""
        self._note = ""
        self._trailing = False
        self._early.forget()

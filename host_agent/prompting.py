"""How a granted turn gets its prompt: from text, or from the window in which a person spoke."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from host_agent.prompts import NOT_UNDERSTOOD, heard_lines, turn_text

if TYPE_CHECKING:
    from host_agent.brain import Brain
    from host_agent.turn import Turn


class Prompting:
    """Gives the model what begins a turn. With a cascade that is what lets it reason."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain

    async def give(self, turn: Turn) -> None:
        """Give `turn` its prompt and let the model go. Returns early when the turn was cut meanwhile."""
        brain = self._brain
        await brain.live.opened.wait()
        if turn.stopped:
            return
        brain.begin_audio(turn)
        if brain.is_native:
            await self._native(turn)
        else:
            await self._cascade(turn)

    async def _cascade(self, turn: Turn) -> None:
        brain, stage = self._brain, self._brain.stage
        by_window = not turn.prompt.text.strip()
        understood = await self._window_words(turn, wanted=by_window)
        if turn.stopped:
            return
        brain.ready(turn)
        lines = heard_lines(turn.prompt.heard)
        if not (by_window and understood):
            task = NOT_UNDERSTOOD if by_window else turn.prompt.text
            brain.live_input.send_text(turn_text(turn.prompt.heard, task))
        elif lines:
            stage.context_goes_first = True
            brain.live_input.send_text(lines)
        elif stage.connection is not None:
            stage.connection.proceed()

    async def _window_words(self, turn: Turn, *, wanted: bool) -> bool:
        """Wait until the windows so far are in the context, and `wanted` words among them. False without."""
        brain, stage, settings = self._brain, self._brain.stage, self._brain.settings
        while not turn.stopped:
            pending = brain.live_input.pending is not None
            if not pending and (stage.unanswered or stage.not_understood or not wanted):
                break
            limit_s = settings.first_audio_limit_s if pending and wanted else settings.window_limit_s
            try:
                async with asyncio.timeout(limit_s):
                    await brain.words.changed()
            except TimeoutError:
                break
        return stage.unanswered

    async def _native(self, turn: Turn) -> None:
        brain, settings = self._brain, self._brain.settings
        if turn.prompt.text.strip():
            await brain.native.clear_for_prompt()
            if not turn.stopped:
                brain.ready(turn)
                brain.live_input.send_text(brain.native.turn_text(turn))
            return
        brain.native.tell(turn.prompt.heard)
        brain.ready(turn)
        brain.native.claim(turn)
        while not (turn.answered or turn.stopped):
            expected = brain.live_input.pending is not None or brain.live_input.announced
            limit_s = settings.first_audio_limit_s / 2 if expected else settings.window_limit_s
            try:
                async with asyncio.timeout(
                    settings.turn_limit_s if brain.live_input.window_open else limit_s
                ):
                    await brain.words.changed()
            except TimeoutError:
                brain.live_input.send_text(turn_text((), NOT_UNDERSTOOD))
                return

"""What follows a turn: the persisted session is put right, and the record is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from host_agent.model_errors import one_line
from host_agent.reports import interruption, utterance
from host_agent.rewind import repairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from host_agent.diary import Diary
    from host_agent.rewind import HeardTruth
    from host_agent.turn import Turn


class Afterwards:
    """Writes down what was heard of a turn, once."""

    def __init__(
        self, *, agent_name: str, truth: HeardTruth, diary: Diary, clock: Callable[[], float]
    ) -> None:
        self._agent_name = agent_name
        self._truth = truth
        self._diary = diary
        self._clock = clock

    def write(self, turn: Turn, *, interrupted_s: float | None = None) -> bool:
        """Remember and report `turn`, whose playout is settled; False where that was done before.

        `interrupted_s` is when the model confirmed a cut.
        """
        if turn.reported:
            return False
        turn.reported = True
        self._remember(turn)
        name = self._diary.name
        if (cut := turn.cut) is not None:
            event = interruption(name, turn, cut, interrupted_s=interrupted_s, now_s=self._clock())
            self._diary.report(event, turn, occurred_s=cut.gate_s)
        self._diary.report(utterance(name, turn), turn)
        if turn.timeline.accepted_ms > 0:
            self._diary.used(audio_out_s=turn.timeline.accepted_ms / 1000)
        return True

    async def repair(self) -> None:
        """Write corrections of the persisted session until cancelled; a failure is reported."""
        while True:
            try:
                await self._truth.run()
            except Exception as error:  # whatever a session service raises, the open session goes on
                why = f"the persisted session could not be corrected: {one_line(error)}"
                self._diary.failed(why, "only the open model session holds what was heard")

    def _remember(self, turn: Turn) -> None:
        if turn.stopped and turn.flushed:
            for repair in repairs(turn.flushed, turn.heard().heard, turn.who_cut):
                self._truth.replace(repair)
        elif not turn.recorded and turn.timeline.has_audio and (text := turn.context_text()):
            self._truth.add(self._agent_name, "model", text)

"""The agents of one process bid for a turn: each is asked how much it wants to speak, all at once."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from streams import events as ev
from streams.errors import StreamError
from swarm.allocation_bids import LONGEST_REASON, checked_bid
from swarm.allocation_scores import default_score
from swarm.errors import InvalidBidError, SwarmError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from host_agent.ports import Record
    from streams.events import Recorded
    from swarm.allocation import Candidate
    from swarm.allocation_scores import Heard, Scored, Scorer
    from swarm.bids import Bids
    from swarm.speech_notes import Turn

logger = logging.getLogger(__name__)

MAX_HEARD = 40


class Bidders:
    """Bids on behalf of this process's agents; `scorers` by agent, None for the default one.

    A scorer that fails, says what is no bid, or takes longer than the window costs its agent the bid;
    AGENT_FAILED says so.
    """

    def __init__(self, bids: Bids, scorers: Mapping[str, Scorer | None], record: Record) -> None:
        self._bids = bids
        self._scorers = dict(scorers)
        self._record = record
        self._heard: deque[tuple[str, str]] = deque(maxlen=MAX_HEARD)

    @property
    def heard(self) -> Heard:
        """What was said lately, the latest last."""
        return tuple(self._heard)

    def feed(self, entry: Recorded) -> None:
        """Take an event of the room: what was said is what scorers go by."""
        match entry.event:
            case ev.Utterance(participant=who, heard_text=text) if text:
                self._heard.append((who, text))
            case ev.Transcript(participant=who, text=text, final=True) if text:
                self._heard.append((who, text))
            case _:
                pass

    async def bid(self, turn: Turn, heard: Heard, agents: Sequence[Candidate], window_ms: int) -> None:
        """Have every agent of this process that is among `agents` bid for `turn`."""
        async with asyncio.TaskGroup() as tasks:
            for agent in agents:
                if agent.identity in self._scorers:
                    tasks.create_task(self._bid(turn, heard, agent, agents, window_ms))

    async def _bid(
        self, turn: Turn, heard: Heard, me: Candidate, agents: Sequence[Candidate], window_ms: int
    ) -> None:
        scorer = self._scorers[me.identity]
        try:
            if scorer is None:
                scored = default_score(turn.text, me, agents)
            else:
                scored = await _limited(scorer(turn.text, heard), window_ms)
            score, reason = _as_bid(me.identity, scored)
        except Exception as error:  # a scorer is a user's code: whatever it raises costs the bid and no more
            logger.warning("swarm.scorer_failed", extra={"agent": me.identity, "error": type(error).__name__})
            what = str(error) if isinstance(error, InvalidBidError) else f"scorer: {type(error).__name__}"
            failed = ev.AgentFailed(participant=me.identity, what=what, recovery="no bid")
            self._record.report(failed, source=me.identity)
            return
        try:
            await self._bids.bid(me.identity, turn.speech_id, score, reason, window_ms=window_ms)
        except (StreamError, SwarmError) as error:
            logger.info("swarm.bid_lost", extra={"agent": me.identity, "error": type(error).__name__})


async def _limited(scored: Scored | Awaitable[Scored], window_ms: int) -> Scored:
    if not inspect.isawaitable(scored):
        return scored
    async with asyncio.timeout(window_ms / 1000):
        return await scored


def _as_bid(participant: str, scored: Any) -> tuple[float, str]:
    try:
        score, reason = scored
    except (TypeError, ValueError) as error:
        what = "it is no (score, reason)"
        raise InvalidBidError(participant=participant, score=scored, what=what) from error
    return checked_bid(participant, score, reason[:LONGEST_REASON] if isinstance(reason, str) else reason)

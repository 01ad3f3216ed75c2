"""Waits for the bids of one turn: until all who may answer have bid, or the room's window is over."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from swarm.bids import StillOpen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events import Bid
    from swarm.allocation import Choice
    from swarm.bids import Bids

_KEPT = 64


class BidWindow:
    """Told of every BID of the room; `by` is the source of what it decides."""

    def __init__(self, bids: Bids, *, by: str) -> None:
        self._bids = bids
        self._by = by
        self._bidders: OrderedDict[str, set[str]] = OrderedDict()
        """Who has bid for the last turns."""
        self._came = asyncio.Event()

    def feed(self, bid: Bid) -> None:
        """Take note of a bid."""
        self._of(bid.turn_id).add(bid.participant)
        self._came.set()

    async def decision(self, turn: str, agents: Sequence[str], fallback: Choice, window_ms: int) -> Choice:
        """Return who of `agents` answers `turn`; `fallback` where none of them bids.

        Raises:
            StreamUnavailableError: Redis did not answer.
        """
        awaited: set[str] | None = set(agents)
        while True:
            outcome = await self._bids.decide(
                turn, agents, fallback=fallback, window_ms=window_ms, by=self._by
            )
            if not isinstance(outcome, StillOpen):
                return outcome
            try:
                async with asyncio.timeout((outcome.left_ms + 1) / 1000):
                    await self._all_bid(turn, awaited)
            except TimeoutError:
                continue
            awaited = None  # asked once is enough: what was still open then is open until the window is over

    async def _all_bid(self, turn: str, awaited: set[str] | None) -> None:
        while awaited is None or not self._of(turn).issuperset(awaited):
            self._came.clear()
            await self._came.wait()

    def _of(self, turn: str) -> set[str]:
        bidders = self._bidders.setdefault(turn, set())
        while len(self._bidders) > _KEPT:
            self._bidders.popitem(last=False)
        return bidders

"""Bids for a turn: what one is, which one wins. The specification of `lua/bids.lua`; no I/O.

A turn's bids are collected for a window. Each agent bids once; a bid after the window, or after the decision,
is late and changes nothing. The decision is made once: when every candidate has bid, or the window is over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from swarm.errors import InvalidBidError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

HIGHEST = 10.0
LONGEST_REASON = 300
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Offer:
    """One agent's bid for one turn."""

    participant: str
    score: float
    """0 to 10: how much it wants to speak."""
    reason: str
    at_us: int
    """When it came in, on Redis's clock."""


@dataclass(frozen=True, slots=True)
class Bidding:
    """The bids for one turn so far."""

    due_us: int
    """End of the window, on Redis's clock."""
    offers: tuple[Offer, ...] = ()
    """In time, in the order in which they came."""
    bidders: frozenset[str] = frozenset()
    """Everybody who bid, late ones too."""
    winner: str | None = None

    @classmethod
    def opened(cls, now_us: int, window_ms: int) -> Bidding:
        """Return the bidding for a turn that was not named before `now_us`."""
        return cls((now_us // 1000 + window_ms) * 1000)

    def bid(self, offer: Offer) -> tuple[Bidding, bool | None]:
        """Return what follows from a bid, and whether it counts; None where its agent has bid before."""
        if offer.participant in self.bidders:
            return self, None
        counts = self.winner is None and offer.at_us < self.due_us
        offers = (*self.offers, offer) if counts else self.offers
        return replace(self, offers=offers, bidders=self.bidders | {offer.participant}), counts

    def decide(self, candidates: Collection[str], fallback: str, now_us: int) -> Bidding:
        """Return what follows from asking for the decision; without a `winner` it is too early for one."""
        heard = {offer.participant for offer in self.offers}
        if self.winner is not None or (now_us < self.due_us and not heard.issuperset(candidates)):
            return self
        won = best(self.offers, candidates)
        return replace(self, winner=fallback if won is None else won.participant)

    def settle(self, winner: str) -> Bidding:
        """Return what follows from a decision without bids: the first one stands."""
        return self if self.winner is not None else replace(self, winner=winner)


def best(offers: Iterable[Offer], candidates: Collection[str]) -> Offer | None:
    """Return the winner among `candidates`: the highest score, then the earliest bid, then the name."""
    counted = [offer for offer in offers if offer.participant in candidates]
    return min(counted, key=lambda each: (-each.score, each.at_us, each.participant), default=None)


def checked_bid(participant: str, score: object, reason: object) -> tuple[float, str]:
    """Return score, to three decimals, and reason of a bid that makes sense.

    Raises:
        InvalidBidError: the score is no number from 0 to 10, or the reason no text of at most 300 characters.
    """
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise InvalidBidError(participant=participant, score=score, what="the score is no number")
    if not math.isfinite(score) or not 0 <= score <= HIGHEST:
        raise InvalidBidError(participant=participant, score=score, what="the score is not from 0 to 10")
    if not isinstance(reason, str) or len(reason) > LONGEST_REASON:
        what = f"the reason is no text of at most {LONGEST_REASON} characters"
        raise InvalidBidError(participant=participant, score=score, what=what)
    return round(float(score), _DIGITS), reason

"""Fairness among many contenders: order, equal shares, and a bounded wait for the lowest priority."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams import keys
from streams.connection import redis_client
from swarm.floor_state import FloorSettings
from tests.proofs.contender import contend
from tests.proofs.processes import Workers
from tests.proofs.proof import Progress, Proof, Size, jain, percentile
from tests.proofs.record_check import RecordCheck

if TYPE_CHECKING:
    from redis.asyncio import Redis

LEAST_JAIN = 0.98
HOLD_S = 0.001
START_S = 1.0
PROCESSES = 2
AGE_STEP_MS = 100
ROUNDING_MS = 1
"""Moments in the record are whole ms; the order is kept in µs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that waits."""

    participant: str
    priority: int
    at_ms: int
    place: int
    """How many had asked before."""


@dataclass(slots=True)
class Order:
    """Reads a record in order and finds who was overtaken. No I/O."""

    age_step_ms: int
    waiting: dict[str, Asked] = field(default_factory=dict)
    overtaken: list[str] = field(default_factory=list)
    jumped: list[str] = field(default_factory=list)
    waits_ms: dict[int, list[float]] = field(default_factory=dict)
    """By priority."""
    queued: int = 0

    def feed(self, fields: dict[str, str]) -> None:
        kind = fields["type"]
        if not kind.startswith("FLOOR_"):
            return
        data: dict[str, Any] = json.loads(fields["data"])
        if kind == "FLOOR_QUEUED" and data["request_id"] not in self.waiting:
            self.queued += 1
            asked = Asked(data["participant"], data["priority"], int(fields["at_ms"]), self.queued)
            self.waiting[data["request_id"]] = asked
        elif kind in ("FLOOR_WITHDRAWN", "FLOOR_DENIED"):
            self.waiting.pop(data["request_id"], None)
        elif kind == "FLOOR_GRANTED":
            served = self.waiting.pop(data["request_id"], None)
            if served is not None:
                self._served(served, int(fields["at_ms"]))

    def _served(self, served: Asked, now_ms: int) -> None:
        self.waits_ms.setdefault(served.priority, []).append(now_ms - served.at_ms)
        for other in self.waiting.values():
            if other.priority == served.priority and other.place < served.place:
                self.overtaken.append(f"{other.participant} by {served.participant}")
            if self._rank(other) < self._rank(served) - ROUNDING_MS:
                self.jumped.append(f"{other.participant} by {served.participant}")

    def _rank(self, asked: Asked) -> int:
        return asked.at_ms - asked.priority * self.age_step_ms


@dataclass(frozen=True, slots=True)
class Contest:
    """What a contest left behind."""

    counts: dict[str, int]
    order: Order
    check: RecordCheck
    took_s: float


async def contest(
    redis: Redis,
    url: str,
    contenders: int,
    rounds: int,
    *,
    mixed: bool,
    age_step_ms: int = AGE_STEP_MS,
    limit_s: float = 240.0,
) -> Contest:
    """Have so many take turns, over PROCESSES processes; with `mixed` at all priorities.

    With `mixed` an eighth is of the lowest priority and the others ask for more, without a pause.
    """
    room = f"fair-{secrets.token_hex(3)}"
    settings = FloorSettings(
        lease_ms=20_000, take_up_ms=20_000, guard_ms=0, max_queue=4_096, age_step_ms=age_step_ms
    )
    each = max(1, contenders // PROCESSES)
    start_s = time.monotonic() + START_S
    with Workers() as workers:
        for n in range(min(PROCESSES, contenders)):
            priorities = (2,) if not mixed else (0, 4, 3, 1) if n == 0 else (4, 4, 3, 2)
            of = (url, room, f"c{n}", each, settings, HOLD_S, 0.0, rounds, priorities, False, start_s)
            workers.start(contend, *of)
        deadline_s = time.monotonic() + limit_s
        for worker in workers.all:
            if not await worker.ended(max(0.0, deadline_s - time.monotonic())):
                raise TimeoutError(f"{contenders} contenders were not done within {limit_s:.0f} s")
    order, check, counts = Order(age_step_ms), RecordCheck(), Counter[str]()
    order_of_ends: list[str] = []
    after = "-"
    while entries := await redis.xrange(keys.stream(room), min=after, count=5_000):
        after = "(" + entries[-1][0]
        for entry_id, fields in entries:
            check.feed(entry_id, fields)
            order.feed(fields)
            if fields["type"] == "FLOOR_GRANTED":
                order_of_ends.append(json.loads(fields["data"])["participant"])
    # Shares count while all contend: until the first is done with its rounds, after the last has begun.
    begun = {who: at for at, who in reversed(list(enumerate(order_of_ends)))}
    totals = Counter(order_of_ends)
    seen: Counter[str] = Counter()
    first_done = len(order_of_ends)
    for at, who in enumerate(order_of_ends):
        seen[who] += 1
        if seen[who] == totals[who]:
            first_done = at + 1
            break
    counts.update(dict.fromkeys(totals, 0))
    counts.update(order_of_ends[max(begun.values()) : first_done])
    return Contest(dict(counts), order, check, time.monotonic() - start_s)


async def fairness(url: str, size: Size, say: Progress) -> Proof:
    """Equal contenders of one priority at every size, then all priorities at once."""
    proof = Proof("fairness")
    redis = redis_client(url)
    for contenders in size.contenders:
        say(f"fairness: {contenders} contenders")
        found = await contest(redis, url, contenders, size.fairness_rounds, mixed=False)
        shares = sorted(found.counts.values())
        index = jain(shares)
        for what in found.check.broken:
            proof.expect(False, f"{contenders}: record: {what}")
        proof.expect(len(found.counts) == contenders, f"{contenders}: {len(found.counts)} were ever granted")
        overtaken = found.order.overtaken
        proof.expect(not overtaken, f"{contenders}: overtaken: {overtaken[:3]}")
        proof.expect(index >= LEAST_JAIN, f"{contenders}: Jain {index:.3f}, shares {shares}")
        proof.figure(f"{contenders} contenders: overtaken", len(found.order.overtaken), bound="0")
        proof.figure(f"{contenders} contenders: Jain", index, bound=str(LEAST_JAIN))
        waits = found.order.waits_ms.get(2, [])
        proof.figure(f"{contenders} contenders: longest wait", max(waits, default=0.0), "ms")
        proof.figure(f"{contenders} contenders: grants a second", len(found.check.grants) / found.took_s)
    for contenders in size.contenders[1:]:
        say(f"fairness: {contenders} contenders of all priorities")
        found = await contest(redis, url, contenders, 2 * size.fairness_rounds, mixed=True)
        weigh_mixed(proof, found, contenders)
    await redis.aclose()
    return proof


def weigh_mixed(proof: Proof, found: Contest, contenders: int) -> None:
    """Nobody is overtaken within a priority, ageing decides between them, the lowest waits so long at most.

    Whoever asks 4 age steps later than the lowest comes after it, at whatever priority; each contender waits
    once, so that at most all the others are served before it from then on.
    """
    for what in found.check.broken:
        proof.expect(False, f"{contenders} mixed: record: {what}")
    lowest = found.order.waits_ms.get(0, [])
    turns_ms = [float(end.at_ms - end.grant.at_ms) for end in found.check.ends]
    longest_turns = sum(sorted(turns_ms)[-contenders:])
    bound_ms = 4 * found.order.age_step_ms + longest_turns + ROUNDING_MS
    proof.expect(len(lowest) > 0, f"{contenders} mixed: the lowest was never served while others waited")
    proof.expect(not found.order.overtaken, f"{contenders} mixed: overtaken: {found.order.overtaken[:3]}")
    proof.expect(not found.order.jumped, f"{contenders} mixed: served out of order: {found.order.jumped[:3]}")
    worst_ms = max(lowest, default=0.0)
    proof.expect(
        worst_ms <= bound_ms, f"{contenders} mixed: the lowest waited {worst_ms} ms, bound {bound_ms:.0f}"
    )
    proof.figure(f"{contenders} mixed: lowest waits at most", worst_ms, "ms", f"{bound_ms:.0f}")
    proof.figure(f"{contenders} mixed: lowest served", len(lowest))
    urgent = found.order.waits_ms.get(4, [])
    proof.figure(f"{contenders} mixed: highest waits, p50", percentile(urgent, 0.5), "ms")

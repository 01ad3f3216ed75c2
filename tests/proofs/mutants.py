"""Faults put into the floor script on purpose: named checks of concurrent histories have to find each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from streams.connection import redis_client
from swarm.floor_script import source
from tests.proofs.histories import CLIENTS, judged, record, stepping
from tests.proofs.proof import Progress, Proof, Size

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault: what stands in the script, and what is put in its place."""

    name: str
    right: str
    wrong: str
    found_by: tuple[str, ...]
    """The checks that have to find it, all of them."""


SERVE = "local function serve()\n  if holding() then"
MUTANTS = (
    Mutant("double grant", SERVE, "local function serve()\n  if false then", ("record", "linearizability")),
    Mutant(
        "token reuse",
        "math.max(num('token') + 1, now_us())",
        "math.max(num('token'), 1790000000000000)",
        ("record", "linearizability"),
    ),
    Mutant(
        "token falls with the clock",
        "math.max(num('token') + 1, now_us())",
        "now_us()",
        ("record", "linearizability"),
    ),
    Mutant(
        "lost event: released",
        "emit('FLOOR_RELEASED', {\n    participant = who, held_ms = now - num(",
        "type({\n    participant = who, held_ms = now - num(",
        ("record", "events"),
    ),
    Mutant("lost event: granted", "emit('FLOOR_GRANTED', {", "type({", ("record", "events")),
    Mutant("lost event: expired", "emit('FLOOR_EXPIRED', {", "type({", ("record", "events")),
    Mutant("lost event: revoked", "emit('FLOOR_REVOKED', {", "type({", ("record", "events")),
    Mutant("lost event: withdrawn", "emit('FLOOR_WITHDRAWN', {\n", "type({\n", ("events",)),
    Mutant(
        "stale token accepted",
        "return holding() and f.holder == who and num('token') == tonumber(token)",
        "return holding() and f.holder == who",
        ("linearizability",),
    ),
    Mutant(
        "foreign token accepted",
        "return holding() and f.holder == who and num('token') == tonumber(token)",
        "return holding() and num('token') == tonumber(token)",
        ("linearizability",),
    ),
    Mutant(
        "retry counts twice",
        "local known = remembered(request_id)\n  if known then\n    return state_of",
        "local known = remembered(request_id)\n  if false then\n    return state_of",
        ("linearizability",),
    ),
    Mutant(
        "last come, first served",
        "redis.call('ZRANGE', KEYS[5], 0, 0)[1]",
        "redis.call('ZREVRANGE', KEYS[5], 0, 0)[1]",
        ("linearizability",),
    ),
    Mutant(
        "priority does not count", "entry.priority * num('age_step_ms') * 1000", "0", ("linearizability",)
    ),
    Mutant("lease never ends", "if num('deadline_ms') <= now then", "if false then", ("linearizability",)),
    Mutant(
        "clock set back stalls the floor",
        "if num('deadline_ms') > now + num('hold_lease_ms') then",
        "if false then",
        ("linearizability",),
    ),
    Mutant(
        "any token pre-empts",
        "tonumber(a.observed_token) ~= num('token')",
        "tonumber(a.observed_token) == -1",
        ("linearizability",),
    ),
    Mutant(
        "granted while a person speaks",
        "or anybody_speaks() then\n    return",
        "or false then\n    return",
        ("linearizability",),
    ),
    Mutant(
        "entry left in the queue",
        "    take_waiting(who)\n    note(entry.request_id, 'withdrawn'",
        "    note(entry.request_id, 'withdrawn'",
        ("linearizability",),
    ),
    Mutant(
        "muted and granted",
        "elseif is_muted(who) then\n    return 'muted'\n  elseif must_wait",
        "elseif false then\n    return 'muted'\n  elseif must_wait",
        ("linearizability",),
    ),
    Mutant(
        "the dead keep the floor",
        "if f.holder == who then\n    end_by_revoking(by, reason, now)",
        "if false then\n    end_by_revoking(by, reason, now)",
        ("linearizability",),
    ),
    Mutant(
        "put back in front twice",
        "set('preempted', table.concat(kept, ' '))\n  return true",
        "return true",
        ("state",),
    ),
    Mutant(
        "two acknowledge at once",
        "elseif (f.backchannel_by or '') ~= '' then\n    return 'busy'",
        "elseif false then\n    return 'busy'",
        ("linearizability",),
    ),
    Mutant(
        "seq with a gap",
        "meta.seq + 1, meta.last_id",
        "meta.seq + 1 + meta.seq % 2, meta.last_id",
        ("record",),
    ),
    Mutant("forked record", "'last_id', id)", "'last_id', prev)", ("record",)),
)


async def found(clients: list[Redis], mutant: Mutant, histories: int) -> tuple[dict[str, str], int]:
    """Return what each check finds in up to so many histories, until those named have found it."""
    right = source()
    assert right.count(mutant.right) == 1, f"{mutant.name}: its place in the script is not found"
    text = stepping(right.replace(mutant.right, mutant.wrong))
    faults: dict[str, str] = {}
    for seed in range(histories):
        try:
            history = await record(clients, text, 1_000 + seed)
        except ExceptionGroup as group:
            if not all(isinstance(each, ResponseError) for each in group.exceptions):
                raise
            faults["server"] = str(group.exceptions[0])
            continue
        faults = judged(history) | faults
        if set(mutant.found_by) <= set(faults):
            return faults, seed + 1
    return faults, histories


async def mutants(url: str, size: Size, say: Progress, seeded: tuple[Mutant, ...] = MUTANTS) -> Proof:
    """Seed each fault; the checks named for it have to find it."""
    proof = Proof("seeded faults")
    clients = [redis_client(url) for _ in range(CLIENTS)]
    for mutant in seeded:
        faults, needed = await found(clients, mutant, size.mutant_histories)
        missed = set(mutant.found_by) - set(faults)
        proof.expect(not missed, f"{mutant.name}: not found by {', '.join(sorted(missed))}")
        proof.figure(f"{mutant.name}: histories until found", needed)
        proof.notes.append(f"{mutant.name}: " + "; ".join(f"{who}: {what}" for who, what in faults.items()))
        say(f"seeded faults: {mutant.name}: {', '.join(faults) or 'nothing'}")
    for each in clients:
        await each.aclose()
    proof.figure("seeded faults", len(seeded))
    return proof

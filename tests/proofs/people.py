"""Four processes hear one person: one SPEECH_STARTED, one revoke, and a late report changes nothing."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from streams import keys
from streams.connection import redis_client
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick
from tests.proofs.listener import LATE_S, PERIOD_S, PERSON, listen, ready_key, reports_key, start_key
from tests.proofs.processes import Workers
from tests.proofs.proof import Progress, Proof, Size, percentile
from tests.proofs.record_check import RecordCheck

if TYPE_CHECKING:
    from redis.asyncio import Redis

LISTENERS = 4
START_S = 0.5
SETTINGS = FloorSettings(guard_ms=0)
ADA, BOB = Participant("ada"), Participant("bob")


async def people(url: str, size: Size, say: Progress) -> Proof:
    """Ada speaks and is interrupted, Bob is served next, four processes report it all, and once more late."""
    proof = Proof("one person heard by four processes")
    room, redis = f"people-{secrets.token_hex(3)}", redis_client(url)
    disturbed = 0
    with Workers() as workers:
        async with TalkingStick(redis, room, settings=SETTINGS) as stick:
            for number in range(LISTENERS):
                workers.start(listen, url, room, number, size.onsets)
            for _ in range(LISTENERS):
                await redis.blpop([ready_key(room)], timeout=4)
            start_s = time.monotonic() + START_S
            for number in range(LISTENERS):
                await redis.rpush(start_key(room, number), start_s)
            for onset in range(size.onsets):
                if onset % 10 == 0:
                    say(f"people: onset {onset} of {size.onsets}")
                try:
                    disturbed += await _onset(proof, stick, start_s + onset * PERIOD_S, onset)
                except TimeoutError:
                    proof.expect(False, f"onset {onset}: the turns did not go on")
                    break
        for worker in workers.all:
            proof.expect(await worker.ended(10), "a listener did not end")
            proof.expect(worker.exit_code == 0, f"a listener ended with {worker.exit_code}")
    await _weigh(proof, redis, room, size.onsets)
    proof.figure("late reports that disturbed the next holder", disturbed, bound="0")
    await redis.aclose()
    return proof


async def _onset(proof: Proof, stick: TalkingStick, onset_s: float, onset: int) -> int:
    """Return 1 where the late reports took the floor from Bob."""
    late_s = onset_s + LATE_S + 0.1
    async with (
        asyncio.timeout(late_s + PERIOD_S - time.monotonic()),
        stick.hold(ADA) as grant,
        asyncio.TaskGroup() as tasks,
    ):
        next_turn = tasks.create_task(_bob(stick, late_s))
        how = await grant.lost.wait()
        proof.expect(how.by == PERSON, f"onset {onset}: Ada lost the floor by {how}")
        lasted = await next_turn
    proof.expect(lasted, f"onset {onset}: Bob lost the floor")
    return 0 if lasted else 1


async def _bob(stick: TalkingStick, until_s: float) -> bool:
    """Hold the floor until then, and return whether it was held throughout."""
    async with stick.hold(BOB) as grant:
        begun_s = time.monotonic()
        await asyncio.sleep(until_s - begun_s)
        return grant.valid() and begun_s < until_s - 0.1


async def _weigh(proof: Proof, redis: Redis, room: str, onsets: int) -> None:
    check, counts = RecordCheck(), dict[str, int]()
    onset_ms, latency_ms = 0, list[float]()
    for entry_id, fields in await redis.xrange(keys.stream(room)):
        check.feed(entry_id, fields)
        data: dict[str, Any] = json.loads(fields["data"])
        kind = fields["type"]
        if kind == "TRANSCRIPT" and not data["final"]:
            continue
        counts[kind] = counts.get(kind, 0) + 1
        if kind == "SPEECH_STARTED":
            onset_ms = int(fields["occurred_ms"])
        elif kind == "FLOOR_REVOKED":
            proof.expect(data["by"] == PERSON, f"revoked by {data['by']}")
            proof.expect(data["participant"] == "ada", f"revoked from {data['participant']}")
            latency_ms.append(int(fields["at_ms"]) - onset_ms)
    for what in check.broken:
        proof.expect(False, f"record: {what}")
    for kind in ("SPEECH_STARTED", "SPEECH_ENDED", "TRANSCRIPT", "FLOOR_REVOKED"):
        proof.expect(counts.get(kind, 0) == onsets, f"{counts.get(kind, 0)} {kind} for {onsets} onsets")
        proof.figure(kind, counts.get(kind, 0), bound=str(onsets))
    told = [tuple(map(int, line.split())) for line in await redis.lrange(reports_key(room), 0, -1)]
    proof.expect(len(told) == 2 * LISTENERS * onsets, f"{len(told)} reports")
    for onset in range(onsets):
        changed = [late for at, _, late, done in told if at == onset and done]
        proof.expect(changed == [0], f"onset {onset}: moved by {len(changed)} reports, late: {changed}")
    proof.figure("reports", len(told))
    proof.figure("reports that moved the floor", sum(done for *_, done in told), bound=str(onsets))
    proof.figure("onset to revoke, p50", percentile(latency_ms, 0.5), "ms")

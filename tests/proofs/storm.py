"""The kill storm: processes that contend are killed and stopped at their worst moments."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streams import keys
from streams.clock import ServerClock
from streams.connection import redis_client
from swarm.floor_client import FloorState
from swarm.floor_state import FloorSettings
from swarm.talking_stick import TalkingStick
from tests.proofs.contender import contend, ready_key, writes_key
from tests.proofs.processes import Witness, Worker, Workers
from tests.proofs.proof import Progress, Proof, Size, percentile
from tests.proofs.record_check import RecordCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

PROCESSES, EACH = 8, 4
HOLD_S, THINK_S = 0.02, 0.005
TAKE_UP_MS = 60
LATE_MS = 250
MOST_STOPPED = 2
AIMED = 0.7
ABLE = PROCESSES // 2
"""Processes that contend whenever a signal is sent: a floor that nobody asks for is not taken over."""
_READ = 500
_LOOK_AGAIN_S = 0.02


@dataclass(slots=True)
class Hit:
    """A signal that hit the process of the holder, as far as the record had told."""

    token: int
    at_ms: int
    at_s: float
    what: str


@dataclass(slots=True)
class Storm:
    """What is going on."""

    redis: Redis
    room: str
    clock: ServerClock
    check: RecordCheck = field(default_factory=RecordCheck)
    hits: list[Hit] = field(default_factory=list)
    slots: dict[str, Worker] = field(default_factory=dict)
    """Process name to process."""
    granted: asyncio.Event = field(default_factory=asyncio.Event)
    read_to: str = "0"

    async def follow(self) -> None:
        """Check the record as it grows, until cancelled."""
        while True:
            await self.read(block_ms=200)

    async def read(self, block_ms: int | None) -> int:
        reply = await self.redis.xread({keys.stream(self.room): self.read_to}, count=_READ, block=block_ms)
        entries: list[Any] = reply[0][1] if reply else []
        for entry_id, fields in entries:
            self.check.feed(entry_id, fields)
            self.read_to = entry_id
            if fields["type"] == "FLOOR_GRANTED":
                self.granted.set()
        return len(entries)

    def holder(self) -> str:
        """Return the process that holds the floor; empty where none does."""
        held = self.check.holding
        return held.participant.rpartition("-")[0] if held else ""

    def hit(self, process: str, what: str) -> None:
        held = self.check.holding
        if held is not None and process == self.holder():
            now_s = time.monotonic()
            self.hits.append(Hit(held.token, self.clock.at_ms(now_s), now_s, what))


async def storm(url: str, size: Size, say: Progress, seed: int = 1) -> Proof:
    """Run the storm and weigh what the record and the fenced resource say."""
    proof = Proof("kill storm")
    settings = FloorSettings(lease_ms=size.storm_lease_ms, take_up_ms=TAKE_UP_MS, guard_ms=0)
    room, redis, chance = f"storm-{secrets.token_hex(3)}", redis_client(url), random.Random(seed)
    state = Storm(redis, room, ServerClock())
    started_s = time.monotonic()
    with Workers() as workers, Witness() as witness:

        def start(name: str) -> None:
            args = (url, room, name, EACH, settings, HOLD_S, THINK_S, 0, (2,), True)
            state.slots[name] = workers.start(contend, *args)

        for slot in range(PROCESSES):
            start(f"p{slot}.0")
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(state.follow())
            await _rage(state, size, start, chance, say)
            following.cancel()
        over = await _calm(state)
        proof.expect(over == 0, f"{over} processes did not end their last turn")
        await _weigh(proof, state, witness, settings)
    async with TalkingStick(redis, room, settings=settings) as stick:
        await asyncio.sleep((settings.lease_ms + EACH * MOST_STOPPED * TAKE_UP_MS) / 1000)
        for _ in range(2 * PROCESSES * EACH):
            status = await stick.status()
            if status.state is FloorState.IDLE and not status.queue:
                break
            await asyncio.sleep(TAKE_UP_MS / 1000)
        proof.expect(status.state is FloorState.IDLE and not status.queue, f"left behind: {status}")
    await redis.aclose()
    proof.figure("duration", time.monotonic() - started_s, "s")
    proof.figure("load of the machine, mean of 15 minutes", os.getloadavg()[2])
    return proof


async def _rage(
    state: Storm, size: Size, start: Callable[[str], None], chance: random.Random, say: Progress
) -> None:
    """Kill and stop: mostly whoever was granted the floor a moment ago, else anybody."""
    deeds = ["kill"] * size.kills + ["stop"] * size.stops
    chance.shuffle(deeds)
    asleep = asyncio.Semaphore(MOST_STOPPED)
    async with asyncio.TaskGroup() as tasks:
        for done, deed in enumerate(deeds):
            if done % 25 == 0:
                say(f"kill storm: {done} of {len(deeds)} signals, {len(state.check.grants)} grants")
            if deed == "stop":
                await asleep.acquire()
            await _measure_clock(state)
            aimed = chance.random() < AIMED
            victim = await _victim(state, chance, aimed=aimed)
            if deed == "kill":
                state.slots[victim].kill()
                state.hit(victim, deed)
                del state.slots[victim]
                slot, _, generation = victim.partition(".")
                start(f"{slot}.{int(generation) + 1}")
            else:
                state.slots[victim].stop()
                state.hit(victim, deed)
                asleep_s = size.storm_lease_ms / 1000 * chance.uniform(1.1, 1.6)
                tasks.create_task(_wake(state.slots[victim], asleep_s, asleep))


async def _victim(state: Storm, chance: random.Random, *, aimed: bool) -> str:
    """Return a process that runs and contends; with `aimed` the one that is granted the floor next."""
    async with asyncio.timeout(30):
        while True:
            ready = await state.redis.smembers(ready_key(state.room))
            able = [
                name
                for name, each in state.slots.items()
                if name in ready and each.alive and not each.stopped
            ]
            if len(able) < ABLE:
                await asyncio.sleep(_LOOK_AGAIN_S)
                continue
            if not aimed:
                return chance.choice(able)
            state.granted.clear()
            await state.granted.wait()
            if state.holder() in able:
                await asyncio.sleep(chance.uniform(0.0, HOLD_S / 2))
                return state.holder() if state.holder() in able else chance.choice(able)


async def _wake(worker: Worker, after_s: float, asleep: asyncio.Semaphore) -> None:
    await asyncio.sleep(after_s)
    worker.go_on()
    asleep.release()


async def _measure_clock(state: Storm) -> None:
    sent_s = time.monotonic()
    seconds, us = await state.redis.time()
    state.clock.observe(seconds * 1000 + us / 1000, sent_s, time.monotonic())


async def _calm(state: Storm) -> int:
    """Let everybody finish; return how many did not."""
    for each in state.slots.values():
        each.finish()
    stuck = [name for name, each in state.slots.items() if not await each.ended(15.0)]
    while await state.read(None):
        pass
    return len(stuck)


async def _weigh(proof: Proof, state: Storm, witness: Witness, settings: FloorSettings) -> None:
    check = state.check
    for what in check.broken:
        proof.expect(False, f"record: {what}")
    by_token = {end.grant.token: end for end in check.ends}
    takeovers: dict[str, list[float]] = {"kill": [], "stop": []}
    for hit in state.hits:
        end = by_token.get(hit.token)
        follower = check.grants.get(check.next_grants.get(hit.token, 0))
        if end is None or end.type != "FLOOR_EXPIRED" or follower is None:
            continue  # it had ended by itself before the signal came
        took_ms = follower.at_ms - hit.at_ms
        takeovers[hit.what].append(took_ms)
        stall_ms = witness.worst_ms(hit.at_s, hit.at_s + took_ms / 1000 + 0.1)
        proof.expect(
            took_ms <= settings.lease_ms + LATE_MS + stall_ms,
            f"{hit.what} of {hit.token}: taken over after {took_ms} ms (machine: {stall_ms:.0f} ms)",
        )
    expired = [end for end in check.ends if end.type == "FLOOR_EXPIRED"]
    lateness = [float(end.at_ms - end.due_ms) for end in expired]
    for what, found in takeovers.items():
        proof.expect(len(found) > 0, f"no holder was hit by a {what}")
        proof.figure(f"holders hit by a {what} while they held", len(found))
        proof.figure(f"taken over after a {what}, p50", percentile(found, 0.5), "ms")
        proof.figure(
            f"taken over after a {what}, worst",
            max(found, default=0.0),
            "ms",
            f"{settings.lease_ms + LATE_MS}",
        )
    proof.figure("lease", settings.lease_ms, "ms")
    proof.figure("expiry found late, p99", percentile(lateness, 0.99), "ms")
    proof.figure("expiry found late, worst", max(lateness, default=0.0), "ms", str(LATE_MS))
    proof.figure("grants", len(check.grants))
    proof.figure("grants skipped, not taken up", sum(end.reason == "take_up" for end in expired))
    await _weigh_writes(proof, state)


async def _weigh_writes(proof: Proof, state: Storm) -> None:
    """The resource accepted each token from its one holder, in order, and only tokens of the record."""
    highest, accepted, overlapping, refused, trusting = 0, 0, 0, 0, 0
    after = "-"
    while entries := await state.redis.xrange(writes_key(state.room), min=after, count=5000):
        after = "(" + entries[-1][0]
        for entry_id, fields in entries:
            token, who = int(fields["token"]), fields["who"]
            grant = state.check.grants.get(token)
            if grant is None or grant.participant != who:
                proof.expect(False, f"write {entry_id}: {who} has {token} without an event")
            if fields["accepted"] == "1":
                accepted += 1
                overlapping += token < highest
                highest = max(highest, token)
            else:
                refused += 1
                trusting += fields["valid"] == "1"
    proof.expect(accepted > 0, "nothing was written")
    proof.figure("writes accepted", accepted)
    proof.expect(overlapping == 0, f"{overlapping} writes were accepted after one with a higher token")
    proof.figure("overlapping fenced writes", overlapping, bound="0")
    proof.figure("writes refused by the fence", refused)
    proof.figure("of these, sent in good faith", trusting)

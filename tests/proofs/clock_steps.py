"""Clocks that are set by ±10 s while the floor is in use: a client's, and the server's."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from streams import keys
from streams.connection import redis_client
from swarm import floor_commands as fc
from swarm.embedded_redis import EmbeddedRedis, available_binaries
from swarm.floor_script import FloorScript
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick
from tests.proofs.proof import Progress, Proof, Size
from tests.proofs.record_check import RecordCheck
from tests.proofs.set_clocks import SetClock

if TYPE_CHECKING:
    from redis.asyncio import Redis

LEASE_MS = 600
LATE_MS = 250
STEP_S = 10.0
SETTINGS = FloorSettings(lease_ms=LEASE_MS, take_up_ms=LEASE_MS, guard_ms=0)
ROOT = Path(__file__).parents[2]


async def client_clock(url: str, size: Size, say: Progress) -> Proof:
    """Set a client's wall clock while it holds the floor, and waits for it: nothing may come of it."""
    proof = Proof("client's clock set by 10 s")
    room, redis = f"clock-{secrets.token_hex(3)}", redis_client(url)
    turns, hold_s = 4 * size.clock_rounds, 3 * LEASE_MS / 1000
    say(f"client's clock: {turns} turns")
    with SetClock() as clock:
        arguments = ["-m", "tests.proofs.clock_client", url, room, str(turns), str(hold_s), str(LEASE_MS)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env=dict(os.environ) | clock.environment,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(20 + turns * (hold_s + 1)):
                await process.stdout.readline()
                async with TalkingStick(redis, room, settings=SETTINGS) as stick:
                    for turn in range(turns):
                        clock.set_s(STEP_S * (1, -1, 0, -1)[turn % 4])
                        async with stick.hold(Participant("neighbour")) as grant:
                            await asyncio.sleep(0.05)
                            proof.expect(grant.valid(), "the neighbour lost the floor")
                        await asyncio.sleep(hold_s / 2)
                told = json.loads(await process.stdout.readline())
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    check = await _record(proof, redis, room)
    proof.expect(told["most_s"] > STEP_S - 1, "the clock was not set forward")
    proof.expect(told["least_s"] < 1 - STEP_S, "the clock was not set back")
    proof.expect(told["lost"] == [] and told["invalid"] == 0, f"lost the floor: {told}")
    ends = {end.type for end in check.ends}
    proof.expect(ends == {"FLOOR_RELEASED"}, f"grants ended by {ends}")
    off_ms = 0
    for _, fields in await redis.xrange(keys.stream(room)):
        off_ms = max(off_ms, abs(int(fields["occurred_ms"]) - int(fields["at_ms"])))
    proof.expect(off_ms < 1_000, f"an event is said to have happened {off_ms} ms off its writing")
    proof.figure("turns", turns)
    proof.figure("clock set by", max(told["most_s"], -told["least_s"]), "s")
    proof.figure("grants lost", len(told["lost"]), bound="0")
    proof.figure("time of events, most off", off_ms, "ms", "1000")
    await redis.aclose()
    return proof


async def server_clock(size: Size, say: Progress) -> Proof:
    """Set a server's clock, of each installed version, under holders that live and holders that died."""
    proof = Proof("server's clock set by 10 s")
    with SetClock() as clock:
        for binary in available_binaries():
            with clock.for_children():
                server = EmbeddedRedis(binaries=[binary])
                url = server.start()
            try:
                for nth in range(size.clock_rounds):
                    say(f"server's clock: Redis {server.version}, round {nth + 1} of {size.clock_rounds}")
                    for step_s in (STEP_S, -STEP_S):
                        clock.set_s(0)
                        await _live_holder(proof, url, clock, step_s, server.version)
                        clock.set_s(0)
                        await _dead_holder(proof, url, clock, step_s, server.version)
                        clock.set_s(0)
                        await _queue(proof, url, clock, step_s, server.version)
            finally:
                server.stop()
    worst: dict[str, tuple[float, str, str]] = {}
    for each in proof.figures:
        if each.name not in worst or each.value > worst[each.name][0]:
            worst[each.name] = (each.value, each.unit, each.bound)
    proof.figures.clear()
    for name, (value, unit, bound) in worst.items():
        proof.figure(name, value, unit, bound)
    return proof


def _sign(step_s: float) -> str:
    return "forward" if step_s > 0 else "back"


async def _live_holder(proof: Proof, url: str, clock: SetClock, step_s: float, version: str) -> None:
    """One holds and renews, another waits. How long may both think that they hold it?"""
    where = f"{version}, set {_sign(step_s)}, live holder"
    room, redis, other = f"clock-{secrets.token_hex(3)}", redis_client(url), redis_client(url)
    shown = await _shown_s(redis)
    lost_s: list[float] = []
    async with (
        TalkingStick(redis, room, settings=SETTINGS) as stick,
        TalkingStick(other, room, settings=SETTINGS) as waiting_stick,
        asyncio.TaskGroup() as tasks,
    ):
        async with stick.hold(Participant("holder")) as grant:
            grant.on_lost(lambda _: lost_s.append(time.monotonic()))
            waiter = tasks.create_task(_first_valid_s(waiting_stick))
            await asyncio.sleep(LEASE_MS / 1000)
            clock.set_s(step_s)
            stepped_s = time.monotonic()
            await asyncio.sleep(2 * LEASE_MS / 1000)
            if step_s < 0:
                proof.expect(grant.valid(), f"{where}: the holder lost the floor")
        granted_s = await asyncio.wait_for(waiter, 5)
    moved_s = await _shown_s(redis) - shown
    proof.expect(abs(moved_s - step_s) < 5, f"{where}: the clock moved by {moved_s:.1f} s")
    overlap_ms = max(0.0, (lost_s[0] - granted_s) * 1000) if lost_s else float("inf")
    proof.expect(overlap_ms <= LEASE_MS, f"{where}: two holders for {overlap_ms:.0f} ms")
    if step_s > 0:
        late_ms = (granted_s - stepped_s) * 1000
        proof.expect(late_ms <= LEASE_MS + LATE_MS, f"{where}: the next waits {late_ms:.0f} ms")
    check = await _record(proof, redis, room, where)
    if step_s < 0:
        ends = [end.type for end in check.ends]
        proof.expect(set(ends) == {"FLOOR_RELEASED"}, f"{where}: grants ended by {ends}")
    proof.figure(f"set {_sign(step_s)}: two holders", overlap_ms, "ms", str(LEASE_MS))
    await redis.aclose()
    await other.aclose()


async def _first_valid_s(stick: TalkingStick) -> float:
    async with stick.hold(Participant("waiter")):
        return time.monotonic()


async def _dead_holder(proof: Proof, url: str, clock: SetClock, step_s: float, version: str) -> None:
    """One took the floor and died. How long does the next one wait?"""
    where = f"{version}, set {_sign(step_s)}, dead holder"
    room, redis = f"clock-{secrets.token_hex(3)}", redis_client(url)
    script = FloorScript(redis, room, SETTINGS)
    async with TalkingStick(redis, room, settings=SETTINGS) as stick, asyncio.TaskGroup() as tasks:
        await script.run(fc.Request(participant="the-dead", request_id="r"), "the-dead")
        died_s = time.monotonic()
        waiter = tasks.create_task(_first_valid_s(stick))
        await asyncio.sleep(LEASE_MS / 2000)
        clock.set_s(step_s)
        granted_s = await asyncio.wait_for(waiter, 10)
    waited_ms = (granted_s - died_s) * 1000
    # Set back, the deadline seems 10 s away: it counts as one lease from when somebody looks.
    bound_ms = (1 if step_s > 0 else 2) * LEASE_MS + LATE_MS
    proof.expect(waited_ms <= bound_ms, f"{where}: taken over after {waited_ms:.0f} ms, bound {bound_ms}")
    await _record(proof, redis, room, where)
    proof.figure(f"set {_sign(step_s)}: a dead holder is replaced after", waited_ms, "ms", str(bound_ms))
    await redis.aclose()


async def _queue(proof: Proof, url: str, clock: SetClock, step_s: float, version: str) -> None:
    """Three wait, the clock is set between them: they are served as they came."""
    where = f"{version}, set {_sign(step_s)}, queue"
    room, redis = f"clock-{secrets.token_hex(3)}", redis_client(url)
    served: list[str] = []

    async def turn(who: str) -> None:
        async with stick.hold(Participant(who)):
            served.append(who)

    async with (
        TalkingStick(redis, room, settings=SETTINGS) as stick,
        asyncio.TaskGroup() as tasks,
        stick.hold(Participant("holder")),
    ):
        for nth, who in enumerate(("first", "second", "third")):
            tasks.create_task(turn(who))
            await asyncio.sleep(0.02)
            if nth == 0:
                clock.set_s(step_s)
    proof.expect(served == ["first", "second", "third"], f"{where}: served {served}")
    await _record(proof, redis, room, where)
    await redis.aclose()


async def _shown_s(redis: Redis) -> float:
    """Return the server's time less the monotonic one."""
    seconds, us = await redis.time()
    return seconds + us / 1e6 - time.monotonic()


async def _record(proof: Proof, redis: Redis, room: str, where: str = "") -> RecordCheck:
    check = RecordCheck()
    for entry_id, fields in await redis.xrange(keys.stream(room)):
        check.feed(entry_id, fields)
    for what in check.broken:
        proof.expect(False, f"{where}: record: {what}")
    return check

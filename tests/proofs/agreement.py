"""The specification and what runs, told the same at the same moments: same answers, state and events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fakeredis import FakeAsyncRedis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from streams.connection import redis_client
from swarm.floor import decide
from swarm.floor_state import Floor
from tests.proofs.proof import Progress, Proof, Size
from tests.proofs.transitions import Transitions
from tests.swarm.floor_commands_made import AGENTS, SMALL, START_US, ClockedFloor, Names, heartbeat, steps
from tests.swarm.test_floor_invariants import check

if TYPE_CHECKING:
    from redis.asyncio import Redis

BATCH = 500
MOST_TIMES = 12
SEED = 20_261_121
CUTTING_IN: list[tuple[tuple[Any, ...], int]] = [
    (("configure", 300, 1_500, False), 0),
    (("request", AGENTS[0], 0, 2, "", "none", 0), 10),
    (("request", AGENTS[1], 4, 4, "", "current", 0), 10),
]
THINKING_BETTER: list[tuple[tuple[Any, ...], int]] = [
    *CUTTING_IN,
    (("withdraw", "owner", 4), 10),
    (("release", "holder", True, ""), 10),
]
"""Rare by chance: a holder that is pre-empted with a grace; and by one who thinks better of it."""
drawn = st.one_of(
    *[steps] * 6,
    steps.map(lambda taken: CUTTING_IN + taken[1:]),
    steps.map(lambda taken: THINKING_BETTER + taken[1:]),
)


async def both(redis: Redis, taken: list[tuple[tuple[Any, ...], int]], met: Transitions) -> int:
    """Drive both through one sequence; return how many commands it had.

    Raises:
        AssertionError: they differ, or a promise is broken.
    """
    script, names = ClockedFloor(redis), Names()
    floor, now_us = Floor(settings=SMALL), START_US
    for move, gap_us in taken:
        now_us += gap_us
        floor = heartbeat(move, floor, now_us)
        await script.heard(floor)
        command = names.command(move, floor, now_us)
        step = decide(floor, command, now_us)
        outcome, outlook = await script.at(now_us, command)
        written, kept = await script.new_events(), await script.read()
        assert outcome == step.outcome, f"{command}: answers {outcome}, specified {step.outcome}"
        assert written == list(step.events), f"{command}: wrote {written}, specified {step.events}"
        assert kept == step.floor, f"{command}: keeps {kept}, specified {step.floor}"
        assert (outlook.now_us, outlook.due_ms) == (now_us, step.due_ms), command
        check(floor, command, step, now_us)
        met.met(floor, command, outcome, written, kept, now_us // 1_000)
        floor = step.floor
    return len(taken)


async def agreement(url: str, size: Size, say: Progress) -> Proof:
    """Draw sequences of commands and drive the specification and a real server."""
    return await _agreement("real", size.sequences, url, say)


async def agreement_on_the_fake(url: str, size: Size, say: Progress) -> Proof:
    """Draw sequences of commands and drive the specification and fakeredis."""
    return await _agreement("fake", size.fake_sequences, url, say)


async def _agreement(engine: str, sequences: int, url: str, say: Progress) -> Proof:
    proof, met = Proof(f"specification and script agree, {engine} server"), Transitions()
    await asyncio.to_thread(_on, engine, url, sequences, say, proof, met)
    proof.expect(not met.missed, f"never met: {', '.join(met.missed)}")
    proof.figure("legal transitions met", len(met.request) + len(met.floor))
    proof.figure("commands that were refused", len(met.refused))
    return proof


def _on(engine: str, url: str, sequences: int, say: Progress, proof: Proof, met: Transitions) -> None:
    """Run in a thread of its own: Hypothesis has no loop, and gets one that stays."""
    done, commands = 0, 0
    with asyncio.Runner() as runner:
        real = None if engine == "fake" else redis_client(url, db=5)

        async def drive(taken: list[Any]) -> int:
            redis = real or FakeAsyncRedis(decode_responses=True)
            if real is not None:
                await real.flushdb()
            try:
                return await both(redis, taken, met)
            finally:
                if real is None:
                    await redis.aclose()

        broken = False
        # What is rare may need more than a small size draws.
        while not broken and (done < sequences or (met.missed and done < MOST_TIMES * sequences)):
            batch = min(BATCH, sequences)

            @hypothesis_seed(SEED + done)
            @settings(
                max_examples=batch,
                deadline=None,
                database=None,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            )
            @given(taken=drawn)
            def run(taken: list[Any]) -> None:
                nonlocal commands
                commands += runner.run(drive(taken))

            try:
                run()
            except AssertionError as error:
                proof.expect(False, str(error)[:2_000])
                broken = True
            done += batch
            say(f"agreement: {done} of {sequences} sequences on the {engine} server")
        if real is not None:
            runner.run(real.aclose())
    proof.figure("sequences", done)
    proof.figure("commands", commands)

"""Two agents, each in its process, on one floor in a real room: is there ever a time in which both are heard?

A listener records each agent by itself. Three ways to change the speaker: a turn that ends and hands over,
an urgent agent that pre-empts, and a holder that is stopped (SIGSTOP) past its lease and wakes while the
other speaks. A hand-over waits out the playout tail; the silence that this costs is measured too.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contenders.process import START_LIMIT_S, ContenderError, WorkerProcess
from report import Figure, median, percentile

from swarm.embedded_redis import EmbeddedRedis
from tests.engines.listener import Interval, Listener, audible_intervals, overlap_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engines.livekit import LiveKitServer

AGENTS = ("ann", "bob")
ROOM = "panel"
SHORT, LONG = 6, 60
"""Words of 100 ms."""
HEARD_LIMIT_S = 8.0
AMID_S = 0.4
BRIDGE_MS = 450.0
"""Shorter silences within a turn are a busy machine's; between two turns of an agent lies the other's."""
STOPPED_S = 2.6
"""Longer than the lease of 2 s."""


@dataclass(slots=True)
class Handoffs:
    """What the listener heard."""

    hand_overs: int = 0
    pre_emptions: int = 0
    stops: int = 0
    overlap_ms: float = 0.0
    hand_over_gaps_ms: list[float] = field(default_factory=list[float])
    pre_emption_gaps_ms: list[float] = field(default_factory=list[float])
    failures: list[str] = field(default_factory=list[str])

    def figures(self) -> list[Figure]:
        """As barge_in.py reports them."""
        done = f"{self.hand_overs} hand-overs, {self.pre_emptions} pre-emptions, {self.stops} stopped holders"
        return [
            Figure("handoff_overlap_ms", self.overlap_ms, "ms", goal=0.0, note=done),
            Figure(
                "handoff_audio_gap_ms",
                median(self.hand_over_gaps_ms),
                "ms",
                peers={
                    "p95": percentile(self.hand_over_gaps_ms, 0.95),
                    "pre_emption": median(self.pre_emption_gaps_ms),
                },
            ),
        ]


async def measure_handoffs(
    server: LiveKitServer, *, changes: int, stops: int, say: Callable[[str], None]
) -> Handoffs:
    """Have the speaker changed `changes` times by hand-over and as often by pre-emption, then stop holders.

    Raises:
        ContenderError: an agent's process failed.
    """
    result = Handoffs()
    async with AsyncExitStack() as stack:
        redis_url = await stack.enter_async_context(EmbeddedRedis())
        listener = await stack.enter_async_context(
            Listener(server.url, server.token("listener", ROOM), sample_rate_hz=16_000)
        )
        agents = {
            name: await stack.enter_async_context(
                WorkerProcess(
                    name, "contenders.panel", name, redis_url, server.url, server.token(name, ROOM), ROOM
                )
            )
            for name in AGENTS
        }
        await asyncio.gather(*(agent.ask(START_LIMIT_S, do="ready") for agent in agents.values()))
        await _Panel(listener, agents, Handoffs()).pre_empt_and_hand_over(
            *AGENTS
        )  # loads what is loaded late
        panel = _Panel(listener, agents, result)
        for n in range(changes):
            await panel.pre_empt_and_hand_over(*(AGENTS if n % 2 == 0 else AGENTS[::-1]))
            if n % 10 == 9:
                say(f"  {n + 1} of {changes} pre-emptions and hand-overs")
        for n in range(stops):
            await panel.stop_and_wake(*(AGENTS if n % 2 == 0 else AGENTS[::-1]))
        if stops:
            say(f"  {stops} holders stopped past their lease")
    return result


class _Panel:
    def __init__(self, listener: Listener, agents: dict[str, WorkerProcess], result: Handoffs) -> None:
        self._listener = listener
        self._agents = agents
        self._result = result
        self._heard_s = 0.0

    async def pre_empt_and_hand_over(self, first: str, second: str) -> None:
        """`first` speaks at length, `second` cuts in with a short turn and hands back to `first`."""
        self._listener.clear()
        await self._ask(first, LONG)
        await self._audible(first)
        await asyncio.sleep(AMID_S)
        await self._ask(second, SHORT, urgent=True)
        await self._audible(second)
        await self._ask(first, SHORT)
        await self._audible(first)
        await asyncio.sleep(SHORT / 10 + 0.5)
        heard = self._heard(first, second)
        try:
            (cut, answer), (urgent,) = heard[first], heard[second]
        except ValueError:
            self._result.failures.append(f"not three turns: {heard}")
            return
        self._result.pre_emptions += 1
        self._result.hand_overs += 1
        self._result.pre_emption_gaps_ms.append((urgent.from_s - cut.to_s) * 1000)
        self._result.hand_over_gaps_ms.append((answer.from_s - urgent.to_s) * 1000)

    async def stop_and_wake(self, first: str, second: str) -> None:
        """`first` is stopped amid its turn until its lease is over and `second` speaks; then it wakes."""
        self._listener.clear()
        await self._ask(first, LONG)
        await self._audible(first)
        await asyncio.sleep(AMID_S)
        await self._ask(second, SHORT * 5)
        os.killpg(self._agents[first].pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(STOPPED_S)
            await self._audible(second)
        finally:
            os.killpg(self._agents[first].pid, signal.SIGCONT)
        await asyncio.sleep(SHORT * 5 / 10 + 0.5)
        self._heard(first, second)
        self._result.stops += 1

    async def _ask(self, name: str, words: int, *, urgent: bool = False) -> None:
        await self._agents[name].ask(do="ask", words=words, urgent=urgent)

    async def _audible(self, name: str) -> None:
        """Return when `name` is heard after whoever was heard last."""
        try:
            self._heard_s = await self._listener.wait_audible(
                name, after_s=self._heard_s, limit_s=HEARD_LIMIT_S
            )
        except TimeoutError:
            raise ContenderError(f"{name} was granted no floor, or was not heard") from None

    def _heard(self, first: str, second: str) -> dict[str, list[Interval]]:
        """Return the turns that were heard, and count the time in which both were audible."""
        tracks = {name: self._listener.tracks[name] for name in (first, second)}
        both_ms = overlap_ms(audible_intervals(tracks[first]), audible_intervals(tracks[second]))
        self._result.overlap_ms += both_ms
        turns = {name: audible_intervals(track, bridge_ms=BRIDGE_MS) for name, track in tracks.items()}
        if both_ms:
            self._result.failures.append(f"both audible for {both_ms:.0f} ms: {turns}")
        return turns

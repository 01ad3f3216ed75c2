"""What a turn costs where nobody else wants the floor, beside a PING; how soon the pre-empted know."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis.asyncio
from floor_contenders import ASYNC_PEERS, OURS, THREADED_PEERS, opened, opened_threaded
from report import median

from streams.connection import redis_client
from swarm.participant import Participant
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from multiprocessing.connection import Connection

BLOCK = 25
"""Measured in a row before it is the next one's turn."""
SETTLES_S = 0.001
"""After each: whoever reads about it has done so."""
PING = "ping"
"""By the client that the stick uses."""
PLAIN_PING = "ping of a default client"
ROOM = "room-0"


@dataclass(slots=True)
class Alone:
    """Medians by name, in us."""

    us: dict[str, float] = field(default_factory=dict[str, float])
    scripts_per_turn: float = 0.0
    """Ours: script calls, by the server's count."""

    def over_ping(self, name: str) -> float:
        return self.us[name] / self.us[PING]


async def measure_alone(url: str, peers: Sequence[str], *, count: int) -> Alone:
    """Measure the acquisition of ours and of the peers and PINGs, `count` of each, in turns of BLOCK."""
    async with AsyncExitStack() as stack:
        client, plain = redis_client(url), redis.asyncio.Redis.from_url(url)
        stack.push_async_callback(client.aclose)
        stack.push_async_callback(plain.aclose)
        measures: dict[str, Callable[[], Awaitable[float]]] = {
            PING: lambda: _timed(client.ping()),
            PLAIN_PING: lambda: _timed(plain.ping()),
        }
        for kind in (OURS, *peers):
            if kind in THREADED_PEERS:
                enter = opened_threaded(kind, url)
                measures[kind] = lambda enter=enter, kind=kind: _blocking(enter(f"alone-{kind}", kind))
            elif kind == OURS or kind in ASYNC_PEERS:
                enter = await stack.enter_async_context(opened(kind, url, [ROOM]))
                measures[kind] = lambda enter=enter, kind=kind: _entered(enter, kind)
        took: dict[str, list[float]] = {name: [] for name in measures}
        for measure in measures.values():  # connects, loads scripts
            for _ in range(BLOCK):
                await measure()
        gc.collect()
        gc.freeze()
        scripts = 0
        for _ in range(max(1, count // BLOCK)):
            for name, measure in measures.items():
                before = await _scripts(plain) if name == OURS else 0
                for _ in range(BLOCK):
                    took[name].append(await measure())
                    await asyncio.sleep(SETTLES_S)
                scripts += await _scripts(plain) - before if name == OURS else 0
        gc.unfreeze()
    return Alone(
        {name: (median(values) or 0.0) * 1e6 for name, values in took.items()}, scripts / len(took[OURS])
    )


async def _scripts(client: Any) -> int:
    stats = await client.info("commandstats")
    return stats.get("cmdstat_evalsha", {}).get("calls", 0)


async def _timed(call: Awaitable[Any]) -> float:
    begun_s = time.perf_counter()
    await call
    return time.perf_counter() - begun_s


async def _entered(enter: Any, kind: str) -> float:
    begun_s = time.perf_counter()
    async with enter(ROOM if kind == OURS else f"alone-{kind}", kind):
        return time.perf_counter() - begun_s


async def _blocking(lock: Any) -> float:
    begun_s = time.perf_counter()
    with lock:
        return time.perf_counter() - begun_s


def measure_preemptions(url: str, *, count: int) -> list[float]:
    """Return how long each of `count` pre-emptions took from the call to the holder's process, in ms."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process: Any = context.Process(target=_hold_again_and_again, args=(url, count, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        return asyncio.run(_preempt(url, count, ours))
    finally:
        process.join(2.0)
        if process.is_alive():
            process.kill()
            process.join()


async def _preempt(url: str, count: int, link: Connection) -> list[float]:
    person, took_ms = Participant("person"), list[float]()
    async with TalkingStick.connect(url, "preempted") as stick:
        for _ in range(count):
            token = await asyncio.to_thread(link.recv)
            await asyncio.sleep(SETTLES_S * 10)
            begun_s = time.monotonic()
            await stick.preempt(person, token)
            took_ms.append((await asyncio.to_thread(link.recv) - begun_s) * 1000)
            await stick.person_silent(person)
    return took_ms


def _hold_again_and_again(url: str, count: int, link: Connection) -> None:
    asyncio.run(_hold(url, count, link))


async def _hold(url: str, count: int, link: Connection) -> None:
    lost_s: list[float] = []
    async with TalkingStick.connect(url, "preempted") as stick:
        gc.freeze()
        for _ in range(count):
            async with stick.hold(Participant("agent")) as grant:
                grant.on_lost(lambda _: lost_s.append(time.monotonic()))
                link.send(grant.token)
                await grant.lost
            link.send(lost_s[-1])

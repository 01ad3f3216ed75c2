"""What the floor costs, and how soon it changes hands: ours and its peers, on the same Redis, in one run.

Peers are redis-py's asyncio Lock at its defaults, pottery's AIORedlock, python-redis-lock and walrus. They
lock; none of them is fair or fenced, and none writes down what happened.

Hand-overs: 64 contenders hold for 50 ms and think for 200 ms, in processes of their own; from the moment
before the holder gives back to the next one running, where somebody waited. All of them ask at once at first,
as agents do who hear the same sentence end; `scattered`, each at a time of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING

from beside import PingBeside
from floor_alone import measure_alone, measure_preemptions
from floor_contenders import OURS, PEERS, Contest
from floor_contests import ContestError, Outcome, run_contest
from floor_document import tables, write
from floor_figures import Measured, figures
from floor_picture import draw
from report import environment, ping_verdict, show

from swarm.embedded_redis import EmbeddedRedis
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RUNS = 3
SECTIONS = ("acquire", "handoff", "processes", "preempt", "rate", "rooms", "contenders")
MODULES = {"redis-py": "redis", "pottery": "pottery", "python-redis-lock": "redis_lock", "walrus": "walrus"}
PACKAGES = ("redis", "hiredis", "pottery", "python-redis-lock", "walrus")
CONTENDERS = 64
ROOMS = (1, 10, 100, 1000)
CROWDS = (2, 4, 16, 64, 256)
MOST_BUSY = 10
"""Rooms contended for at a time, where many are listened to."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done in a run."""

    handoff_s: float
    rate_s: float
    cost_s: float
    acquisitions: int
    preemptions: int
    processes: tuple[int, ...]
    rooms: tuple[int, ...]
    crowds: tuple[int, ...]


FULL = Size(20.0, 5.0, 6.0, 500, 200, (8, 64), ROOMS, CROWDS)
QUICK = Size(2.5, 1.5, 1.5, 100, 60, (8,), ROOMS[:3], (2, 64))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Bench:
    """One Redis, and what was measured on it."""

    url: str
    size: Size
    peers: Sequence[str]
    seed: int = 1
    measured: Measured = field(default_factory=Measured)

    def contest(self, kind: str, processes: int, lasts_s: float, **more: object) -> Outcome | None:
        """Run a contest; one that fails is noted."""
        contest = Contest(kind, self.url, processes=processes, lasts_s=lasts_s, seed=self.seed, **more)  # type: ignore[arg-type]
        try:
            outcome = run_contest(contest)
        except ContestError as error:
            self.measured.failures.append(f"{kind}, {processes} processes: {error}")
            say(f"  {self.measured.failures[-1]}")
            return None
        p50, p99 = outcome.p(0.5), outcome.p(0.99)
        shown = "no hand-over" if p50 is None else f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"
        say(
            f"  {kind}, {processes} processes, {contest.contenders} contenders: {outcome.held} turns, {shown}"
        )
        return outcome

    def acquire(self, run: int) -> None:
        self.measured.alone.append(
            asyncio.run(measure_alone(self.url, self.peers, count=self.size.acquisitions))
        )

    def handoff(self, run: int) -> None:
        kinds = (OURS, *self.peers)
        turned = run % len(kinds)
        for kind in (*kinds[turned:], *kinds[:turned]):
            outcome = self.contest(kind, 2, self.size.handoff_s, contenders=CONTENDERS)
            self.measured.add("handoff", kind, outcome)
        for kind in {OURS, "redis-py"} & set(kinds):
            outcome = self.contest(kind, 2, self.size.handoff_s, contenders=CONTENDERS, scattered=True)
            self.measured.add("scattered", kind, outcome)

    def processes(self, run: int) -> None:
        for processes in self.size.processes:
            outcome = self.contest(OURS, processes, self.size.handoff_s, contenders=CONTENDERS)
            self.measured.add("processes", str(processes), outcome)

    def preempt(self, run: int) -> None:
        self.measured.preemptions_ms.append(measure_preemptions(self.url, count=self.size.preemptions))

    def rate(self, run: int) -> None:
        for kind in (OURS, *self.peers):
            outcome = self.contest(
                kind, 2, self.size.rate_s, contenders=2, rooms=50, busy_rooms=50, hold_s=0.0, think_s=0.0
            )
            self.measured.add("rate", kind, outcome)

    def rooms(self, run: int) -> None:
        for rooms in self.size.rooms:
            busy = min(rooms, MOST_BUSY)
            outcome = self.contest(
                OURS, 2, self.size.cost_s, contenders=2, rooms=rooms, busy_rooms=busy, think_s=0.01
            )
            self.measured.add("rooms", str(rooms), outcome)

    def contenders(self, run: int) -> None:
        for contenders in self.size.crowds:
            outcome = self.contest(OURS, 2, self.size.cost_s, contenders=contenders, think_s=0.01)
            self.measured.add("contenders", str(contenders), outcome)


def measure(bench: Bench, sections: Sequence[str], runs: int) -> list[float]:
    """Run the sections `runs` times; return the PINGs beside them, in us."""
    parts: dict[str, Callable[[int], None]] = {name: getattr(bench, name) for name in SECTIONS}
    pings_us: list[float] = []
    for run in range(runs):
        for name in sections:
            pings_us.append(asyncio.run(_ping()))
            begun_s = time.monotonic()
            say(f"run {run + 1} of {runs}, {name}")
            parts[name](run)
            say(f"  took {time.monotonic() - begun_s:.0f} s")
    pings_us.append(asyncio.run(_ping()))
    return pings_us


async def _ping() -> float:
    async with PingBeside() as beside:
        return statistics.median([await beside.measure() for _ in range(3)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    parser.add_argument("--quick", action="store_true", help="one short run, under a minute")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, metavar="PEER")
    parser.add_argument("--redis-server", metavar="PATH", help="the server to use; else the bundled one")
    parser.add_argument("--picture", metavar="PATH", help="draw the hand-overs into this file")
    parser.add_argument("--document", metavar="PATH", help="put the table between the marks of this file")
    options = parser.parse_args()
    missing = [peer for peer in options.peers if find_spec(MODULES[peer]) is None]
    peers = [peer for peer in options.peers if peer not in missing]
    size, runs = (QUICK, 1) if options.quick else (FULL, max(1, options.runs))
    server = EmbeddedRedis(tcp=True, binaries=[options.redis_server] if options.redis_server else None)
    try:
        with server:
            bench = Bench(server.url, size, peers, options.seed)
            pings_us = measure(bench, options.only, runs)
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
    except SettingError as error:
        say(str(error))
        sys.exit(2)
    measured = bench.measured
    measured.failures += [f"{peer} is not installed: left out" for peer in missing]
    where = environment(
        PACKAGES,
        redis_server=server.version,
        runs=runs,
        quick=options.quick,
        failures=measured.failures,
        **ping_verdict(pings_us),
    )
    found = figures(measured)
    if options.picture:
        draw(measured, options.picture)
    if options.document:
        write(options.document, tables(found, where))
    show("floor", found, where, as_json=options.json)
    if not options.json:
        for failure in measured.failures:
            print(f"  {failure}")


if __name__ == "__main__":
    main()

"""What the record costs: publishing and consuming beside bare redis-py and FastStream, on one Redis.

Every contender reads the same entries, 100 at a time. Ours decodes and validates each into a typed event,
checks seq, and keeps the room's order among the members of its group. FastStream's handler takes a typed
event too, of the one type that there is, in batches a list of them; `faststream, dicts` and bare XREADGROUP
with XACK hand over what is there, unchecked. In batches bare redis-py itself is not five times FastStream.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections import defaultdict
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from beside import PingBeside
from report import Figure, environment, median, ping_verdict, ratio, show
from stream_contenders import (
    DICTS,
    FASTSTREAM,
    OURS,
    RAW,
    consume_faststream,
    consume_ours,
    consume_raw,
    fill,
    publish,
    publish_pipelined,
)

from swarm.embedded_redis import EmbeddedRedis
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 3
FULL, QUICK = 10_000, 2_000
"""Events consumed by each contender in a run; a fifth of them are published one by one."""
SECTIONS = ("publish", "consume")
CONSUMERS = {
    OURS: consume_ours,
    RAW: consume_raw,
    FASTSTREAM: partial(consume_faststream, typed=True),
    DICTS: partial(consume_faststream, typed=False),
}

Measured = dict[str, dict[str, list[float]]]
"""What was measured, by whom, in us an event: one number a run."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def measure(url: str, number: int, run: int, sections: list[str], measured: Measured) -> None:
    if "publish" in sections:
        for name, us in (await publish(url, number // 5)).items():
            measured["publish"][name].append(us)
        for name, us in (await publish_pipelined(url, number)).items():
            measured["publish pipelined"][name].append(us)
    if "consume" in sections:
        length = await fill(url, number)
        names = [name for name in CONSUMERS if name in (OURS, RAW) or find_spec("faststream")]
        for what, batched in (("consume", False), ("consume batched", True)):
            for name in (*names[run % len(names) :], *names[: run % len(names)]):
                us = await CONSUMERS[name](url, length, batched=batched)
                measured[what][name].append(us)
                say(f"  {what}, {name}: {us:.1f} us an event")


def figures(measured: Measured) -> list[Figure]:
    def figure(
        name: str,
        what: str,
        of: Callable[[float | None, float | None], float | None],
        peer: str,
        **goal: object,
    ) -> Figure:
        by_name = measured.get(what, {})
        ours, theirs = by_name.get(OURS, []), by_name.get(peer, [])
        runs = [of(one, other) for one, other in zip(ours, theirs, strict=False)]
        peers = {f"{who}, us an event": median(us) for who, us in by_name.items()}
        note = "" if runs else f"{peer} was not measured"
        return Figure(name, median(runs), "", peers, runs, note=note, **goal)  # type: ignore[arg-type]

    def share(ours: float | None, theirs: float | None) -> float | None:
        return ratio(theirs, ours)

    return [
        figure("publish_over_xadd", "publish", ratio, RAW, goal=1.3),
        figure("pipelined_share_of_xadd", "publish pipelined", share, RAW, goal=0.65, at_least=True),
        figure("consume_share_of_raw", "consume", share, RAW, goal=0.8, at_least=True),
        figure("consume_batched_share_of_raw", "consume batched", share, RAW, goal=0.5, at_least=True),
        figure("consume_over_faststream", "consume", share, FASTSTREAM, goal=2.0, at_least=True),
        figure(
            "consume_batched_over_faststream", "consume batched", share, FASTSTREAM, goal=5.0, at_least=True
        ),
    ]


async def measure_all(url: str, number: int, runs: int, sections: list[str]) -> tuple[Measured, list[float]]:
    measured: Measured = defaultdict(lambda: defaultdict(list))
    async with PingBeside() as beside:
        for run in range(runs):
            say(f"run {run + 1} of {runs}")
            statistics.median([await beside.measure() for _ in range(3)])
            await measure(url, number, run, sections, measured)
        await beside.measure()
        return measured, beside.pings_us


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    parser.add_argument("--quick", action="store_true", help="one short run")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--redis-server", metavar="PATH", help="the server to use; else the bundled one")
    options = parser.parse_args()
    number, runs = (QUICK, 1) if options.quick else (FULL, max(1, options.runs))
    binaries = [options.redis_server] if options.redis_server else None
    try:
        with EmbeddedRedis(tcp=True, binaries=binaries) as server:
            measured, pings_us = asyncio.run(measure_all(server.url, number, runs, options.only))
            version = server.version
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
    except SettingError as error:
        say(str(error))
        sys.exit(2)
    where = environment(
        ("redis", "hiredis", "faststream", "pydantic"),
        redis_server=version,
        runs=runs,
        quick=options.quick,
        **ping_verdict(pings_us),
    )
    show("stream", figures(measured), where, as_json=options.json)


if __name__ == "__main__":
    main()

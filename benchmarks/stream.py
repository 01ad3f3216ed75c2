"""What the record costs: publishing, consuming, following many rooms, and its figures; all in one run.

Publishing and consuming stand beside bare redis-py and FastStream, on one Redis, in small turns. Every
contender reads the same entries, 100 at a time, and acknowledges in the same way: each by itself, or each
batch of 100. Ours decodes and validates each into a typed event, checks seq, and keeps the room's order among
the members of its group. FastStream's handler takes a typed event too, of the one type that there is, in
batches a list of them, each with its envelope;
`faststream, dicts` and bare XREADGROUP with XACK hand over what is there, unchecked.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import stream_archive
from beside import PingBeside
from floor_document import tables, write
from report import environment, ping_verdict, show
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
from stream_fanin import FanIn, OneNodeCluster, wakes
from stream_figures import HINTS, XREAD, Measured, figures
from stream_picture import draw
from stream_stats import command, live_us

from swarm.embedded_redis import EmbeddedRedis
from swarm.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_contenders import Meter

RUNS = 3
TURN = 2_000
"""Entries that each contender consumes before it is another's turn."""
SECTIONS = ("publish", "consume", "fan_in", "stats", "live")
EVENTS_PER_S = 2_000.0
CONSUMERS = {
    OURS: consume_ours,
    RAW: consume_raw,
    FASTSTREAM: partial(consume_faststream, typed=True),
    DICTS: partial(consume_faststream, typed=False),
}
PACKAGES = ("redis", "hiredis", "faststream", "pydantic", "duckdb")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def publish_section(url: str, number: int, measured: Measured) -> None:
    for name, us in (await publish(url, number // 5)).items():
        measured.us["publish"][name].append(us)
    for name, us in (await publish_pipelined(url, number)).items():
        measured.us["publish pipelined"][name].append(us)


async def consume_section(url: str, number: int, run: int, measured: Measured) -> None:
    """Have every contender read the same entries, each in a group of its own, in small turns.

    What else the machine does then falls on all of them; the first of a turn is another one each time.
    """
    turns = max(1, number // TURN)
    length = await fill(url, number // turns)
    names = [name for name in CONSUMERS if name in (OURS, RAW) or find_spec("faststream")]
    for what, batched in (("consume", False), ("consume batched", True)):
        took: dict[str, list[Meter]] = {name: [] for name in names}
        for turn in range(turns):
            first = (run + turn) % len(names)
            for name in (*names[first:], *names[:first]):
                took[name].append(await CONSUMERS[name](url, length, batched=batched))
        for name, meters in took.items():
            us = statistics.median(meter.us for meter in meters)
            measured.us[what][name].append(us)
            processor_us = statistics.median(meter.processor_us for meter in meters)
            measured.processor_us[what][name].append(processor_us)
            say(f"  {what}, {name}: {us:.1f} us an event, of the processor {processor_us:.1f}")


async def fan_in_section(url: str, options: argparse.Namespace, measured: Measured) -> None:
    for rooms in options.rooms:
        asked = FanIn(rooms, EVENTS_PER_S, options.fan_in_s)
        measured.wakes[XREAD, rooms].append(await wakes(url, asked))
        with OneNodeCluster() as cluster:
            measured.wakes[HINTS, rooms].append(await wakes(cluster.url, asked))


async def measure(
    url: str, archives: dict[int, Path], options: argparse.Namespace
) -> tuple[Measured, list[float]]:
    measured = Measured()
    async with PingBeside() as beside:
        for run in range(options.runs):
            for section in options.only:
                await beside.measure()
                say(f"run {run + 1} of {options.runs}, {section}")
                match section:
                    case "publish":
                        await publish_section(url, options.events, measured)
                    case "consume":
                        await consume_section(url, options.events, run, measured)
                    case "fan_in":
                        await fan_in_section(url, options, measured)
                    case "stats":
                        for events, archive in archives.items():
                            measured.commands[events].append(await asyncio.to_thread(command, archive))
                    case _:
                        measured.live.append(live_us())
        await beside.measure()
    return measured, beside.pings_us


def made(sizes: Sequence[int], folder: Path) -> dict[int, Path]:
    """Return an archive of each size: those of an earlier run in that folder, and new ones."""
    archives: dict[int, Path] = {}
    for events in sizes:
        archives[events] = folder / f"archive-{events}.duckdb"
        if not archives[events].exists():
            say(f"making an archive of {events:,} events")
            unfinished = folder / f"unfinished-{events}.duckdb"
            unfinished.unlink(missing_ok=True)
            stream_archive.make(unfinished, events)
            unfinished.rename(archives[events])
    return archives


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    parser.add_argument("--quick", action="store_true", help="one short run, under a minute")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--events", type=int, default=10_000, help="published and consumed in a run")
    parser.add_argument("--rooms", type=int, nargs="+", default=[10, 100, 300, 1_000])
    parser.add_argument("--fan-in-s", type=float, default=5.0, help="how long each number of rooms is read")
    parser.add_argument("--archives", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--archive-folder", type=Path, help="keep the archives here, and use those there")
    parser.add_argument("--redis-server", metavar="PATH", help="the server to use; else the bundled one")
    parser.add_argument("--picture", metavar="PATH", help="draw what rooms and events cost into this file")
    parser.add_argument("--document", metavar="PATH", help="put the table between the marks of this file")
    options = parser.parse_args()
    options.runs = max(1, options.runs)
    if options.quick:
        options.runs, options.events, options.fan_in_s = 1, 2_000, 1.0
        options.rooms, options.archives = [10, 300], [100_000]
    return options


def main() -> None:
    options = parsed()
    binaries = [options.redis_server] if options.redis_server else None
    server = EmbeddedRedis(tcp=True, binaries=binaries)
    try:
        with tempfile.TemporaryDirectory(prefix="swarm-stream-") as folder, server:
            sizes = options.archives if "stats" in options.only else []
            archives = made(sizes, options.archive_folder or Path(folder))
            measured, pings_us = asyncio.run(measure(server.url, archives, options))
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
    except SettingError as error:
        say(str(error))
        sys.exit(2)
    where = environment(
        PACKAGES,
        redis_server=server.version,
        runs=options.runs,
        quick=options.quick,
        **ping_verdict(pings_us),
    )
    found = figures(measured)
    if options.picture:
        draw(measured, options.picture)
    if options.document:
        write(options.document, tables(found, where), "stream")
    show("stream", found, where, as_json=options.json)


if __name__ == "__main__":
    main()

"""What `swarm stats` takes over a DuckDB archive of 10 million events, and what it costs on a live stream.

Run: uv run python benchmarks/stats.py [--json] [--events N] [--runs N] [--archive FILE]

The archive is made before the runs (a minute and 0.8 GB for 10 million events), or taken from --archive.
What is timed is the whole command, from its start to its end, in a process of its own; its memory is the most
that the kernel saw resident. The live figure is the fold alone, on a recorded run of the demo; a peer beside
it is the decoding of the same entries, which every reader of a stream pays.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import stats_archive
from beside import PingBeside
from report import Figure, environment, median, ping_verdict, show

from streams.codec import decode_entry, encode_entry
from swarm.analytics import LiveTally

if TYPE_CHECKING:
    from streams.events import Recorded

EVENTS, RUNS = 10_000_000, 3
LIMIT_S, LIMIT_MB, LIVE_LIMIT_US = 10.0, 1024.0, 50.0
RECORDED = Path(__file__).parents[1] / "tests" / "analytics" / "demo_events.jsonl"
LIVE_ROUNDS = 200


def command(archive: Path) -> dict[str, float]:
    """Run `swarm stats --archive FILE --json` once and return what it took."""
    swarm = Path(sys.executable).with_name("swarm")
    begun_s = time.perf_counter()
    arguments = [str(swarm), "stats", "--archive", str(archive), "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        document = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"swarm stats ended with {process.returncode}")
    return {
        "s": time.perf_counter() - begun_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "mb": usage.ru_maxrss / 1024,
        "events": document["events"],
    }


def recorded() -> list[Recorded]:
    entries: list[Recorded] = []
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        fields: dict[str, Any] = json.loads(line)
        entry_id, fields["data"] = fields.pop("id"), json.dumps(fields["data"])
        if "late" in fields:
            fields["late"] = "1"
        entries.append(decode_entry(entry_id, {name: str(value) for name, value in fields.items()}))
    return entries


def live_us(entries: list[Recorded]) -> tuple[float, float]:
    """Return what one event costs: the fold, and decoding it before."""
    raw = [(entry.id, encode_entry(entry)) for entry in entries]
    folded_s = decoded_s = 0.0
    for _ in range(LIVE_ROUNDS):
        begun_s = time.perf_counter()
        decoded = [decode_entry(entry_id, fields) for entry_id, fields in raw]
        decoded_s += time.perf_counter() - begun_s
        tally = LiveTally()
        begun_s = time.perf_counter()
        for entry in decoded:
            tally.feed(entry)
        folded_s += time.perf_counter() - begun_s
    count = LIVE_ROUNDS * len(entries)
    return folded_s / count * 1e6, decoded_s / count * 1e6


async def measure(archive: Path, runs: int) -> tuple[list[Figure], dict[str, Any]]:
    entries, commands, live = recorded(), list[dict[str, float]](), list[tuple[float, float]]()
    async with PingBeside() as beside:
        for _ in range(runs):
            await beside.measure()
            commands.append(await asyncio.to_thread(command, archive))
            live.append(live_us(entries))
        await beside.measure()
    events = commands[0]["events"]
    full = events >= EVENTS
    about = environment(("duckdb", "pydantic"), events=int(events), **ping_verdict(beside.pings_us))
    note = "" if full else f"of {events:,.0f} events only"
    if not note and about["load_1_min"] > (about["cpus"] or 1):
        note = f"other work on the machine: load {about['load_1_min']} on {about['cpus']} cores"
    figures = [
        Figure(
            "stats_10m_s",
            median(run["s"] for run in commands),
            "s",
            peers={"processor time": median(run["cpu_s"] for run in commands)},
            runs=[run["s"] for run in commands],
            goal=LIMIT_S if full else None,
            note=note,
        ),
        Figure(
            "stats_10m_peak_mb",
            median(run["mb"] for run in commands),
            "MB",
            runs=[run["mb"] for run in commands],
            goal=LIMIT_MB if full else None,
            note=note,
        ),
        Figure(
            "live_stats_us",
            median(folded for folded, _ in live),
            "us",
            peers={"decoding the entry": median(decoded for _, decoded in live)},
            runs=[folded for folded, _ in live],
            goal=LIVE_LIMIT_US,
        ),
    ]
    return figures, about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--archive", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stats-benchmark-") as folder:
        archive = given.archive or Path(folder) / "archive.duckdb"
        if not archive.exists():
            stats_archive.make(archive, given.events)
        figures, about = asyncio.run(measure(archive, given.runs))
    show("swarm stats", figures, about, as_json=given.json)


if __name__ == "__main__":
    main()

"""What `swarm stats` takes over a DuckDB archive, and what its figures cost on a live stream.

What is timed is the whole command, from its start to its end, in a process of its own; its memory is the
most that the kernel saw resident. The live figure is the fold alone, on a recorded run of the demo; beside it
stands the decoding of the same entries, which every reader of a stream pays.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.codec import decode_entry, encode_entry
from swarm.analytics import LiveTally

if TYPE_CHECKING:
    from streams.events import Recorded

RECORDED = Path(__file__).parents[1] / "tests" / "analytics" / "demo_events.jsonl"
LIVE_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Command:
    """What one run of the command took."""

    took_s: float
    processor_s: float
    peak_mb: float
    events: int


def command(archive: Path) -> Command:
    """Run `swarm stats --archive FILE --json` once.

    Raises:
        RuntimeError: it failed.
    """
    swarm = Path(sys.executable).with_name("swarm")
    arguments = [str(swarm), "stats", "--archive", str(archive), "--json"]
    begun_s = time.perf_counter()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        document = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"swarm stats ended with {process.returncode}")
    return Command(
        time.perf_counter() - begun_s,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
        document["events"],
    )


def live_us() -> tuple[float, float]:
    """Return what one event costs in us: the fold, and decoding it before."""
    raw = [(entry.id, encode_entry(entry)) for entry in _recorded()]
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
    count = LIVE_ROUNDS * len(raw)
    return folded_s / count * 1e6, decoded_s / count * 1e6


def _recorded() -> list[Recorded]:
    entries: list[Recorded] = []
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        fields: dict[str, Any] = json.loads(line)
        entry_id, fields["data"] = fields.pop("id"), json.dumps(fields["data"])
        if "late" in fields:
            fields["late"] = "1"
        entries.append(decode_entry(entry_id, {name: str(value) for name, value in fields.items()}))
    return entries

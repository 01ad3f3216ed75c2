"""What `swarm stats` takes over a DuckDB archive, and what its figures cost on a live stream.

What is timed is the whole command, from its start to its end, in a process of its own, its modules compiled
as an installer leaves them; its memory is the most that the kernel saw resident. The live figure is the fold
alone, on a recorded run of the demo; beside it stands the decoding of the same entries, which every reader of
a stream pays.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
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


_SMALL_PARENT = """
import json, resource, subprocess, sys, time
begun_s = time.perf_counter()
ended = subprocess.run(sys.argv[1:]).returncode
took_s = time.perf_counter() - begun_s
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([ended, took_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""Linux counts what its parent held when it was forked as a process's own: so the parent must hold little."""


def command(archive: Path) -> Command:
    """Run `swarm stats --archive FILE --json` once.

    Raises:
        RuntimeError: it failed.
    """
    if not any(Path(_bytecode().name).iterdir()):
        _run(archive)
    return _run(archive)


def _run(archive: Path) -> Command:
    swarm = Path(sys.executable).with_name("swarm")
    arguments = [str(swarm), "stats", "--archive", str(archive), "--json"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = _bytecode().name
    parent = [sys.executable, "-ISc", _SMALL_PARENT, *arguments]
    done = subprocess.run(parent, env=environment, stdout=subprocess.PIPE, check=True)
    document, _, used = done.stdout.decode().strip().rpartition("\n")
    ended, took_s, processor_s, peak_mb = json.loads(used)
    if ended:
        raise RuntimeError(f"swarm stats ended with {ended}")
    return Command(took_s, processor_s, peak_mb, json.loads(document)["events"])


@functools.cache
def _bytecode() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="swarm-bytecode-")


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

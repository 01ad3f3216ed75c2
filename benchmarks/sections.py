"""What barge_in.py measures beside its trials: gate, record, hand-overs, false starts; each by itself."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contenders.process import BENCHMARKS, ContenderError
from gate_latency import gate_latencies_ms
from handoffs import measure_handoffs
from published import published
from report import Figure, median, percentile

from tests.engines.livekit import LiveKitServer

if TYPE_CHECKING:
    from collections.abc import Callable

FALSE_STARTS_LIMIT_S = 300.0
HISTORY = 1000


@dataclass(slots=True)
class Sections:
    """Figures that need no peer in a room."""

    figures: list[Figure] = field(default_factory=list[Figure])
    failures: list[str] = field(default_factory=list[str])


async def measure_sections(*, runs: int, quick: bool, say: Callable[[str], None]) -> Sections:
    """Measure all of them; what fails is named, and its figure has no value."""
    sections = Sections()
    for name, section in (
        ("gate", _gate),
        ("record", _published),
        ("hand-overs", _handoffs),
        ("false starts", _false_starts),
    ):
        say(name)
        try:
            sections.figures += await section(sections, runs, quick, say)
        except (ContenderError, TimeoutError, RuntimeError) as error:
            sections.failures.append(f"{name}: {error or type(error).__name__}")
            say(f"  {sections.failures[-1]}")
    return sections


async def _gate(sections: Sections, runs: int, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    measured = [await gate_latencies_ms(count=40 if quick else 100) for _ in range(runs)]
    return [
        Figure(
            "gate_p99_ms",
            percentile([ms for run in measured for ms in run], 0.99),
            "ms",
            runs=[percentile(run, 0.99) for run in measured],
            goal=2.0,
            note="deciding inference to first frame refused, 50 tasks of 0.2 ms on the loop",
        )
    ]


async def _published(sections: Sections, runs: int, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    count = 10 if quick else 30
    far = [await published(count=count, far=True) for _ in range(runs)]
    near = [await published(count=count) for _ in range(runs)]
    long = await published(count=count * runs, history=HISTORY)  # filling takes half a minute: once
    return [
        Figure(
            "interruption_published_rtts",
            median(rtts for run in far for rtts in run.rtts),
            "round trips",
            runs=[median(run.rtts) for run in far],
            goal=2.0,
            note="the model's interrupted to Redis's answer that INTERRUPTION is written, 5 ms each way",
        ),
        Figure(
            "interruption_published_loopback_ms",
            median(ms for run in near for ms in run.took_ms),
            "ms",
            peers={"pings": median(rtts for run in near for rtts in run.rtts)},
            runs=[median(run.took_ms) for run in near],
        ),
        Figure(
            "interrupted_after_1000_events_ms",
            median(long.interrupted_ms),
            "ms",
            peers={"no_history": median(ms for run in near for ms in run.interrupted_ms)},
            runs=[median(long.interrupted_ms[run::runs]) for run in range(runs)],
            goal=5.0,
            note="decision to interrupted=True with 1,000 events in ADK's Redis session service",
        ),
    ]


async def _handoffs(sections: Sections, runs: int, quick: bool, say: Callable[[str], None]) -> list[Figure]:
    async with LiveKitServer() as server:
        heard = await measure_handoffs(server, changes=4 if quick else 50, stops=1 if quick else 10, say=say)
    sections.failures += [f"hand-overs: {failure}" for failure in heard.failures]
    return heard.figures()


async def _false_starts(
    sections: Sections, runs: int, quick: bool, say: Callable[[str], None]
) -> list[Figure]:
    """Both detectors over noise without speech, in a process of its own: it takes a whole core."""
    command = [
        sys.executable,
        str(BENCHMARKS / "false_starts.py"),
        "--json",
        *(["--seeds", "101"] if quick else []),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(FALSE_STARTS_LIMIT_S):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ContenderError(errors.decode(errors="replace").strip()[-500:])
    document: dict[str, Any] = json.loads(output)
    return [
        Figure(
            figure["name"],
            figure["value"],
            figure["unit"],
            peers=figure["peers"],
            runs=figure.get("runs", ()),
            goal=0.0 if figure["name"] == "false_starts_minus_silero" else None,
        )
        for figure in document["figures"]
    ]

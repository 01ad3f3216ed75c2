"""How soon an agent is silent when a person cuts in: ours and its peers, in a real room, in one run.

From the first loud sample that the person pushed to the last loud sample of the agent that a third
participant heard. Every contender says the same speech, runs in a process of its own and is cut off by the
same recordings, in turn. Needs a livekit-server (LIVEKIT_SERVER_BIN, or on PATH).

Contenders: ours in its modes confirm (the default of the swarm; ratios use it) and immediate; livekit
AgentSession as it comes, after its warm-up of 3 s; AgentSession tuned (10 ms frames, interrupted on the
first news of a speaking user, no resuming); ADK's LiveKitRunner on the same offline model, with ears that
report the start of speech (livekit_runner_bare: with ears that do not; nothing cuts it off).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent_voice import agent_speech
from barge_in_figures import CONTENDERS, figures, table
from beside import PingBeside
from contenders.process import ContenderError
from report import environment, ping_verdict, show
from sections import Sections, measure_sections
from trial import TAIL_S, Stage, Trial, stimuli
from trial_options import trial_options, trial_parser

from swarm.stopping import leave
from tests.engines.livekit import LiveKitServer, LiveKitServerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

RUNS = 3
TRIALS = 21
SPEAKS_S = (0.8, 1.5)
"""How long the agent has been audible when the person begins."""
EXTRA = ("livekit_runner_bare",)
PACKAGES = ("livekit", "livekit-agents", "livekit-plugins-silero", "google-adk", "redis", "onnxruntime")


@dataclass(slots=True)
class Measured:
    """What the runs gave."""

    runs: list[list[Trial]] = field(default_factory=list[list[Trial]])
    pings_us: list[float] = field(default_factory=list[float])
    failures: list[str] = field(default_factory=list[str])


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def measure(names: Sequence[str], *, runs: int, trials: int, seed: int) -> Measured:
    """Run everything; `trials` for each contender in all runs together.

    Raises:
        LiveKitServerError: there is no livekit-server.
        ContenderError: a contender does not start.
    """
    measured = Measured()
    chance = random.Random(seed)
    async with AsyncExitStack() as stack:
        beside = await stack.enter_async_context(PingBeside())
        server = await stack.enter_async_context(LiveKitServer())
        stages = [await stack.enter_async_context(Stage(server, name)) for name in names]
        say(f"starting {', '.join(names)}")
        await asyncio.gather(*(stage.begin() for stage in stages))
        # What holds this loop up delays a person's frames, and a detour of 0.4 s makes the agents' jitter
        # buffers wait for the next one: everything is made ready before.
        agent_speech()
        speeches = stimuli()
        gc.collect()
        gc.freeze()
        say("a trial of each that does not count")
        for stage in stages:
            with contextlib.suppress(ContenderError, TimeoutError):
                await stage.trial(speeches[0], SPEAKS_S[0])
            stage.rest_after(TAIL_S)
        for run in range(runs):
            await beside.measure()
            done: list[Trial] = []
            for n in range(run * trials // runs, (run + 1) * trials // runs):
                speech = speeches[n % len(speeches)]
                for stage in (*stages[n % len(stages) :], *stages[: n % len(stages)]):
                    try:
                        trial = await stage.trial(speech, chance.uniform(*SPEAKS_S))
                    except (ContenderError, TimeoutError) as error:
                        measured.failures.append(f"{stage.name}: {str(error) or 'not audible'}")
                        say(f"  {measured.failures[-1]}")
                    else:
                        done.append(trial)
                    stage.rest_after(TAIL_S)
                say(f"run {run + 1} of {runs}, {speech.name}: " + _briefly(done[-len(stages) :]))
            measured.runs.append(done)
            await asyncio.sleep(TAIL_S)
        await beside.measure()
        measured.pings_us = list(beside.pings_us)
    return measured


def _briefly(trials: Sequence[Trial]) -> str:
    shown = {t.contender: t.onset_to_silence_ms for t in trials}
    return ", ".join(f"{name} {'-' if ms is None else round(ms)}" for name, ms in shown.items())


async def everything(options: argparse.Namespace) -> tuple[Measured, Sections]:
    names = options.only or CONTENDERS
    begun = time.monotonic()
    measured = await measure(names, runs=options.runs, trials=options.trials, seed=options.seed)
    say(f"trials took {time.monotonic() - begun:.0f} s")
    sections = Sections()
    if not options.only:
        sections = await measure_sections(runs=options.runs, quick=options.quick, say=say)
    say(f"took {time.monotonic() - begun:.0f} s")
    return measured, sections


def main() -> None:
    contenders = (*CONTENDERS, *EXTRA)
    options = trial_options(
        trial_parser(__doc__, trials=TRIALS, quick_trials=4, runs=RUNS, contenders=contenders)
    )
    try:
        measured, sections = asyncio.run(everything(options))
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
    except (LiveKitServerError, ContenderError) as error:
        say(str(error))
        sys.exit(2)
    where = environment(
        PACKAGES,
        trials=options.trials,
        runs=options.runs,
        seed=options.seed,
        failures=measured.failures + sections.failures,
        **ping_verdict(measured.pings_us),
    )
    if not options.json:
        print(table([trial for run in measured.runs for trial in run]))
    show("figures", figures(measured.runs) + sections.figures, where, as_json=options.json)
    leave(0)


if __name__ == "__main__":
    main()

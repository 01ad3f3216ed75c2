"""What a "yeah" over an agent's speech does to it: ours in every mode beside AgentSession, in a real room.

A person acknowledges what an agent is saying; a third participant records the agent. Counted is the silence
in the 4.5 s from the person's first loud sample on, and whether anything of the speech was lost or came
twice: at the listener, and, of ours, where it was handed over to the track, sample by sample.
What the person says lasts as long as backchannels do (0.3 s to 1 s), is said by espeak-ng, and is known to
every contender's recogniser 150 ms after each word and, finally, 300 ms after the last.

Contenders: ours in its modes `immediate`, `confirm` and `overlap`, with the shipped judge; AgentSession with
resume_false_interruption: as it comes, and tuned (silent after 0.05 s of speech, resuming after 0.5 s), both
with a recogniser that finds no words in an acknowledgement, since any words would cut the agent off; as it
comes with the words; and with the words and min_words 2, deaf to a single "stop" too. Two rooms at a time,
one of ours and one of theirs. Needs a livekit-server (LIVEKIT_SERVER_BIN, or on PATH).
"""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent_voice import agent_speech
from backchannel_figures import NAMES, OURS, PEERS, draw, figures, tables
from backchannel_trial import BackchannelStage, backchannels, outcome
from beside import PingBeside
from contenders.process import ContenderError
from floor_document import write
from report import environment, ping_verdict, show
from trial_options import trial_options, trial_parser

from swarm.stopping import leave
from tests.engines.livekit import LiveKitServer, LiveKitServerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backchannel_trial import Backchannel, Outcome, Taken

RUNS = 3
TRIALS = 6
SPEAKS_S = (0.8, 1.2)
"""How long the agent has been audible when the person begins."""
CONTROLLED = "told_overlap"
"""Speaks once more in each round, while nobody says anything."""
PACKAGES = ("livekit", "livekit-agents", "livekit-plugins-silero", "google-adk", "onnxruntime")


@dataclass(slots=True)
class Measured:
    """What the runs gave."""

    runs: list[list[Outcome]] = field(default_factory=list["list[Outcome]"])
    pings_us: list[float] = field(default_factory=list[float])
    failures: list[str] = field(default_factory=list[str])


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Bench:
    """The rooms, and what they gave."""

    def __init__(self, seed: int) -> None:
        self.failures: list[str] = []
        self._chance = random.Random(seed)

    async def lane(self, stages: Sequence[BackchannelStage], said: Backchannel) -> list[Taken]:
        """Run one trial of each stage, one after another; one that fails is noted."""
        taken: list[Taken] = []
        control = [stage for stage in stages if stage.name == CONTROLLED]
        for n, stage in enumerate([*stages, *control]):
            try:
                speaks_for_s = self._chance.uniform(*SPEAKS_S)
                taken.append(await stage.take(said, speaks_for_s, aloud=n < len(stages)))
            except (ContenderError, TimeoutError) as error:
                self.failures.append(f"{stage.name}: {str(error) or 'not audible'}")
                say(f"  {self.failures[-1]}")
            stage.rest()
        return taken


async def measure(names: Sequence[str], *, runs: int, trials: int, seed: int) -> Measured:
    """Run everything; `trials` for each contender in all runs together.

    Raises:
        LiveKitServerError: there is no livekit-server.
        ContenderError: a contender does not start.
    """
    measured, bench = Measured(), Bench(seed)
    taken: list[list[Taken]] = []
    async with AsyncExitStack() as stack:
        beside = await stack.enter_async_context(PingBeside())
        server = await stack.enter_async_context(LiveKitServer())
        stages = [await stack.enter_async_context(BackchannelStage(server, name)) for name in names]
        say(f"starting {', '.join(names)}")
        for two in zip(stages[::2], [*stages[1::2], None], strict=False):
            await asyncio.gather(*(stage.begin() for stage in two if stage is not None))
        agent_speech()
        said = backchannels()
        gc.collect()
        gc.freeze()
        lanes = [[s for s in stages if s.name in group] for group in (OURS, PEERS)]
        for run in range(runs):
            await beside.measure()
            taken.append([])
            for n in range(run * trials // runs, (run + 1) * trials // runs):
                now = said[n % len(said)]
                turned = [lane[n % len(lane) :] + lane[: n % len(lane)] for lane in lanes if lane]
                async with asyncio.TaskGroup() as tasks:
                    running = [tasks.create_task(bench.lane(lane, now)) for lane in turned]
                for lane in running:
                    taken[-1] += lane.result()
                say(f"run {run + 1} of {runs}, {now.text} {now.ms:.0f} ms")
        await beside.measure()
        measured.pings_us = list(beside.pings_us)
    measured.runs = [[outcome(each) for each in run] for run in taken]
    measured.failures = bench.failures
    return measured


def main() -> None:
    parser = trial_parser(__doc__, trials=TRIALS, quick_trials=2, runs=RUNS, contenders=(*OURS, *PEERS))
    parser.add_argument("--picture", metavar="PATH", help="draw the silences into this file")
    parser.add_argument("--document", metavar="PATH", help="put the tables between the marks of this file")
    options = trial_options(parser)
    begun_s = time.monotonic()
    try:
        measured = asyncio.run(
            measure(
                options.only or (*OURS, *PEERS), runs=options.runs, trials=options.trials, seed=options.seed
            )
        )
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)
    except (LiveKitServerError, ContenderError) as error:
        say(str(error))
        sys.exit(2)
    say(f"took {time.monotonic() - begun_s:.0f} s")
    where = environment(
        PACKAGES,
        trials=options.trials,
        runs=options.runs,
        seed=options.seed,
        failures=measured.failures,
        **ping_verdict(measured.pings_us),
    )
    together = [each for run in measured.runs for each in run]
    found = figures(measured.runs)
    if options.picture:
        draw(together, options.picture)
    if options.document:
        write(options.document, tables(found, together, where), "backchannel")
    if not options.json:
        for each in together:
            print(
                f"  {NAMES[each.contender]:42s} {each.text:18s} silence {each.silence_ms:5.0f} ms, longest "
                f"{each.longest_ms:5.0f}, lost {each.lost_ms:4.0f}, doubled "
                f"{each.doubled_ms:4.0f}, later {each.later_ms:5.0f}{', cut off' if each.cut else ''}"
            )
    show("backchannel", found, where, as_json=options.json)
    leave(0)


if __name__ == "__main__":
    main()

"""The options of the benchmarks that put contenders through trials."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def trial_parser(
    description: str | None, *, trials: int, quick_trials: int, runs: int, contenders: Sequence[str]
) -> argparse.ArgumentParser:
    """Return a parser of what they have in common, with these defaults."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    parser.add_argument("--quick", action="store_true", help=f"one run of {quick_trials} trials")
    parser.add_argument("--trials", type=int, default=trials, help="of each contender, all runs together")
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=contenders, metavar="CONTENDER")
    parser.set_defaults(quick_trials=quick_trials)
    return parser


def trial_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return what was asked for: with `--quick` one run, else a trial in each run at least."""
    options = parser.parse_args()
    if options.quick:
        options.runs, options.trials = 1, options.quick_trials
    options.runs = max(1, min(options.runs, options.trials))
    return options

"""All proofs of the floor by one command: `uv run python -m tests.proofs --full`.

Without `--full` at the size that the test suite runs. `--json` prints one JSON document on stdout; progress
goes to stderr. `--only NAME` (repeatable) runs some of them, `--list` names them. Ends with 1 where a promise
is broken, 2 where something that a proof needs is missing here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from swarm.embedded_redis import EmbeddedRedis
from swarm.errors import SettingError
from tests.proofs import document
from tests.proofs.agreement import agreement, agreement_on_the_fake
from tests.proofs.archiving import archive_in_duckdb, archive_in_postgres
from tests.proofs.away import away
from tests.proofs.cancellation import cancellation
from tests.proofs.clock_steps import client_clock, server_clock
from tests.proofs.delivery import delivery
from tests.proofs.fairness import fairness
from tests.proofs.histories import linearizability
from tests.proofs.mutants import mutants
from tests.proofs.people import people
from tests.proofs.proof import CI, FULL, Proof, Size
from tests.proofs.set_clocks import HOW_TO_GET_IT, compiler
from tests.proofs.storm import storm

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.proofs.proof import Progress

PROOFS: dict[str, Callable[[str, Size, Progress], Awaitable[Proof]]] = {
    "linearizability": linearizability,
    "seeded-faults": mutants,
    "fairness": fairness,
    "cancellation": cancellation,
    "people": people,
    "redis-away": lambda _, size, say: away(size, say),
    "delivery": lambda _, size, say: delivery(size, say),
    "archive": lambda _, size, say: archive_in_duckdb(size, say),
    "archive-postgres": lambda _, size, say: archive_in_postgres(size, say),
    "client-clock": client_clock,
    "server-clock": lambda _, size, say: server_clock(size, say),
    "agreement": agreement,
    "agreement-fake": agreement_on_the_fake,
    "kill-storm": storm,
}
NEEDS_COMPILER = ("client-clock", "server-clock")


async def run(names: list[str], size: Size, say: Progress) -> list[Proof]:
    """Run the proofs one after another, each on a private server of its own."""
    found: list[Proof] = []
    for name in names:
        started_s = time.monotonic()
        say(f"{name} ...")
        with EmbeddedRedis() as server:
            try:
                proof = await PROOFS[name](server.url, size, say)
            except Exception as error:  # the others still count
                traceback.print_exception(error)
                proof = Proof(name, broken=[f"it ended with {error!r}"])
            proof.notes.insert(0, f"Redis {server.version}")
        proof.figure("wall clock", time.monotonic() - started_s, "s")
        say(f"{name}: {'holds' if proof.holds else 'BROKEN'} after {time.monotonic() - started_s:.0f} s")
        for what in proof.broken:
            say(f"{name}: {what}")
        found.append(proof)
    return found


def show(proof: Proof) -> None:
    """Print one proof for people."""
    print(f"\n{proof.name}: {'holds' if proof.holds else 'BROKEN'}")
    for each in proof.figures:
        bound = f"  (bound {each.bound})" if each.bound else ""
        print(f"  {each.name:58} {each.value:>12g} {each.unit}{bound}")
    for what in proof.broken:
        print(f"  broken: {what}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the full size; about half an hour")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--only", action="append", choices=list(PROOFS), metavar="NAME", help="only this one")
    parser.add_argument(
        "--document", type=Path, metavar="PATH", help="put a table of them between the marks of this file"
    )
    parser.add_argument("--list", action="store_true", help="name the proofs")
    options = parser.parse_args()
    if options.list:
        print("\n".join(PROOFS))
        return 0
    if options.document and not document.has_place(options.document):
        parser.error(f"--document {options.document}: no file with {document.BEGINS} and {document.ENDS}")
    names = options.only or list(PROOFS)
    if compiler() is None and set(names) & set(NEEDS_COMPILER):
        print(f"no C compiler, which setting clocks needs: {HOW_TO_GET_IT}", file=sys.stderr)
        return 2
    started_s = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - started_s:7.1f} s  {what}", file=sys.stderr, flush=True)

    try:
        proofs = asyncio.run(run(names, FULL if options.full else CI, say))
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    size = "full" if options.full else "ci"
    if options.document:
        document.write(options.document, proofs, size)
    if options.json:
        environment = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "size": size,
        }
        print(
            json.dumps({"proofs": [each.as_dict() for each in proofs], "environment": environment}, indent=2)
        )
    else:
        for each in proofs:
            show(each)
    return 0 if all(each.holds for each in proofs) else 1

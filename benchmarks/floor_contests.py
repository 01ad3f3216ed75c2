"""A contest run in its processes, and what its turns say: hand-overs, who was overtaken, calls a turn."""

from __future__ import annotations

import json
import multiprocessing
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import redis
from floor_contenders import ENDS_S, OURS, Contest, Turn, contend
from report import median, percentile

from streams import keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

START_LIMIT_S = 60.0
WAITED_S = 0.02
"""Who asked this long before the floor was given back had surely arrived."""
TELLS_APART_S = 0.1
"""Calls that were begun closer than this may arrive in either order: many are made at the same moment."""


class ContestError(RuntimeError):
    """A contest could not be run to its end."""


@dataclass(slots=True)
class Outcome:
    """What a contest gave."""

    contest: Contest
    turns: dict[str, list[Turn]] = field(default_factory=dict[str, "list[Turn]"])
    """By room, as they were held."""
    all_turns: int = 0
    """With those after the time was over."""
    scripts: int = 0
    """Script calls, all processes together."""
    server_us: float = 0.0
    """What a script call took inside the server."""
    overtaken_in_record: int = 0
    """Grants of ours, by the record, while an earlier request of the queue waited."""

    @property
    def held(self) -> int:
        return sum(len(turns) for turns in self.turns.values())

    @property
    def per_s(self) -> float:
        return self.held / self.contest.lasts_s

    @property
    def scripts_per_turn(self) -> float | None:
        return self.scripts / self.all_turns if self.all_turns else None

    def handoffs_ms(self) -> list[float]:
        """Return the time from each giving back to the next one running, where somebody waited already."""
        return [
            (after.held_s - before.gave_back_s) * 1000
            for turns in self.turns.values()
            for before, after in pairwise(turns)
            if after.asked_s < before.gave_back_s - WAITED_S
        ]

    def p(self, share: float) -> float | None:
        return percentile(self.handoffs_ms(), share)

    def overtaken_percent(self) -> float | None:
        """Return the share of turns that were held while somebody waited who had asked before."""
        overtook = max(self.overtaken_in_record, sum(overtaking(turns) for turns in self.turns.values()))
        return 100.0 * overtook / self.held if self.held else None

    def overlaps(self) -> int:
        """Return how often two held at once."""
        return sum(
            after.held_s < before.gave_back_s
            for turns in self.turns.values()
            for before, after in pairwise(turns)
        )

    def acquire_ms(self) -> float | None:
        return median((turn.held_s - turn.asked_s) * 1000 for turns in self.turns.values() for turn in turns)


def overtaking(turns: Sequence[Turn]) -> int:
    """Return how many of the turns were held before one that had been asked for TELLS_APART_S earlier."""
    asked = [turn.asked_s for turn in sorted(turns, key=lambda turn: turn.held_s)]
    later: list[float] = []
    found = 0
    for asked_s in reversed(asked):
        if bisect_left(later, asked_s - TELLS_APART_S):
            found += 1
        later.insert(bisect_left(later, asked_s), asked_s)
    return found


def overtaking_in_record(entries: Iterable[tuple[Any, dict[bytes, bytes]]]) -> int:
    """Return how many grants went to a request while one that was queued before it still waited."""
    waiting: list[str] = []
    found = 0
    for _, fields in entries:
        kind, data = fields[b"type"], json.loads(fields[b"data"])
        if kind == b"FLOOR_QUEUED":
            waiting.append(data["request_id"])
        elif data.get("request_id") in waiting and kind in (b"FLOOR_GRANTED", b"FLOOR_WITHDRAWN"):
            found += kind == b"FLOOR_GRANTED" and waiting[0] != data["request_id"]
            waiting.remove(data["request_id"])
    return found


def run_contest(contest: Contest) -> Outcome:
    """Run the contest on a Redis that is emptied before.

    Raises:
        ContestError: a process failed, did not start or did not end.
    """
    context = multiprocessing.get_context("fork")
    server: Any = redis.Redis.from_url(contest.url)
    server.flushall()
    links: list[Any] = []
    processes: list[Any] = []
    try:
        for n in range(contest.processes):
            ours, theirs = context.Pipe()
            process = context.Process(target=contend, args=(contest, n, theirs), daemon=True)
            process.start()
            theirs.close()
            links.append(ours)
            processes.append(process)
        for link in links:
            _receive(link, START_LIMIT_S)
        server.config_resetstat()
        begins_s = time.monotonic()
        for link in links:
            link.send(begins_s)
        outcome = Outcome(contest)
        for link in links:
            turns, count = _receive(link, contest.lasts_s + 2 * ENDS_S)
            outcome.all_turns += count
            for room, held in turns.items():
                outcome.turns.setdefault(room, []).extend(held)
        called = server.info("commandstats").get("cmdstat_evalsha", {})
        outcome.scripts, outcome.server_us = called.get("calls", 0), called.get("usec_per_call", 0.0)
        if contest.kind == OURS:
            outcome.overtaken_in_record = sum(
                overtaking_in_record(server.xrange(keys.stream(f"room-{room}")))
                for room in range(contest.busy_rooms)
            )
    finally:
        for process in processes:
            process.join(2.0)
            if process.is_alive():
                process.kill()
                process.join()
        server.close()
    for turns in outcome.turns.values():
        turns.sort(key=lambda turn: turn.held_s)
    return outcome


def _receive(link: Any, limit_s: float) -> Any:
    if not link.poll(limit_s):
        raise ContestError(f"a contender's process said nothing for {limit_s:.0f} s")
    try:
        return link.recv()
    except EOFError:
        raise ContestError("a contender's process died") from None

"""Delivery: producers and consumers killed at random, Redis restarted in between, and nothing is missing."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streams import ConversationStream, keys, read_dead_letters
from streams.codec import decode_entry
from streams.connection import redis_client, until_available
from streams.errors import InvalidEventError
from streams.publish_call import PublishCall
from streams.sequence import Sequence, entry_order
from tests.proofs.flow import DEADLY, GROUP, POISON, TRIES, consume, produce, said
from tests.proofs.processes import Workers
from tests.proofs.proof import FULL, Proof
from tests.restartable_redis import RestartableRedis

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams import DeadLetter
    from tests.proofs.processes import Worker
    from tests.proofs.proof import Progress, Size

ACK_EVERY = (1, 20, 100)
PRODUCERS = 2
LOOKS_S = (0.01, 0.05)
DRAINS_S = 120.0


@dataclass(frozen=True, slots=True)
class Flow:
    """How much flows, and how often it is disturbed."""

    events: int
    rooms: int
    kills: int
    """Of producers and consumers, spread evenly over what is written."""
    restarts: int
    """Of Redis, likewise."""
    poison: int
    """Events whose handler always fails; as many entries that break the schema."""
    deadly: int
    """Events that their consumers die of."""
    pause_s: float
    """Between two batches of a producer."""


DAILY = Flow(events=50_000, rooms=8, kills=40, restarts=2, poison=10, deadly=1, pause_s=0.01)
WHOLE = Flow(events=1_000_000, rooms=40, kills=500, restarts=12, poison=100, deadly=5, pause_s=0.01)


async def delivery(size: Size, say: Progress) -> Proof:
    """Let events flow while processes are killed, then hold what was handled against what was written."""
    flow = WHOLE if size is FULL else DAILY
    proof = Proof("delivery while processes die")
    server = RestartableRedis().start()
    try:
        with tempfile.TemporaryDirectory(prefix="swarm-flow-") as directory, Workers() as workers:
            await _Run(proof, flow, server, workers, directory, say).run()
    finally:
        server.remove()
    return proof


class _Run:
    def __init__(
        self,
        proof: Proof,
        flow: Flow,
        server: RestartableRedis,
        workers: Workers,
        directory: str,
        say: Progress,
    ) -> None:
        self._proof = proof
        self._flow = flow
        self._server = server
        self._workers = workers
        self._directory = directory
        self._say = say
        self._chance = random.Random(7)
        self._rooms = [f"flow-{n}" for n in range(flow.rooms)]
        self._redis: Redis = redis_client(server.url)
        self._consumers: list[tuple[Worker, int]] = []
        self._producers: list[Worker] = []
        self._kills = {"consumer": 0, "producer": 0, "Redis": 0}
        self._expected: dict[str, set[tuple[str, str]]] = {
            "handler": set(),
            "schema": set(),
            "unanswered": set(),
        }

    async def run(self) -> None:
        started_s = time.monotonic()
        for ack_every in ACK_EVERY:
            self._start_consumer(ack_every)
        for _ in range(PRODUCERS):
            self._start_producer()
        await self._disturb()
        for producer in self._producers:
            producer.kill()
        flowed_s = time.monotonic() - started_s
        self._say(f"delivery: {await self._written()} written, now handled to the end")
        await self._drained()
        drained_s = time.monotonic() - started_s
        for worker, _ in self._consumers:
            worker.finish()
        for worker, _ in self._consumers:
            await worker.ended(10)
        await self._check()
        await self._redis.aclose()
        for what, kills in self._kills.items():
            self._proof.figure(f"{what} kills", kills)
        self._proof.figure("written after", flowed_s, "s")
        self._proof.figure("handled after", drained_s, "s")

    def _start_consumer(self, ack_every: int) -> None:
        worker = self._workers.start(consume, self._server.url, self._directory, ack_every)
        self._consumers.append((worker, ack_every))

    def _start_producer(self) -> None:
        args = (self._server.url, self._rooms, self._directory, self._flow.pause_s)
        self._producers.append(self._workers.start(produce, *args))

    async def _written(self) -> int:
        async def ask() -> int:
            return sum([await self._redis.xlen(keys.stream(room)) for room in self._rooms])

        return await until_available(ask, 5.0)

    async def _disturb(self) -> None:
        """Kill, restart and poison until enough was written."""
        flow = self._flow
        poison = [POISON] * flow.poison + [DEADLY] * flow.deadly + [""] * flow.poison
        self._chance.shuffle(poison)
        planted = kills = restarts = 0
        while (written := await self._written()) < flow.events:
            await asyncio.sleep(self._chance.uniform(*LOOKS_S))
            if written * (flow.kills + 1) >= (kills + 1) * flow.events:
                kills += 1
                self._kill_one()
            while planted < len(poison) and written * len(poison) >= planted * flow.events:
                await self._plant(poison[planted])
                planted += 1
            if written * (flow.restarts + 1) >= (restarts + 1) * flow.events and restarts < flow.restarts:
                restarts += 1
                self._say(f"delivery: {written} written, Redis is killed")
                self._server.kill()
                await asyncio.sleep(0.1)
                self._server.start()
                self._kills["Redis"] += 1
            self._replace_the_dead()
        for text in poison[planted:]:
            await self._plant(text)

    def _kill_one(self) -> None:
        if self._chance.random() < 0.3:
            at = self._chance.randrange(len(self._producers))
            self._producers.pop(at).kill()
            self._start_producer()
            self._kills["producer"] += 1
        else:
            at = self._chance.randrange(len(self._consumers))
            worker, ack_every = self._consumers.pop(at)
            worker.kill()
            self._start_consumer(ack_every)
            self._kills["consumer"] += 1

    def _replace_the_dead(self) -> None:
        for worker, ack_every in [each for each in self._consumers if not each[0].alive]:
            self._consumers.remove((worker, ack_every))
            self._start_consumer(ack_every)

    async def _plant(self, text: str) -> None:
        room = self._chance.choice(self._rooms)
        if text:
            call = PublishCall.of(said(text), room=room, source="poisoner")
            [outcome] = await ConversationStream(self._redis, room).publish_all([call])
            assert not isinstance(outcome, Exception), outcome
            self._expected["handler" if text == POISON else "unanswered"].add((room, outcome.id))
        else:
            entry_id = await self._redis.xadd(keys.stream(room), {"hello": "world"})
            self._expected["schema"].add((room, str(entry_id)))

    async def _drained(self) -> None:
        """Wait until the group has handled everything, with consumers that live."""
        ends_s = time.monotonic() + DRAINS_S
        while time.monotonic() < ends_s:
            self._replace_the_dead()
            if not await until_available(self._left, 5.0):
                return
            await asyncio.sleep(0.05)
        self._proof.expect(False, f"not handled after {DRAINS_S:.0f} s: {await self._left()}")

    async def _left(self) -> dict[str, int]:
        """Return what is not acknowledged, or not given out, by room."""
        left: dict[str, int] = {}
        for room in self._rooms:
            for group in await self._redis.xinfo_groups(keys.stream(room)):
                newest = await self._redis.xrevrange(keys.stream(room), count=1)
                behind = group["pending"] + (newest[0][0] != group["last-delivered-id"])
                if behind:
                    left[room] = behind
        return left

    async def _check(self) -> None:
        proof, handled, total, twice = self._proof, self._handled(), 0, 0
        confirmed = self._confirmed()
        letters = {room: await read_dead_letters(self._redis, room, count=100_000) for room in self._rooms}
        for room in self._rooms:
            ids, seqs = await self._record(room)
            total += len(ids)
            lost = confirmed.get(room, set()) - ids.keys()
            proof.expect(not lost, f"{room}: {len(lost)} confirmed events are not in the stream")
            given_up = {letter.entry_id for letter in letters[room]}
            entries = handled.get(room, [])
            never = ids.keys() - {entry_id for _, _, entry_id in entries} - given_up
            proof.expect(not never, f"{room}: {len(never)} events were never handled")
            skipped = {seqs[entry_id] for entry_id in given_up & seqs.keys()}
            proof.expect(_in_order(entries, skipped), f"{room}: events were handled out of order")
            twice += len(entries) - len({entry_id for _, _, entry_id in entries})
        self._check_letters(letters)
        missed = [
            line for file in self._files("missed") for line in file.read_text(encoding="utf-8").splitlines()
        ]
        proof.expect(not missed, f"consumers were told of losses: {missed[:3]}")
        proof.expect(total >= self._flow.events, f"only {total} events were written")
        proof.figure("events", total, "", f">= {self._flow.events}")
        proof.figure("confirmed to their producers", sum(len(ids) for ids in confirmed.values()))
        proof.figure("handled again after a kill", twice)
        proof.figure("dead letters", sum(len(found) for found in letters.values()))

    async def _record(self, room: str) -> tuple[dict[str, int], dict[str, int]]:
        """Return the ids of all entries that keep the schema, with their seq; gaps and forks are broken."""
        sequence, after, seqs = Sequence(), "0-0", dict[str, int]()
        while page := await self._redis.xrange(keys.stream(room), min=f"({after}", count=5000):
            after = page[-1][0]
            for entry_id, fields in page:
                try:
                    recorded = decode_entry(entry_id, fields)
                except InvalidEventError:
                    continue
                fault = sequence.observe(recorded)
                self._proof.expect(fault is None, f"{room}: {fault}")
                seqs[entry_id] = recorded.seq
        return seqs, seqs

    def _files(self, kind: str) -> list[Path]:
        return sorted(Path(self._directory).glob(f"{kind}-*"))

    def _handled(self) -> dict[str, list[tuple[int, int, str]]]:
        """Return when which seq and entry was handled, by room, in the order of time."""
        handled: dict[str, list[tuple[int, int, str]]] = {}
        for file in self._files("handled"):
            for line in file.read_text(encoding="utf-8").splitlines():
                at_ns, room, _, seq, entry_id = line.split()
                handled.setdefault(room, []).append((int(at_ns), int(seq), entry_id))
        for entries in handled.values():
            entries.sort()
        return handled

    def _confirmed(self) -> dict[str, set[str]]:
        confirmed: dict[str, set[str]] = {}
        for file in self._files("confirmed"):
            for line in file.read_text(encoding="utf-8").splitlines():
                room, *ids = line.split()
                confirmed.setdefault(room, set()).update(ids)
        return confirmed

    def _check_letters(self, letters: dict[str, list[DeadLetter]]) -> None:
        for reason, expected in self._expected.items():
            found = [
                (room, letter.entry_id)
                for room, of in letters.items()
                for letter in of
                if letter.reason == reason
            ]
            wrong = sorted(set(found) ^ expected, key=lambda each: entry_order(each[1]))
            self._proof.expect(not wrong, f"dead letters ({reason}): {wrong[:3]}")
            self._proof.expect(len(found) == len(set(found)), f"dead letters ({reason}) come twice")
        for of in letters.values():
            for letter in of:
                wanted = 0 if letter.reason == "schema" else TRIES
                self._proof.expect(letter.group == GROUP, f"a dead letter of group {letter.group}")
                self._proof.expect(letter.tries >= wanted, f"given up after {letter.tries} tries")


def _in_order(entries: list[tuple[int, int, str]], skipped: set[int]) -> bool:
    """Whether no seq was handled before one that precedes it; handled again it may be at any time."""
    newest = 0
    for _, seq, _ in entries:
        if seq > newest:
            if any(between not in skipped for between in range(newest + 1, seq)):
                return False
            newest = seq
    return True

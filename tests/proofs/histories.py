"""Histories of clients that use one floor at once, recorded on a real server, and what the checks say."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams import keys
from streams.codec import decode_entry
from streams.connection import redis_client
from swarm import floor_commands as fc
from swarm.floor_script import FloorScript, source
from swarm.floor_state import Floor, FloorSettings
from tests.proofs.linearizable import Call, Order, Search, windows
from tests.proofs.proof import Progress, Proof, Size
from tests.proofs.record_check import RecordCheck

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from swarm.floor_commands import Command

CLIENTS, ROUNDS, CALLS_A_ROUND = 8, 7, 3
SETTINGS = FloorSettings(
    lease_ms=100,
    take_up_ms=60,
    guard_ms=20,
    grace_ms=0,
    max_queue=4,
    age_step_ms=40,
    person_lease_ms=200,
    person_stale_ms=1_000,
    backchannel_ms=50,
)
AGENTS = tuple(f"agent{n}" for n in range(CLIENTS))
PEOPLE = ("paul", "quinn")
CLOCK = "proof:clock_us"
STEPS_S = (10, -10, 10, -10, 1, -1)


def stepping(text: str) -> str:
    """Return the floor script on the server's clock, set forward and back by CLOCK."""
    shown = "redis.call('TIME')"
    assert text.count(shown) == 1
    clock = f"""
local function set_time()
  local time, offset = redis.call('TIME'), tonumber(redis.call('GET', '{CLOCK}') or '0')
  local us = tonumber(time[1]) * 1000000 + tonumber(time[2]) + offset
  return {{string.format('%.0f', math.floor(us / 1000000)), string.format('%.0f', us % 1000000)}}
end
"""
    return clock + text.replace(shown, "set_time()")


@dataclass(slots=True)
class Client:
    """What one client knows of the floor, by which it chooses its next command."""

    name: str
    number: int
    script: FloorScript
    chance: random.Random
    token: int = 0
    """Of its latest grant."""
    seen: int = 0
    """The highest token of anybody."""
    asked: list[str] = field(default_factory=list)

    async def call(self) -> Call:
        command = self._choose()
        sent_s = time.monotonic()
        outcome, outlook = await self.script.run(command, self.name)
        answered_s = time.monotonic()
        self.seen = max(self.seen, outlook.token)
        if isinstance(outcome, fc.Granted) and outcome.participant == self.name:
            self.token = outcome.token
        return Call(self.number, sent_s, answered_s, command, outcome, outlook)

    def _choose(self) -> Command:
        chance, who = self.chance, self.name
        token = chance.choice((self.token, self.token, self.token, self.seen, self.seen - 1))
        person, observer = chance.choice(PEOPLE), f"{who}-ears"
        asked = self.asked[-1] if self.asked else "never-asked"
        draw = chance.random()
        if draw < 0.28 or not self.asked:
            if self.asked and chance.random() < 0.3:
                request_id = asked
            else:
                request_id = f"{who}-{len(self.asked)}"
                self.asked.append(request_id)
            return fc.Request(
                participant=who,
                request_id=request_id,
                priority=chance.randrange(5),
                on_behalf_of=chance.choice(("", "", "", "", chance.choice(AGENTS))),
                observed_token=chance.choice((0, max(0, self.seen))),
                resume_token=chance.choice((0, 0, 0, self.token)),
            )
        release_to = chance.choice(("", "", "", chance.choice(AGENTS)))
        other = chance.choice(AGENTS)
        table: list[tuple[float, Command]] = [
            (0.40, fc.Confirm(participant=who, request_id=asked)),
            (0.48, fc.Renew(participant=who, token=max(0, token), sounding=chance.random() < 0.5)),
            (0.51, fc.Take(participant=who, token=max(0, token))),
            (
                0.68,
                fc.Release(
                    participant=who, token=max(0, token), tail_done=chance.random() < 0.7, to=release_to
                ),
            ),
            (0.73, fc.Withdraw(participant=who, request_id=asked)),
            (0.76, fc.Revoke(by="chair", token=chance.choice((0, max(0, self.seen))))),
            (0.81, fc.Preempt(person=person, observer=observer, observed_token=max(0, self.seen))),
            (0.84, fc.PersonSpeaking(person=person, observer=observer, words=chance.random() < 0.5)),
            (0.90, fc.PersonSilent(person=person, observer=observer)),
            (0.91, fc.Close(by="chair")),
            (0.93, fc.Open(by="chair")),
            (0.94, fc.Deny(by="chair", participant=other)),
            (
                0.955,
                fc.GrantTo(
                    by="chair",
                    participant=other,
                    request_id=f"{who}-grants-{chance.randrange(9)}",
                    now=chance.random() < 0.5,
                ),
            ),
            (0.97, fc.Mute(by="chair", participant=other, muted=chance.random() < 0.4)),
            (0.98, fc.Gone(participant=other)),
            (0.99, fc.Backchannel(participant=who)),
            (1.01, fc.Tick()),
        ]
        return next(command for limit, command in table if draw < limit)


@dataclass(slots=True)
class Recorded:
    """A history, and what the server held when it was over."""

    calls: list[Call]
    floor: Floor
    entries: list[tuple[str, dict[str, str]]]


async def record(clients: list[Redis], text: str, seed: int) -> Recorded:
    """Have the clients use a new room at once, with quiet moments in between, in which the clock may jump."""
    room, chance = f"history-{secrets.token_hex(4)}", random.Random(seed)
    scripts = [FloorScript(redis, room, SETTINGS, text=text) for redis in clients]
    using = [Client(AGENTS[n], n, script, random.Random(seed * 100 + n)) for n, script in enumerate(scripts)]
    await clients[0].set(CLOCK, "0")
    calls: list[Call] = []

    async def some(client: Client) -> None:
        for _ in range(CALLS_A_ROUND):
            calls.append(await client.call())

    for _ in range(ROUNDS):
        async with asyncio.TaskGroup() as tasks:
            for client in using:
                tasks.create_task(some(client))
        if chance.random() < 0.5:
            await asyncio.sleep(chance.choice((0.005, 0.03, 0.07)))
        if chance.random() < 0.25:
            await clients[0].incrby(CLOCK, chance.choice(STEPS_S) * 1_000_000)
    floor = await scripts[0].read()
    entries = await clients[0].xrange(keys.stream(room))
    await clients[0].delete(*(await clients[0].keys(f"*{{{room}}}*")))
    return Recorded(calls, floor, entries)


def judged(history: Recorded) -> dict[str, str]:
    """Return which checks find fault with a history, and what."""
    faults: dict[str, str] = {}
    check = RecordCheck()
    for entry_id, fields in history.entries:
        check.feed(entry_id, fields)
    if check.broken:
        faults["record"] = check.broken[0]
    search = Search(windows(history.calls))
    explained: list[Order] = []
    for order in search.orders(Floor(settings=SETTINGS)):
        explained.append(order)
        if order.floor == history.floor:
            break
    if not explained:
        faults["linearizability"] = (
            f"undecided after {search.steps} steps" if search.undecided else "no order explains the answers"
        )
    elif explained[-1].floor != history.floor:
        faults["state"] = "no order leads to the state that is kept"
    else:
        decoded = [decode_entry(entry_id, fields) for entry_id, fields in history.entries]
        written = [(each.event, each.token) for each in decoded if each.type != "ROOM_OPENED"]
        if written != list(explained[-1].events):
            faults["events"] = "the events are not those of the changes"
    return faults


async def linearizability(url: str, size: Size, say: Progress) -> Proof:
    """Record histories on the floor script as it is; every one has to be explained."""
    proof = Proof("linearizability")
    clients = [redis_client(url) for _ in range(CLIENTS)]
    calls = concurrent = widest = 0
    text = stepping(source())
    for seed in range(size.histories):
        if seed % 50 == 0:
            say(f"linearizability: {seed} of {size.histories} histories")
        history = await record(clients, text, seed)
        for check, what in judged(history).items():
            proof.expect(False, f"history {seed}: {check}: {what}")
        cut = windows(history.calls)
        calls += len(history.calls)
        widest = max(widest, *map(len, cut))
        concurrent += sum(len(each) for each in cut if len(each) > 1)
    for each in clients:
        await each.aclose()
    proof.expect(concurrent > calls / 2, "the calls were not concurrent")
    proof.figure("histories", size.histories)
    proof.figure("clients", CLIENTS)
    proof.figure("calls", calls)
    proof.figure("calls that ran beside others", concurrent)
    proof.figure("widest window", widest, "calls")
    return proof

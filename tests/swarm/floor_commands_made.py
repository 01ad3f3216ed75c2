"""Commands and moments for the floor's property tests, and the floor script on a clock that the test sets."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from streams import keys
from streams.codec import decode_entry
from swarm import floor_commands as fc
from swarm.floor_script import FloorScript, source
from tests.swarm.floor_values import AGENTS, CLOCK, OBSERVERS, PEOPLE, ROOM, SMALL, TIMERS
from tests.swarm.floor_values import START_US as START_US

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams.events import Event
    from swarm.floor_state import Floor

agents = st.sampled_from(AGENTS)
people = st.sampled_from(PEOPLE)
observers = st.sampled_from(OBSERVERS)
slots = st.integers(0, 7)
reasons = st.sampled_from(["", "addressed"])

asking = st.tuples(
    st.just("request"),
    agents,
    slots,
    st.integers(0, 4),
    st.sampled_from(["", "", *AGENTS]),
    st.sampled_from(["none", "current", "old"]),
    st.sampled_from(["", "", "", "lost"]),
)
cutting_in = st.tuples(
    st.just("request"),
    agents,
    st.just(4),
    st.just(4),
    st.sampled_from(["", AGENTS[0]]),
    st.just("current"),
    st.just(""),
)
coming_back = st.tuples(
    st.just("come_back"), st.integers(0, 5), st.sampled_from(["loser", "loser", AGENTS[0]])
)
holding = st.one_of(
    st.tuples(st.just("confirm"), agents, slots),
    st.tuples(st.just("confirm_holder")),
    st.tuples(st.just("confirm_waiting")),
    st.tuples(
        st.just("renew"), st.sampled_from(["holder", "holder", "holder", "old", *AGENTS]), st.booleans()
    ),
    st.tuples(st.just("talk"), st.integers(1, 4)),
    st.tuples(st.just("take"), st.sampled_from(["holder", "holder", "old", *AGENTS])),
    st.tuples(
        st.just("release"),
        st.sampled_from(["holder", "holder", "holder", "old", *AGENTS]),
        st.booleans(),
        st.sampled_from(["", "", *AGENTS]),
    ),
    st.tuples(st.just("withdraw"), st.sampled_from(["owner", "owner", *AGENTS]), slots),
    st.tuples(st.just("ask_again")),
)
speaking = st.one_of(
    st.tuples(
        st.just("preempt"),
        st.sampled_from([*PEOPLE, "muted"]),
        observers,
        st.sampled_from(["current", "current", "old"]),
    ),
    st.tuples(st.just("speaking"), people, observers, st.booleans()),
    st.tuples(st.just("silent"), people, observers),
    st.tuples(st.just("silent"), people, observers),
)
chairing = st.one_of(
    st.tuples(st.just("revoke"), st.sampled_from(["none", "current", "old"])),
    st.tuples(st.just("close")),
    st.tuples(st.just("open")),
    st.tuples(st.just("open")),
    st.tuples(
        st.just("configure"), st.sampled_from([0, 300]), st.sampled_from([1_500, 60_000]), st.booleans()
    ),
    st.tuples(st.just("tick")),
    st.tuples(st.just("gone"), st.sampled_from(["holder", *AGENTS, *PEOPLE])),
    st.tuples(st.just("heartbeat"), st.sampled_from(["holder", "waiting", *AGENTS])),
)
ordering = st.one_of(
    st.tuples(st.just("deny"), st.sampled_from(["waiting", *AGENTS])),
    st.tuples(st.just("grant_to"), st.sampled_from([*AGENTS, "muted"]), slots, st.booleans()),
    st.tuples(st.just("mute"), st.sampled_from(["holder", "waiting", *AGENTS, *PEOPLE]), st.booleans()),
    st.tuples(st.just("unmute")),
    st.tuples(st.just("backchannel"), st.sampled_from(["holder", *AGENTS])),
)
moves = st.one_of(
    asking, asking, cutting_in, coming_back, holding, holding, holding, speaking, chairing, ordering
)
soon_us = st.integers(0, 5_000)
late_us = st.sampled_from(
    [50_000, 400_000, 999_999, 1_000_000, 1_500_000, 2_000_000, 3_000_000, 4_000_001, 121_000_000]
)
odd_us = st.sampled_from([-10_000_000, -1_000, 250_000])
gaps_us = st.one_of(soon_us, soon_us, soon_us, soon_us, soon_us, soon_us, late_us, odd_us)
start = st.tuples(st.just("configure"), st.sampled_from([0, 0, 300]), st.just(1_500), st.booleans())
taken = st.tuples(moves, gaps_us)
quiet = ("renew", "holder", False)
rare = st.sampled_from(
    [
        [(quiet, 1_500_000), (quiet, 1_500_000)],
        [(("talk", 1), 5_000), (("talk", 2), 1_500_000)],
        [(("backchannel", "bob"), 0), (("backchannel", "cleo"), 0)],
        [(("mute", "bob", True), 0), (("backchannel", "bob"), 0)],
        [(("mute", "paul", True), 0), (("preempt", "muted", "p1", "current"), 0)],
    ]
)
"""What chance alone seldom brings together."""
pieces = st.tuples(st.integers(0, 11), taken, rare).map(lambda made: made[2] if made[0] == 7 else [made[1]])
sequences = st.one_of(st.lists(pieces, max_size=8), st.lists(pieces, min_size=15, max_size=60))
steps = st.tuples(start, sequences).map(lambda made: [(made[0], 0), *chain(*made[1])])
REPEATED = {5: 0, 6: 4, 7: 2}
"""Slots that name a request made before, in another slot."""


class Names:
    """Turns a move into a command: what `holder`, `old` and the request ids are at that moment."""

    def __init__(self) -> None:
        self.ids: dict[int, str] = {}
        self.owners: dict[str, str] = {}
        self.asked = 0

    def request_id(self, slot: int, now_us: int) -> str:
        again = slot > 4
        slot = REPEATED.get(slot, slot)
        if slot not in self.ids or not again:
            self.asked += 1
            age_ms = {1: 130_000, 2: -5_000, 3: -130_000, 4: 0}.get(slot)
            stamp = "" if age_ms is None else f"{now_us // 1000 - age_ms:013d}-"
            self.ids[slot] = f"{stamp}r{self.asked}"
        return self.ids[slot]

    def command(  # noqa: C901 (one case a move)
        self, move: tuple[Any, ...], floor: Any, now_us: int
    ) -> fc.Command:
        hold = floor.hold
        tokens = {"none": 0, "current": floor.token, "old": max(0, floor.token - 1)}

        def holder(who: str) -> tuple[str, int]:
            if who in ("holder", "old"):
                name = hold.participant if hold else AGENTS[0]
                return name, tokens["current" if who == "holder" else "old"]
            return who, floor.token

        def somebody(who: str) -> str:
            if who == "holder":
                return hold.participant if hold else AGENTS[1]
            return next(iter(floor.queue), AGENTS[0]) if who == "waiting" else who

        match move:
            case ("request", who, slot, priority, beneficiary, observed, lost):
                request_id = self.request_id(slot, now_us)
                self.owners.setdefault(request_id, beneficiary or who)
                return fc.Request(
                    participant=who,
                    request_id=request_id,
                    priority=priority,
                    on_behalf_of=beneficiary,
                    reason="wants to",
                    observed_token=tokens[observed],
                    resume_token=max(floor.preempted, default=0) if lost else 0,
                )
            case ("ask_again",):
                ended = [name for name, known in floor.requests.items() if known.state == "released"]
                request_id = min(ended, default="never-asked")
                self.owners.setdefault(request_id, AGENTS[0])
                return fc.Request(participant=self.owners[request_id], request_id=request_id)
            case ("come_back", which, who):
                lost = sorted(floor.preempted)[which % len(floor.preempted)] if floor.preempted else 1
                known = floor.requests.get(floor.preempted.get(lost, ""))
                name = known.participant if known is not None and who == "loser" else AGENTS[0]
                request_id = self.request_id(0, now_us)
                self.owners.setdefault(request_id, name)
                return fc.Request(participant=name, request_id=request_id, resume_token=lost)
            case ("confirm", who, slot):
                return fc.Confirm(
                    participant=who, request_id=self.ids.get(REPEATED.get(slot, slot), "never-asked")
                )
            case ("confirm_holder" | "confirm_waiting" as which,):
                waiting = next(iter(floor.queue.values()), None)
                asked = hold if which == "confirm_holder" else waiting
                if asked is None:
                    return fc.Confirm(participant=AGENTS[0], request_id="never-asked")
                return fc.Confirm(participant=asked.participant, request_id=asked.request_id)
            case ("renew", who, sounding):
                name, token = holder(who)
                return fc.Renew(participant=name, token=token, sounding=sounding)
            case ("talk", turn):
                name, token = holder("holder")
                if hold is not None and not hold.taken_ms:
                    return fc.Take(participant=name, token=token)
                return fc.Renew(participant=name, token=token, sounding=turn > 1)
            case ("take", who):
                name, token = holder(who)
                return fc.Take(participant=name, token=token)
            case ("release", who, tail_done, to):
                name, token = holder(who)
                return fc.Release(participant=name, token=token, tail_done=tail_done, to=to, reason="done")
            case ("withdraw", who, slot):
                slot = REPEATED.get(slot, slot)
                if slot not in self.ids:
                    self.ids[slot] = f"unsent-{slot}"  # withdrawn before it is sent
                request_id = self.ids[slot]
                name = self.owners.get(request_id, AGENTS[0]) if who == "owner" else who
                return fc.Withdraw(participant=name, request_id=request_id)
            case ("revoke", which):
                return fc.Revoke(by="chair", token=tokens[which], reason="order")
            case ("preempt", who, observer, which):
                who = min(floor.muted, default=PEOPLE[0]) if who == "muted" else who
                return fc.Preempt(person=who, observer=observer, observed_token=tokens[which], reason="stop")
            case ("speaking", who, observer, words):
                return fc.PersonSpeaking(person=who, observer=observer, words=words)
            case ("silent", who, observer):
                return fc.PersonSilent(person=who, observer=observer)
            case ("close",):
                return fc.Close(by="chair", reason="break")
            case ("open",):
                return fc.Open(by="chair")
            case ("deny", who):
                return fc.Deny(by="chair", participant=somebody(who), reason="not now")
            case ("grant_to", who, slot, at_once):
                who = min(floor.muted, default=AGENTS[2]) if who == "muted" else who
                request_id = self.request_id(slot, now_us)
                self.owners.setdefault(request_id, who)
                return fc.GrantTo(
                    by="chair", participant=who, request_id=request_id, reason="yours", now=at_once
                )
            case ("mute", who, muted):
                return fc.Mute(by="chair", participant=somebody(who), muted=muted)
            case ("unmute",):
                return fc.Mute(by="chair", participant=min(floor.muted, default="ada"), muted=False)
            case ("gone", who):
                return fc.Gone(participant=somebody(who))
            case ("backchannel", who):
                return fc.Backchannel(participant=somebody(who))
            case ("configure", grace_ms, age_step_ms, timed):
                timers = TIMERS if timed else {name: SMALL.as_dict()[name] for name in TIMERS}
                return fc.Configure(
                    by="chair", settings={"grace_ms": grace_ms, "age_step_ms": age_step_ms, **timers}
                )
            case _:
                return fc.Tick()


def heartbeat(move: tuple[Any, ...], floor: Floor, now_us: int) -> Floor:
    """Return the floor as it is once the roster has heard of somebody, where that is the move."""
    match move:
        case ("heartbeat", who):
            holder = floor.hold.participant if floor.hold else AGENTS[1]
            waiting = next(iter(floor.queue), AGENTS[0])
            name = {"holder": holder, "waiting": waiting}.get(who, who)
            return replace(floor, heard_ms={**floor.heard_ms, name: now_us // 1_000})
        case _:
            return floor


class ClockedFloor:
    """The floor script, its clock replaced by one that the test sets; and what it wrote."""

    def __init__(self, redis: Redis, text: str = "") -> None:
        shown = "redis.call('TIME')"
        text = text or source()
        assert text.count(shown) == 1
        self._redis = redis
        text = text.replace(shown, f"redis.call('HMGET', '{CLOCK}', 's', 'us')")
        self._script = FloorScript(redis, ROOM, SMALL, text=text)
        self._last_id = "-"
        self.read = self._script.read

    async def heard(self, floor: Floor) -> None:
        """Have the roster as it is in `floor`."""
        roster = {who: json.dumps({"seen_ms": seen_ms}) for who, seen_ms in floor.heard_ms.items()}
        if roster:
            await self._redis.hset(keys.roster(ROOM), mapping=roster)

    async def at(self, now_us: int, command: fc.Command) -> tuple[Any, ...]:
        seconds, us = divmod(now_us, 1_000_000)
        await self._redis.hset(CLOCK, mapping={"s": seconds, "us": us})
        return await self._script.run(command, "tester")

    async def new_events(self) -> list[tuple[Event, int | None]]:
        """Return what was written since the last call, ROOM_OPENED left out."""
        entries = await self._redis.xrange(keys.stream(ROOM), min=self._last_id)
        found = []
        for entry_id, entry_fields in entries:
            recorded = decode_entry(entry_id, entry_fields)
            assert recorded.source == "tester"
            assert recorded.room == ROOM
            self._last_id = "(" + recorded.id
            if recorded.type != "ROOM_OPENED":
                found.append((recorded.event, recorded.token))
        return found

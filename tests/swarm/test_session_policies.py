"""Four agents in one room, one person, each rule for who answers: exactly one does, and why is on record."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from adapters.memory_room import InMemoryRoom
from host_agent.ports import Prompt
from streams import events as ev
from streams.vocabulary import ParticipantKind
from swarm.allocation import Policy
from swarm.allocation_settings import AllocationSettings
from swarm.demo.person import Microphone
from swarm.demo.scenario import Happenings
from swarm.errors import NotPermittedError
from swarm.participant import Participant, Priority
from swarm.session import SwarmSession
from tests.host_agent.stagecraft import ScriptModel
from tests.swarm.test_session import HZ, Room, ScriptedRecogniser, agent, speech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from swarm.session import AgentSpec

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

ROLES = {"nora": "host", "otto": "expert", "pia": "guest", "quin": "lawyer"}
CHAIR = Participant("judy", ParticipantKind.PERSON, "chair")


class Panel(Room):
    """Four agents, what they were asked, and who answered which turn why."""

    models: dict[str, ScriptModel]

    async def turn(self) -> Answer:
        """Have the person say something; return who answered when that is over."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.microphone.say(speech()))
            granted = await self.until(ev.FloorGranted)
        await self.until(ev.FloorReleased)
        asked = [event for event in self.events(ev.FloorRequested) if event.request_id == granted.request_id]
        return Answer(granted.participant, asked[0].reason, granted.request_id)

    def model_calls(self) -> int:
        return sum(len(model.requests) for model in self.models.values())


@dataclass(frozen=True, slots=True)
class Answer:
    who: str
    reason: str
    request_id: str


@asynccontextmanager
async def panel(
    redis: Redis,
    *texts: str,
    allocation: AllocationSettings | None,
    second: Sequence[str] = (),
    second_allocation: AllocationSettings | None = None,
    **more: dict[str, Any],
) -> AsyncIterator[Panel]:
    """Open a room with the agents of ROLES; those in `second` are brought by a session of their own."""
    seen, hub, models = Happenings(), InMemoryRoom("r"), {name: ScriptModel(*["Fine."] * 9) for name in ROLES}
    specs = {name: agent(name, models[name], role=role, **more.get(name, {})) for name, role in ROLES.items()}

    def session(names: Sequence[str], wanted: AllocationSettings | None, on_event: Any) -> SwarmSession:
        brought: list[AgentSpec] = [specs[name] for name in names]
        return SwarmSession(
            redis,
            "r",
            agents=brought,
            connect=hub.join,
            recogniser=ScriptedRecogniser(*texts),
            allocation=wanted,
            on_event=on_event,
        )

    first = session([name for name in ROLES if name not in second], allocation, seen.feed)
    async with hub.join("ada") as ada:
        microphone = Microphone(await ada.publish_audio(HZ))
        async with first, asyncio.TaskGroup() as tasks:
            open_mic = tasks.create_task(microphone.run())
            room = Panel(first, hub, microphone, seen)
            room.models = models
            if second:
                async with session(second, second_allocation, None):
                    yield room
            else:
                yield room
            open_mic.cancel()


@pytest.mark.parametrize(
    ("policy", "answers"),
    [
        (Policy.ADDRESSED, [("quin", "addressed"), ("quin", "last_holder")]),
        (Policy.FIFO, [("nora", "first_joined")] * 2),
        (Policy.PRIORITY, [("nora", "role")] * 2),
        (Policy.ROUND_ROBIN, [(name, "next_in_round") for name in ("nora", "otto")]),
        (
            Policy.BIDS,
            [
                ("quin", "bid 10: addressed"),
                ("otto", "bid 6: expert was mentioned"),
            ],
        ),
    ],
)
async def test_each_turn_is_answered_once_by_the_rule_of_the_room(
    real_redis: Redis, policy: Policy, answers: list[tuple[str, str]]
) -> None:
    said = ("Quin, what is the law", "and what would an expert say")
    async with panel(real_redis, *said, allocation=AllocationSettings(policy)) as room:
        got = [await room.turn() for _ in said]
        assert [(each.who, each.reason) for each in got] == [
            (who, f"answer to ada ({why})") for who, why in answers
        ]
        assert all(each.request_id.startswith("turn:") for each in got)
        assert room.model_calls() == len(said)
        assert len(room.events(ev.Utterance)) == len(said)
        if policy is Policy.BIDS:
            bids = room.events(ev.Bid)
            turns = [event.speech_id for event in room.events(ev.SpeechStarted)]
            assert sorted((bid.turn_id, bid.participant) for bid in bids) == sorted(
                (turn, name) for turn in turns for name in ROLES
            )
        (changed,) = [each for each in room.events(ev.SettingsChanged) if "turn_policy" in each.settings]
        assert changed.settings["turn_policy"] == policy


@pytest.mark.parametrize(("policy", "who"), [(Policy.FIFO, "pia"), (Policy.PRIORITY, "quin")])
async def test_agents_that_wait_for_the_floor_come_first(real_redis: Redis, policy: Policy, who: str) -> None:
    async with panel(real_redis, "Nora, hello", allocation=AllocationSettings(policy)) as room:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.microphone.say(speech()))
            await room.until(ev.SpeechStarted)
            agents = room.session.agents
            asked = {
                "pia": await agents["pia"].ask(Prompt("I have waited.")),
                "quin": await agents["quin"].ask(Prompt("It matters."), priority=Priority.HIGH),
            }
            granted = await room.until(ev.FloorGranted)
        assert granted.participant == who
        assert granted.request_id == asked[who], "what it waited for is granted"
        assert granted.reason.startswith("answer to ada (wait")
        (joined,) = room.events(ev.FloorWithdrawn)
        assert (joined.participant, joined.reason) == (who, "joined")


async def test_agents_score_by_themselves_and_one_whose_scorer_fails_does_not_bid(real_redis: Redis) -> None:
    heard: list[Any] = []

    def eager(text: str, before: Any) -> tuple[float, str]:
        heard.append((text, before))
        return 9, f"knows {text}"

    async def thinks(text: str, before: Any) -> tuple[float, str]:
        await asyncio.sleep(0.02)
        return 9.5, "thought about it"

    def fails(text: str, before: Any) -> tuple[float, str]:
        raise LookupError(text)

    async with panel(
        real_redis,
        "hello there",
        "go on",
        allocation=AllocationSettings(Policy.BIDS, bid_window_ms=400),
        nora={"scorer": eager},
        otto={"scorer": thinks},
        pia={"scorer": fails},
        quin={"scorer": lambda text, before: (11, "loud")},
    ) as room:
        answers = [await room.turn() for _ in range(2)]
        assert [(each.who, each.reason) for each in answers] == [
            ("otto", "answer to ada (bid 9.5: thought about it)")
        ] * 2
        assert {bid.participant for bid in room.events(ev.Bid)} == {"nora", "otto"}
        assert {(failed.participant, failed.recovery) for failed in room.events(ev.AgentFailed)} == {
            ("pia", "no bid"),
            ("quin", "no bid"),
        }
        assert heard == [
            ("hello there", ()),
            ("go on", (("ada", "hello there"), ("otto", "Fine."))),
        ]
        assert room.model_calls() == 2


async def test_two_processes_use_the_rule_of_the_first_and_one_agent_answers(real_redis: Redis) -> None:
    said = ("Quin, what is the law", "an expert please", "Nora")
    async with panel(
        real_redis,
        *said,
        allocation=AllocationSettings(Policy.BIDS),
        second=("pia", "quin"),
        second_allocation=AllocationSettings(Policy.ROUND_ROBIN),
    ) as room:
        answers = [await room.turn() for _ in said]
        assert [each.who for each in answers] == ["quin", "otto", "nora"]
        assert len(room.events(ev.Bid)) == len(ROLES) * len(said)
        assert room.model_calls() == len(said)


async def test_rule_changes_while_people_talk_and_only_a_chair_changes_it(real_redis: Redis) -> None:
    async with panel(real_redis, "Quin, hello", allocation=None, second=("quin",)) as room:
        assert (await room.turn()).reason == "answer to ada (addressed)"
        guest = Participant("gus", ParticipantKind.PERSON, "guest")
        with pytest.raises(NotPermittedError):
            await room.session.allocation.change(guest, AllocationSettings(Policy.FIFO))
        await room.session.allocation.change(CHAIR, AllocationSettings(Policy.ROUND_ROBIN))
        assert [(await room.turn()).who for _ in range(2)] == ["nora", "otto"]
        (changed,) = [each for each in room.events(ev.SettingsChanged) if "turn_policy" in each.settings]
        assert (changed.by, changed.settings["turn_policy"]) == ("judy", "round_robin")


async def test_a_process_that_comes_later_knows_whose_turn_it_is(real_redis: Redis) -> None:
    settings = AllocationSettings(Policy.ROUND_ROBIN)
    async with panel(real_redis, "hello", allocation=settings) as room:
        assert [(await room.turn()).who for _ in range(2)] == ["nora", "otto"]
    async with panel(real_redis, "hello", allocation=None) as room:
        assert room.session.allocation.settings == settings
        assert (await room.turn()).who == "pia"


CHAIRED = AllocationSettings(Policy.CHAIR, chair_limit_ms=60_000)


async def test_a_chaired_turn_waits_for_the_chair(real_redis: Redis) -> None:
    async with panel(real_redis, "Quin, hello", allocation=CHAIRED, second=("pia", "quin")) as room:
        allocation = room.session.allocation
        for who in ("pia", "otto"):
            await room.microphone.say(speech())
            await room.until(ev.Transcript, final=True)
            await asyncio.sleep(0.3)
            assert allocation.undecided is not None
            with pytest.raises(NotPermittedError):
                await allocation.give_turn(Participant("gus", ParticipantKind.PERSON), "nora")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(room.until(ev.FloorReleased, participant=who))
                choices = await asyncio.gather(*(allocation.give_turn(CHAIR, each) for each in (who, "nora")))
            assert {choice.identity for choice in choices if choice} == {who}
            assert allocation.undecided is None
        assert room.model_calls() == 2


async def test_a_chair_that_grants_the_floor_by_hand_has_decided(real_redis: Redis) -> None:
    settings = AllocationSettings(Policy.CHAIR, chair_limit_ms=700)
    async with panel(real_redis, "Quin, hello", allocation=settings, second=("pia", "quin")) as room:
        await room.microphone.say(speech())
        await room.until(ev.SpeechEnded)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.until(ev.FloorReleased, participant="pia"))
            await room.session.stick.request(CHAIR, on_behalf_of="pia")
        await asyncio.sleep(1.5)
        assert [each.participant for each in room.events(ev.FloorGranted)] == ["pia"]
        assert room.model_calls() == 1


async def test_where_the_chair_decides_nothing_the_host_answers_once(real_redis: Redis) -> None:
    settings = AllocationSettings(Policy.CHAIR, chair_limit_ms=200)
    async with panel(real_redis, "Quin, hello", allocation=settings, second=("pia", "quin")) as room:
        assert [(each.who, each.reason) for each in [await room.turn(), await room.turn()]] == [
            ("nora", "answer to ada (chair_undecided)")
        ] * 2
        await asyncio.sleep(0.8)
        assert room.model_calls() == 2

"""Several processes of one room ask for an answer to one turn: one agent is asked, whatever goes wrong."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from streams import events as ev
from streams import keys
from streams.conversation_stream import ConversationStream
from streams.errors import StreamUnavailableError
from streams.hub import StreamHub
from streams.outbox import Outbox
from streams.vocabulary import ParticipantKind
from swarm.allocation import Policy
from swarm.allocation_settings import AllocationSettings
from swarm.allocator import TurnAllocator
from swarm.bidders import Bidders
from swarm.bids import Bids
from swarm.errors import InvalidCommandError
from swarm.floor_state import FloorSettings
from swarm.participant import Participant
from swarm.roster import Roster
from swarm.speech_notes import Turn
from swarm.talking_stick import TalkingStick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from redis.asyncio import Redis

    from streams.events import Recorded
    from swarm.allocation_scores import Scorer

ROOM = "r"
AGENTS = ("nora", "otto", "pia")
CHAIR = Participant("judy", ParticipantKind.PERSON, "chair")
TURN = Turn("s1", "ada", "Otto, what now", 1_000, 2_000)


class Process:
    """One process: its allocator and all that feeds it."""

    def __init__(
        self,
        redis: Redis,
        name: str,
        settings: AllocationSettings | None,
        scorers: Mapping[str, Scorer | None],
    ) -> None:
        self.stream = ConversationStream(redis, ROOM)
        self.hub = StreamHub(redis)
        self.outbox = Outbox(self.stream)
        self.roster = Roster(redis, ROOM)
        self.stick = TalkingStick(redis, ROOM, hub=self.hub, settings=FloorSettings(take_up_ms=60))
        self.bids = Bids(redis, ROOM)
        self.seen: list[Recorded] = []
        self.allocator = TurnAllocator(
            self.stream,
            stick=self.stick,
            roster=self.roster,
            bids=self.bids,
            bidders=Bidders(self.bids, scorers, self.outbox),
            process=name,
            settings=settings,
        )

    async def join(self, stack: AsyncExitStack) -> Process:
        await self.stream.measure_clock(rounds=1)
        for part in (self.hub, self.outbox, self.stick):
            await stack.enter_async_context(part)
        await self.hub.watch(ROOM, self.take)
        for agent in AGENTS:
            await self.roster.beat(agent, ParticipantKind.AGENT, "host" if agent == "nora" else "")
        await stack.enter_async_context(self.allocator)
        return self

    def take(self, entry: Recorded) -> None:
        self.seen.append(entry)
        self.roster.feed(entry)
        self.allocator.feed(entry)

    def events(self, kind: type[Any]) -> list[Any]:
        return [entry.event for entry in self.seen if isinstance(entry.event, kind)]

    async def until(self, check: Callable[[], object], limit_s: float = 10.0) -> None:
        async with asyncio.timeout(limit_s):
            while not check():  # noqa: ASYNC110 (what is waited for is anything a test can see)
                await asyncio.sleep(0.005)

    async def ends(self, turn: Turn = TURN) -> None:
        """Have the turn written as a scribe writes it."""
        started = ev.SpeechStarted(participant=turn.person, speech_id=turn.speech_id)
        await self.stream.publish(started, source="scribe", occurred_ms=turn.onset_ms)
        said = ev.Transcript(participant=turn.person, speech_id=turn.speech_id, text=turn.text, final=True)
        await self.stream.publish(said, source="scribe", occurred_ms=turn.ended_ms)


@asynccontextmanager
async def processes(
    redis: Redis,
    settings: AllocationSettings | None,
    count: int = 2,
    scorers: Mapping[str, Scorer | None] | None = None,
) -> AsyncIterator[list[Process]]:
    """Processes of one room; the first runs all its agents."""
    async with AsyncExitStack() as stack:
        every = dict.fromkeys(AGENTS) if scorers is None else scorers
        yield [
            await Process(redis, f"p{n}", settings, every if n == 0 else {}).join(stack) for n in range(count)
        ]


def turns(process: Process) -> list[ev.FloorRequested]:
    return [event for event in process.events(ev.FloorRequested) if event.request_id.startswith("turn:")]


@pytest.mark.parametrize("policy", [each for each in Policy if each is not Policy.CHAIR])
async def test_two_scribes_that_answer_one_turn_at_once_ask_one_agent(
    redis_client: Redis, policy: Policy
) -> None:
    async with processes(redis_client, AllocationSettings(policy)) as (first, second):
        await first.ends()
        await asyncio.gather(*(each.allocator.answer(TURN) for each in (first, second, first, second)))
        await first.until(lambda: first.events(ev.FloorGranted))
        assert len(turns(first)) == 1
        (granted,) = first.events(ev.FloorGranted)
        assert granted.request_id == "turn:s1"
        if policy in (Policy.BIDS, Policy.ADDRESSED):
            assert granted.participant == "otto"


async def test_bids_of_slow_agents_are_not_waited_for_longer_than_the_window(redis_client: Redis) -> None:
    async def slow(text: str, heard: Any) -> tuple[float, str]:
        await asyncio.sleep(5)
        return 10, "in the end"

    scorers: dict[str, Scorer | None] = {"nora": None, "otto": slow, "pia": lambda text, heard: (7, "knows")}
    settings = AllocationSettings(Policy.BIDS, bid_window_ms=80)
    async with processes(redis_client, settings, scorers=scorers) as (first, second):
        await first.ends()
        before_s = time.monotonic()
        await second.allocator.answer(TURN)
        assert 0.05 < time.monotonic() - before_s < 2
        await first.until(lambda: first.events(ev.AgentFailed))
        (asked,) = turns(first)
        assert (asked.on_behalf_of, asked.reason) == ("pia", "answer to ada (bid 7: knows)")
        assert [failed.participant for failed in first.events(ev.AgentFailed)] == ["otto"]


async def test_where_nobody_bids_the_default_rule_answers(redis_client: Redis) -> None:
    settings = AllocationSettings(Policy.BIDS, bid_window_ms=30)
    async with processes(redis_client, settings, scorers={}) as (first, _):
        await first.allocator.answer(TURN)
        await first.until(lambda: turns(first))
        assert (turns(first)[0].on_behalf_of, turns(first)[0].reason) == ("otto", "answer to ada (addressed)")


async def test_nobody_bids_for_a_backchannel_and_nobody_answers_it(redis_client: Redis) -> None:
    async with processes(redis_client, AllocationSettings(Policy.BIDS)) as (first, _):
        yes = ev.Backchannel(speaker="otto", by="ada", utterance_id="u", words="yeah")
        await first.stream.publish(yes, source="otto", occurred_ms=1_500)
        await first.ends()
        await first.until(lambda: first.events(ev.Transcript))
        await first.allocator.answer(TURN)
        await asyncio.sleep(0.05)
        assert not first.events(ev.Bid)
        assert not turns(first)


async def test_muted_agents_are_not_asked_and_do_not_bid(redis_client: Redis) -> None:
    async with processes(redis_client, AllocationSettings(Policy.BIDS, bid_window_ms=50)) as (first, _):
        muted = ev.ParticipantMuted(participant="otto", by="judy", muted=True)
        await first.stream.publish(muted, source="judy")
        await first.ends()
        await first.until(lambda: len(first.events(ev.Bid)) == 2)
        await first.allocator.answer(TURN)
        await first.until(lambda: turns(first))
        assert turns(first)[0].on_behalf_of != "otto"
        assert {bid.participant for bid in first.events(ev.Bid)} == {"nora", "pia"}


async def test_who_was_muted_before_the_record_was_trimmed_is_known_to_later_processes(
    redis_client: Redis,
) -> None:
    async with processes(redis_client, None, 1) as (early,):
        await early.stick.mute(CHAIR, "otto")
        await redis_client.xtrim(keys.stream(ROOM), maxlen=0)
        async with processes(redis_client, None, 1) as (later,):
            await later.allocator.answer(TURN)
            await later.until(lambda: turns(later))
            assert turns(later)[0].on_behalf_of == "nora"


async def test_an_agent_that_does_not_take_the_floor_is_replaced_twice_at_most(redis_client: Redis) -> None:
    async with processes(redis_client, AllocationSettings(Policy.ROUND_ROBIN)) as (first, second):
        await first.allocator.answer(TURN)
        for tries in (1, 2, 3):
            await first.until(lambda tries=tries: len(turns(first)) == tries)
            await asyncio.sleep(0.07)
            await first.stick.tick()
        await second.until(lambda: len(second.events(ev.FloorExpired)) == 3)
        await asyncio.sleep(0.03)
        assert [(event.on_behalf_of, event.request_id) for event in turns(first)] == [
            ("nora", "turn:s1"),
            ("otto", "turn:s1:2"),
            ("pia", "turn:s1:3"),
        ]
        assert turns(first)[1].reason == "answer to ada (next_in_round, nora did not answer)"


async def test_an_old_turn_is_not_answered_any_more_once_the_person_has_said_something_else(
    redis_client: Redis,
) -> None:
    async with processes(redis_client, None) as (first, second):
        newer = Turn("s2", "ada", "Pia, I mean", 3_000, 4_000)
        for process, turn in ((first, TURN), (second, newer)):
            await process.ends(turn)
            await process.allocator.answer(turn)
        await asyncio.sleep(0.07)
        await first.stick.tick()
        await first.until(lambda: first.events(ev.FloorExpired))
        await asyncio.sleep(0.03)
        assert [event.request_id for event in turns(first)] == ["turn:s1", "turn:s2"]


async def test_an_agent_that_is_heard_or_was_cut_off_is_not_replaced(redis_client: Redis) -> None:
    async with processes(redis_client, None) as (first, _):
        otto = Participant("otto")
        for n, turn in enumerate((TURN, Turn("s2", "ada", "Otto", 3_000, 4_000))):
            await first.allocator.answer(turn)
            await first.until(lambda n=n: len(first.events(ev.FloorGranted)) == n + 1)
            token = first.stick.token
            if n == 0:
                await first.stick.take(otto, token)
                await first.stick.release(otto, token)
            else:
                await first.stick.preempt("ada", token)
                await first.stick.person_silent("ada")
        await first.until(lambda: first.events(ev.FloorRevoked))
        await asyncio.sleep(0.03)
        assert len(turns(first)) == 2


async def test_an_undecided_turn_is_answered_once_by_whichever_process_is_left(redis_client: Redis) -> None:
    settings = AllocationSettings(Policy.CHAIR, chair_limit_ms=30)
    async with processes(redis_client, settings, 3) as (first, second, third):
        await first.ends()
        await first.allocator.answer(TURN)
        await first.until(lambda: turns(first))
        await second.until(lambda: second.allocator.undecided is None and third.allocator.undecided is None)
        assert [(event.on_behalf_of, event.reason) for event in turns(first)] == [
            ("nora", "answer to ada (chair_undecided)")
        ]
        later = Turn("s2", "ada", "and now", 5_000, 6_000)
        await first.ends(later)  # its scribe dies before it answers
        await second.until(lambda: any(event.request_id == "turn:s2" for event in turns(second)))
        await asyncio.sleep(0.1)
        assert [event.request_id for event in turns(third)].count("turn:s2") == 1


async def test_of_several_turns_that_wait_for_the_chair_the_newest_is_decided(redis_client: Redis) -> None:
    settings = AllocationSettings(Policy.CHAIR, chair_limit_ms=60_000)
    async with processes(redis_client, settings) as (first, second):
        newer = Turn("s2", "ada", "I mean", 3_000, 4_000)
        for turn in (TURN, newer):
            await first.ends(turn)
        await second.until(lambda: second.allocator.undecided is not None)
        await first.allocator.answer(newer)
        await first.allocator.answer(TURN)
        with pytest.raises(InvalidCommandError):
            await first.allocator.give_turn(CHAIR, "nobody")
        for who in ("pia", "nora"):
            choice = await first.allocator.give_turn(CHAIR, who)
            assert choice is None or choice.identity == "pia"
        await second.until(lambda: second.allocator.undecided is None)
        assert [(event.on_behalf_of, event.request_id) for event in turns(second)] == [("pia", "turn:s2")]
        assert await second.allocator.give_turn(CHAIR, "nora") is None


async def test_a_chair_may_decide_while_the_person_still_speaks(redis_client: Redis) -> None:
    settings = AllocationSettings(Policy.CHAIR, chair_limit_ms=50)
    async with processes(redis_client, settings) as (first, _):
        now_ms = first.stream.server_clock.at_ms(time.monotonic())
        turn = Turn("s1", "ada", "hello", int(now_ms) - 50, int(now_ms))
        await first.stick.person_speaking("ada")
        await first.stick.grant_to(CHAIR, "pia")
        await first.until(lambda: first.events(ev.FloorRequested))
        await first.ends(turn)
        await first.allocator.answer(turn)
        await first.stick.person_silent("ada")
        await asyncio.sleep(0.15)
        assert not turns(first)
        assert next(event.participant for event in first.events(ev.FloorGranted)) == "pia"


async def test_turn_that_redis_was_away_for_is_answered_when_asked_again(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with processes(redis_client, AllocationSettings(Policy.BIDS, bid_window_ms=20)) as (first, _):
        script = first.bids._script  # pyright: ignore[reportPrivateUsage] (the seam to Redis)

        async def away(*_: Any, **__: Any) -> Any:
            raise RedisConnectionError("gone")

        monkeypatch.setattr(first.bids, "_script", away)
        with pytest.raises(StreamUnavailableError):
            await first.allocator.answer(TURN)
        assert not turns(first)
        monkeypatch.setattr(first.bids, "_script", script)
        await first.allocator.answer(TURN)
        await first.until(lambda: turns(first))


async def test_what_happens_while_a_process_reads_the_past_is_not_lost(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swarm import allocator

    async def slowly(*about: Any) -> Any:
        entries = await newest(*about)
        muted = ev.ParticipantMuted(participant="otto", by="judy", muted=True)
        await process.stream.publish(muted, source="judy")
        changed = ev.SettingsChanged(by="judy", settings={"turn_policy": "fifo"})
        await process.stream.publish(changed, source="judy")
        await process.until(lambda: process.events(ev.SettingsChanged))
        return entries

    newest = allocator.newest_entries
    monkeypatch.setattr(allocator, "newest_entries", slowly)
    process = Process(redis_client, "p0", None, {})
    async with AsyncExitStack() as stack:
        await process.join(stack)
        assert process.allocator.settings.turn_policy is Policy.FIFO
        await process.allocator.change(CHAIR, AllocationSettings(Policy.ADDRESSED))
        await process.allocator.answer(TURN)
        await process.until(lambda: turns(process))
        assert turns(process)[0].on_behalf_of == "nora"


async def test_a_rule_that_changes_while_a_process_asks_for_it_counts(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(redis_client, "p0", None, {})
    store = process.allocator._store  # pyright: ignore[reportPrivateUsage] (the seam to Redis)
    adopt = store.adopt

    async def slowly(*about: Any, **more: Any) -> AllocationSettings:
        settings = await adopt(*about, **more)
        await store.change(AllocationSettings(Policy.FIFO), by="judy")
        await process.until(lambda: process.events(ev.SettingsChanged))
        return settings

    monkeypatch.setattr(store, "adopt", slowly)
    async with AsyncExitStack() as stack:
        await process.join(stack)
        assert process.allocator.settings.turn_policy is Policy.FIFO

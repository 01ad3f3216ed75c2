"""Several processes of one room ask for an answer to one turn: one agent is asked, whatever goes wrong."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from streams import events as ev
from streams import keys
from streams.errors import StreamUnavailableError
from swarm.allocation import Policy
from swarm.allocation_settings import AllocationSettings
from swarm.participant import Participant
from swarm.speech_notes import Turn

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from swarm.allocation_scores import Scorer
from tests.swarm.allocation_room import CHAIR, ROOM, TURN, Process, processes, turns


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


def fifo_was_told(process: Process) -> bool:
    told = [event.settings.get("turn_policy") for event in process.events(ev.SettingsChanged)]
    return Policy.FIFO in told


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
        await first.until(lambda: first.events(ev.AgentFailed) and turns(first))
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
        await process.until(lambda: fifo_was_told(process))
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
        await process.until(lambda: fifo_was_told(process))
        return settings

    monkeypatch.setattr(store, "adopt", slowly)
    async with AsyncExitStack() as stack:
        await process.join(stack)
        assert process.allocator.settings.turn_policy is Policy.FIFO

"""The contract of consumer groups: the same suite on every kind of Redis."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from streams import (
    ConsumerSettings,
    ConversationStream,
    Gap,
    InvalidEventError,
    consumer,
    keys,
    read_dead_letters,
)
from streams import events as ev
from tests.streams.consuming import QUICK, Seen, running, say, text_of, until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from streams import Recorded


async def pending(redis: Redis, room: str, group: str = "g") -> int:
    return int((await redis.xpending(keys.stream(room), group))["pending"])


async def given_out(redis: Redis, room: str, *, over: int) -> bool:
    """Whether more than `over` entries wait for an ack within some 15 s."""
    for _ in range(1500):
        if await pending(redis, room) > over:
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("ack_every", [1, 100])
async def test_every_event_is_handled_in_order_and_acknowledged(redis_client: Redis, ack_every: int) -> None:
    texts = [str(n) for n in range(250)]
    await say(redis_client, "lobby", *texts[:200])
    seen = Seen()
    member = ConversationStream(redis_client, "lobby").consumer(
        "g", "one", settings=replace(QUICK, ack_every=ack_every)
    )
    async with running((member, seen)):
        await seen.wait(200)
        await say(redis_client, "lobby", *texts[200:])
        await seen.wait(250)
    assert seen.texts == texts
    assert await pending(redis_client, "lobby") == 0
    assert (member.figures.handled, member.figures.lost, member.figures.forks) == (251, 0, 0)


async def test_a_member_that_comes_back_goes_on_where_the_group_was(redis_client: Redis) -> None:
    stream, first, second = ConversationStream(redis_client, "lobby"), Seen(), Seen()
    await say(redis_client, "lobby", "a", "b")
    async with running((stream.consumer("g", "one", settings=QUICK), first)):
        await first.wait(2)
    await say(redis_client, "lobby", "c")
    async with running((stream.consumer("g", "two", settings=QUICK), second)):
        await second.wait(1)
    assert (first.texts, second.texts) == (["a", "b"], ["c"])


async def test_groups_do_not_share_and_begin_where_they_want_to(redis_client: Redis) -> None:
    stream, all_of_it, from_now = ConversationStream(redis_client, "lobby"), Seen(), Seen()
    await say(redis_client, "lobby", "a")
    members = [
        (stream.consumer("all", "one", settings=QUICK), all_of_it),
        (stream.consumer("now", "one", settings=replace(QUICK, begin="$")), from_now),
    ]
    async with running(*members):
        await all_of_it.wait(1)
        await until(lambda: bool(members[1][0].figures.rooms))
        await say(redis_client, "lobby", "b")
        await all_of_it.wait(2)
        await from_now.wait(1)
    assert from_now.texts == ["b"]


async def test_a_handler_may_be_a_plain_function(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a", "b")
    seen: list[str] = []
    came = asyncio.Event()

    def take(recorded: Recorded) -> bool:
        seen.append(text_of(recorded))
        came.set()
        return True

    async with running((ConversationStream(redis_client, "lobby").consumer("g", settings=QUICK), take)):
        await until(lambda: len(seen) == 3, came)
    assert seen == ["ROOM_OPENED", "a", "b"]


async def test_all_rooms_are_handled_also_those_that_open_later(redis_client: Redis) -> None:
    for room in ("one", "two"):
        await say(redis_client, room, f"{room}-a")
    seen = Seen()
    async with running((consumer(redis_client, "g", "one", settings=QUICK), seen)):
        await seen.wait(2)
        await say(redis_client, "three", "three-a", "three-b")
        await seen.wait(4)
        await say(redis_client, "one", "one-b")
        await seen.wait(5)
    assert seen.of("one") == ["one-a", "one-b"]
    assert seen.of("three") == ["three-a", "three-b"]


async def test_members_share_the_rooms_and_each_room_has_one_at_a_time(redis_client: Redis) -> None:
    rooms = [f"room-{n}" for n in range(20)]
    for room in rooms:
        await say(redis_client, room, "a")
    seen = Seen(), Seen()
    members = [consumer(redis_client, "g", f"m{n}", settings=QUICK) for n in range(2)]
    async with running(*zip(members, seen, strict=True)):
        await until(lambda: len(seen[0].texts) + len(seen[1].texts) >= 20)
        await until(lambda: all(0 < len(member.figures.rooms) < 20 for member in members))
        owned = [set(member.figures.rooms) for member in members]
        assert not owned[0] & owned[1]
        for room in rooms:
            await say(redis_client, room, *"bcd")
        await until(lambda: len(seen[0].texts) + len(seen[1].texts) >= 80)
        for room in rooms:
            both = sorted(seen[0].of(room) + seen[1].of(room))
            assert both == list("abcd")
            assert seen[0].of(room) == sorted(seen[0].of(room))


async def test_the_rooms_of_a_member_that_stops_go_to_the_others(redis_client: Redis) -> None:
    rooms = [f"room-{n}" for n in range(20)]
    for room in rooms:
        await say(redis_client, room, "a")
    first, second = (consumer(redis_client, "g", f"m{n}", settings=QUICK) for n in range(2))
    seen = Seen()
    async with running((second, seen)):
        async with running((first, seen)):
            await until(lambda: bool(first.figures.rooms) and bool(second.figures.rooms))
        await until(lambda: len(second.figures.rooms) == 20)
        for room in rooms:
            await say(redis_client, room, "b")
        await until(lambda: all(seen.of(room) == ["a", "b"] for room in rooms))


async def test_a_handler_that_fails_is_tried_again_before_the_next_event(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a", "b", "c")
    seen = Seen({"b": 2})
    member = ConversationStream(redis_client, "lobby").consumer("g", "one", settings=QUICK)
    async with running((member, seen)):
        await seen.wait(3)
    assert seen.tried == ["ROOM_OPENED", "a", "b", "b", "b", "c"]
    assert (member.figures.failed, member.figures.dead_letters) == (2, 0)
    assert await pending(redis_client, "lobby") == 0


async def test_what_fails_every_time_goes_to_the_dead_letters(redis_client: Redis) -> None:
    _, poison, _ = await say(redis_client, "lobby", "a", "poison", "c")
    seen = Seen({"poison": 99})
    member = ConversationStream(redis_client, "lobby").consumer("g", "one", settings=QUICK)
    async with running((member, seen)):
        await seen.wait(2)
    [letter] = await read_dead_letters(redis_client, "lobby")
    assert (letter.entry_id, letter.group, letter.consumer, letter.reason, letter.tries) == (
        poison,
        "g",
        "one",
        "handler",
        3,
    )
    assert letter.error == "ValueError: cannot take poison"
    [(_, entry)] = await redis_client.xrange(keys.stream("lobby"), min=poison, max=poison)
    assert letter.entry == entry
    assert await pending(redis_client, "lobby") == 0
    assert await read_dead_letters(redis_client, "lobby", group="other") == []
    assert await read_dead_letters(redis_client, "lobby", letter.id) == []


async def test_one_room_that_waits_for_its_handler_keeps_no_other(redis_client: Redis) -> None:
    for room in ("slow", "quick"):
        await say(redis_client, room, f"{room}-a", f"{room}-b")
    go_on = asyncio.Event()
    seen = Seen()

    async def handle(recorded: Recorded) -> None:
        if recorded.room == "slow":
            await go_on.wait()
        await seen(recorded)

    async with running((consumer(redis_client, "g", "one", settings=QUICK), handle)):
        await seen.wait(2)
        await say(redis_client, "quick", "quick-c")
        assert await seen.wait(3) == ["quick-a", "quick-b", "quick-c"]
        go_on.set()
        await seen.wait(5)
    assert seen.of("slow") == ["slow-a", "slow-b"]


async def test_entries_of_the_dead_are_claimed_before_new_ones(redis_client: Redis) -> None:
    texts = [str(n) for n in range(260)]
    await say(redis_client, "lobby", *texts)
    key = keys.stream("lobby")
    await redis_client.xgroup_create(key, "g", "0")
    for nth, count in enumerate((100, 50, 80)):  # more than one page of them, of several consumers
        await redis_client.xreadgroup("g", f"dead-{nth}", {key: ">"}, count=count)
    seen = Seen()
    member = ConversationStream(redis_client, "lobby").consumer("g", "one", settings=QUICK)
    async with running((member, seen)):
        await seen.wait(260)
    assert seen.texts == texts
    assert member.figures.claimed == 230
    assert await pending(redis_client, "lobby") == 0


async def test_an_entry_that_its_consumers_died_of_goes_to_the_dead_letters_alone(
    redis_client: Redis,
) -> None:
    ids = await say(redis_client, "lobby", "a", "deadly", "c")
    seen = Seen()

    async def die(recorded: Recorded) -> None:
        await seen(recorded)
        if text_of(recorded) == "deadly":
            await asyncio.sleep(60)

    stream, settings = ConversationStream(redis_client, "lobby"), replace(QUICK, ack_every=100)
    for nth in range(1 + QUICK.tries):  # as it is read first, and then claimed
        async with asyncio.TaskGroup() as tasks:
            run = tasks.create_task(stream.consumer("g", f"m{nth}", settings=settings).run(die))
            await seen.wait(2 + nth)
            run.cancel()
    survivor = Seen()
    async with running((stream.consumer("g", "last", settings=settings), survivor)):
        assert await survivor.wait(1) == ["c"]
    [letter] = await read_dead_letters(redis_client, "lobby")
    assert (letter.entry_id, letter.reason, letter.tries) == (ids[1], "unanswered", 3)
    assert seen.texts == ["a", *["deadly"] * 4]


async def test_pending_entries_that_were_removed_are_not_waited_for(redis_client: Redis) -> None:
    ids = await say(redis_client, "lobby", "a", "b", "c")
    key = keys.stream("lobby")
    await redis_client.xgroup_create(key, "g", "0")
    await redis_client.xreadgroup("g", "dead", {key: ">"}, count=3)
    await redis_client.xdel(key, ids[1])
    seen = Seen()
    member = ConversationStream(redis_client, "lobby").consumer(
        "g", "one", settings=QUICK, on_missed=seen.missed.append
    )
    async with running((member, seen)):
        await seen.wait(2)
    assert seen.texts == ["a", "c"]
    assert await pending(redis_client, "lobby") == 0
    assert [(gap.after_seq, gap.before_seq) for gap in seen.missed if isinstance(gap, Gap)] == [(2, 4)]


async def test_stopping_lets_the_handler_finish_and_gives_the_rest_to_the_next(redis_client: Redis) -> None:
    await say(redis_client, "lobby", *"abcdef")
    stream, first, second = ConversationStream(redis_client, "lobby"), Seen(), Seen()
    member = stream.consumer("g", "one", settings=replace(QUICK, ack_every=100, ack_linger_ms=60_000))

    async def handle(recorded: Recorded) -> None:
        if text_of(recorded) == "c":
            member.stop()
            await asyncio.sleep(0.02)
        await first(recorded)

    await asyncio.wait_for(member.run(handle), 10)
    assert first.texts == ["a", "b", "c"]
    waiting = await redis_client.xpending(keys.stream("lobby"), "g")
    assert waiting["pending"] == 3
    async with running((stream.consumer("g", "two", settings=QUICK), second)):
        await second.wait(3)
    assert second.texts == ["d", "e", "f"]


@pytest.mark.parametrize("ack_every", [1, 5])
async def test_what_was_read_ahead_goes_to_the_next_member_in_order(
    redis_client: Redis, ack_every: int
) -> None:
    texts = [str(n) for n in range(25)]
    await say(redis_client, "lobby", *texts)
    stream, settings = ConversationStream(redis_client, "lobby"), replace(QUICK, batch=5, ack_every=ack_every)
    first, second = stream.consumer("g", "one", settings=settings), Seen()
    handled: list[str] = []

    async def handle(recorded: Recorded) -> None:
        handled.append(text_of(recorded))
        if handled[-1] == "3":  # the last of the first batch: ROOM_OPENED was in it
            assert await given_out(redis_client, "lobby", over=5)
        if handled[-1] == "6":
            first.stop()

    await first.run(handle)
    assert handled == ["ROOM_OPENED", *texts[:7]]
    other = stream.consumer("g", "two", settings=settings)
    async with running((other, second)):
        await second.wait(18)
    assert second.texts == texts[7:]
    assert (other.figures.lost, other.figures.forks, await pending(redis_client, "lobby")) == (0, 0, 0)


async def test_a_member_with_nothing_pending_leaves_no_trace_in_the_group(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a")
    seen = Seen()
    async with running(
        (ConversationStream(redis_client, "lobby").consumer("g", "one", settings=QUICK), seen)
    ):
        await seen.wait(1)
    assert await redis_client.xinfo_consumers(keys.stream("lobby"), "g") == []


async def test_cancelling_acknowledges_what_was_handled(redis_client: Redis) -> None:
    await say(redis_client, "lobby", *"abc")
    seen = Seen()
    settings = replace(QUICK, ack_every=100, ack_linger_ms=60_000)
    member = ConversationStream(redis_client, "lobby").consumer("g", "one", settings=settings)

    async def handle(recorded: Recorded) -> None:
        await seen(recorded)
        if text_of(recorded) == "b":
            await asyncio.sleep(60)

    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(member.run(handle))
        await seen.wait(2)
        run.cancel()
    assert run.cancelled()
    left = await redis_client.xpending_range(keys.stream("lobby"), "g", min="-", max="+", count=10)
    assert len(left) == 2  # b, whose handler was cut off, and c


async def test_lag_and_pending_are_told(redis_client: Redis) -> None:
    await say(redis_client, "lobby", *"abcd")
    go_on, seen = asyncio.Event(), Seen()

    async def handle(recorded: Recorded) -> None:
        if text_of(recorded) == "b":
            await go_on.wait()
        await seen(recorded)

    member = ConversationStream(redis_client, "lobby").consumer("g", "one", settings=QUICK)
    async with running((member, handle)):
        await until(lambda: member.figures.pending > 0)
        assert (member.figures.pending, member.figures.lag) == (3, 3)
        await say(redis_client, "lobby", "e")
        await until(lambda: member.figures.lag == 4)
        go_on.set()
        await until(lambda: member.figures.lag == 0 and member.figures.pending == 0)


async def test_a_group_that_was_destroyed_is_made_again_where_it_was(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a")
    seen = Seen()
    async with running(
        (ConversationStream(redis_client, "lobby").consumer("g", "one", settings=QUICK), seen)
    ):
        await seen.wait(1)
        await redis_client.xgroup_destroy(keys.stream("lobby"), "g")
        await say(redis_client, "lobby", "b")
        assert await seen.wait(2) == ["a", "b"]


async def test_a_key_that_is_no_stream_keeps_no_other_room(redis_client: Redis) -> None:
    await redis_client.set(keys.stream("broken"), "text")
    await redis_client.sadd(keys.ROOMS, "broken")
    await say(redis_client, "lobby", "a")
    seen = Seen()
    async with running((consumer(redis_client, "g", "one", settings=QUICK), seen)):
        await seen.wait(1)
        await say(redis_client, "lobby", "b")
        assert await seen.wait(2) == ["a", "b"]


async def test_who_is_trimmed_past_is_told_what_it_lost(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a")
    stream, first, second = ConversationStream(redis_client, "lobby"), Seen(), Seen()
    async with running((stream.consumer("g", "one", settings=QUICK), first)):
        await first.wait(1)
    ids = await say(redis_client, "lobby", *"bcdef")
    await redis_client.xtrim(keys.stream("lobby"), minid=ids[3], approximate=False)
    member = stream.consumer("g", "two", settings=QUICK, on_missed=second.missed.append)
    async with running((member, second)):
        assert await second.wait(2) == ["e", "f"]
    [gap] = second.missed
    assert isinstance(gap, Gap)
    assert (gap.room, gap.after_seq, gap.before_seq, gap.missing, gap.exact) == ("lobby", 2, 6, 3, True)
    assert member.figures.lost == 3


async def test_words_that_were_forgotten_are_no_gap(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a")
    stream, first, second = ConversationStream(redis_client, "lobby"), Seen(), Seen()
    async with running((stream.consumer("g", "one", settings=QUICK), first)):
        await first.wait(1)
    ids = await say(redis_client, "lobby", *"bcde")
    await redis_client.xdel(keys.stream("lobby"), ids[1], ids[2])
    await stream.publish(ev.WordsForgotten(participant="ann", seqs=[4, 5]), source="x")
    member = stream.consumer("g", "two", settings=QUICK, on_missed=second.missed.append)
    async with running((member, second)):
        await second.wait(3)
    assert second.texts == ["b", "e", "WORDS_FORGOTTEN"]
    assert second.missed == []


async def test_what_another_member_has_had_is_no_gap(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a")
    stream, seen = ConversationStream(redis_client, "lobby"), Seen()
    async with running((stream.consumer("g", "one", settings=QUICK), seen)):
        await seen.wait(1)
    await say(redis_client, "lobby", *"bcd")
    key = keys.stream("lobby")
    had = await redis_client.xreadgroup("g", "plain client", {key: ">"}, count=2)
    await redis_client.xack(key, "g", *[entry_id for entry_id, _ in had[0][1]])
    member = stream.consumer("g", "two", settings=QUICK, on_missed=seen.missed.append)
    async with running((member, seen)):
        await seen.wait(2)
    assert (seen.texts, seen.missed) == (["a", "d"], [])


async def test_a_consumer_runs_once_at_a_time(redis_client: Redis) -> None:
    seen = Seen()
    await say(redis_client, "lobby", "a")
    member = ConversationStream(redis_client, "lobby").consumer("g", "one", settings=QUICK)
    async with running((member, seen)):
        await seen.wait(1)
        with pytest.raises(RuntimeError):
            await member.run(seen)
    async with running((member, seen)):  # and again afterwards
        await say(redis_client, "lobby", "b")
        await seen.wait(2)


async def test_a_consumer_that_is_told_to_stop_before_it_runs_ends_at_once(redis_client: Redis) -> None:
    await say(redis_client, "lobby", "a")
    seen = Seen()
    member = ConversationStream(redis_client, "lobby").consumer("g", "one", settings=QUICK)
    member.stop()
    await asyncio.wait_for(member.run(seen), 10)
    async with running((member, seen)):  # and runs when it is asked again
        await seen.wait(1)


async def test_who_goes_on_after_redis_lost_everything_is_told(redis_client: Redis) -> None:
    seen = Seen()
    await say(redis_client, "lobby", "a", "b")
    member = consumer(redis_client, "g", "one", settings=QUICK, on_missed=seen.missed.append)
    async with running((member, seen)):
        await seen.wait(2)
        await redis_client.flushall()
        await say(redis_client, "lobby", "c")
        await seen.wait(3)
    assert seen.texts == ["a", "b", "c"]
    [gap] = seen.missed
    assert isinstance(gap, Gap)
    assert (gap.after_seq, gap.exact) == (3, False)


def test_malformed_names_and_numbers_are_refused(redis_client: Redis) -> None:
    for name in ("", "a b", "a{b"):
        with pytest.raises(InvalidEventError):
            consumer(redis_client, name)
    with pytest.raises(TypeError):
        consumer(redis_client, "g", rooms="lobby")
    for wrong in ({"tries": 0}, {"ack_every": 0}, {"batch": 5000}, {"lease_ms": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ConsumerSettings(**wrong)
    with pytest.raises(ValueError, match="'yesterday' is no entry id"):
        ConsumerSettings(begin="yesterday")

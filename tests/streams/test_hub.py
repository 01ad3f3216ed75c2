from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

import pytest

from streams import ConversationStream, StreamHub, events, keys
from streams.connection import redis_client as client_of
from streams.errors import StreamUnavailableError
from streams.events import Recorded
from streams.hub import RoomEvents, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from tests.restartable_redis import RestartableRedis


def said(text: str) -> events.Transcript:
    return events.Transcript(participant="ann", speech_id="s1", text=text, final=True)


class Heard:
    """Collects texts, and lets a test wait for a number of them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.seqs: list[int] = []
        self._came = asyncio.Event()

    def __call__(self, recorded: Recorded) -> None:
        self.seqs.append(recorded.seq)
        if isinstance(recorded.event, events.Transcript):
            self.texts.append(recorded.event.text)
        self._came.set()

    async def wait(self, number: int) -> list[str]:
        async with asyncio.timeout(10):
            while len(self.texts) < number:
                self._came.clear()
                await self._came.wait()
        return self.texts


async def blocked_reads(redis: Redis) -> int:
    info = await redis.info("clients")
    return int(info["blocked_clients"])


async def test_a_watch_gets_every_event_after_it_began(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("before"), source="x")
    heard = Heard()
    async with StreamHub(redis_client) as hub:
        await hub.watch("lobby", heard)
        for number in range(5):
            last = await stream.publish(said(str(number)), source="x")
        assert await heard.wait(5) == ["0", "1", "2", "3", "4"]
        assert hub.last_seen("lobby") == last.id
        assert hub.alive_at_s is not None


async def test_rooms_and_watches_come_and_go_while_the_read_is_blocked(redis_client: Redis) -> None:
    one, two = (ConversationStream(redis_client, room) for room in ("one", "two"))
    in_one, in_two, again = Heard(), Heard(), Heard()
    async with StreamHub(redis_client) as hub:
        await asyncio.sleep(0.02)
        watch = await hub.watch("one", in_one)
        await one.publish(said("a"), source="x")
        await in_one.wait(1)
        await hub.watch("two", in_two)
        await two.publish(said("b"), source="x")
        assert await in_two.wait(1) == ["b"]
        watch.close()
        watch.close()
        await one.publish(said("c"), source="x")
        await hub.watch("one", again, "0")
        assert await again.wait(2) == ["a", "c"]
    assert in_one.texts == ["a"]


async def test_a_later_watch_may_begin_earlier_and_nobody_gets_anything_twice(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    for text in ("a", "b"):
        await stream.publish(said(text), source="x")
    late, early = Heard(), Heard()
    async with StreamHub(redis_client) as hub:
        await hub.watch("lobby", late)
        await stream.publish(said("c"), source="x")
        await late.wait(1)
        await hub.watch("lobby", early, "0")
        assert await early.wait(3) == ["a", "b", "c"]
        await stream.publish(said("d"), source="x")
        await early.wait(4)
        assert await late.wait(2) == ["c", "d"]


async def test_a_room_whose_events_are_seen_gets_listed(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    await stream.publish(said("a"), source="x")
    await redis_client.delete(keys.ROOMS)
    heard = Heard()
    async with StreamHub(redis_client) as hub:
        await hub.watch("lobby", heard)
        for count in (1, 2):  # the list is written after an event was handed over, before the next one is
            await stream.publish(said("b"), source="x")
            await heard.wait(count)
        assert await redis_client.smembers(keys.ROOMS) == {"lobby"}


async def test_a_callback_that_fails_is_logged_and_stops_nobody(
    redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(recorded: Recorded) -> None:
        raise RuntimeError("mine")

    stream = ConversationStream(redis_client, "lobby")
    heard = Heard()
    async with StreamHub(redis_client) as hub:
        await hub.watch("lobby", fail)
        await hub.watch("lobby", heard)
        await stream.publish(said("a"), source="x")
        await heard.wait(1)
    assert "streams.watcher_failed" in caplog.messages


async def test_a_broken_entry_is_logged_and_passed_over(
    redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    stream = ConversationStream(redis_client, "lobby")
    heard = Heard()
    async with StreamHub(redis_client) as hub:
        await hub.watch("lobby", heard)
        await redis_client.xadd(keys.stream("lobby"), {"kind": "SYSTEM_SIGNAL"})
        await stream.publish(said("a"), source="x")
        assert await heard.wait(1) == ["a"]
    assert "streams.invalid_entry" in caplog.messages


async def test_a_slow_consumer_with_a_full_queue_loses_nothing(redis_client: Redis) -> None:
    stream = ConversationStream(redis_client, "lobby")
    async with StreamHub(redis_client) as hub, hub.events("lobby", capacity=4) as entries:
        for number in range(30):
            await stream.publish(said(str(number)), source="x")
        got: list[str] = []
        async with asyncio.timeout(10):
            async for entry in entries:
                if isinstance(entry.event, events.Transcript):
                    got.append(entry.event.text)
                if len(got) == 30:
                    break
    assert got == [str(number) for number in range(30)]


class _HubThatHandsOverAtOnce:
    """Hands over what follows before `watch` has returned, as a hub may whose reader is fast."""

    def __init__(self, texts: list[str]) -> None:
        self._left = texts

    async def watch(self, room: str, callback: Callable[[Recorded], None], from_id: str) -> Watch:
        watch = Watch(cast("StreamHub", self), room, callback, from_id)
        for number, text in enumerate(self._left, 1):
            recorded = Recorded.model_construct(id=f"{number}-0", event=said(text))
            watch.hand_over(recorded, (number, 0))
        return watch

    def forget(self, watch: Watch) -> None:
        pass


async def test_what_comes_while_a_watch_begins_is_not_lost() -> None:
    texts = [str(number) for number in range(10)]
    got: list[str] = []
    hub = cast("StreamHub", _HubThatHandsOverAtOnce(texts))
    async with asyncio.timeout(5), RoomEvents(hub, "lobby", "0-0", capacity=4) as entries:
        async for recorded in entries:
            got.append(cast("events.Transcript", recorded.event).text)
            if len(got) == len(texts):
                break
    assert got == texts


async def test_one_connection_is_blocked_whatever_the_number_of_rooms(real_redis: Redis) -> None:
    heard = Heard()
    async with StreamHub(real_redis) as hub:
        for number in range(40):
            await hub.watch(f"room{number}", heard)
        for number in (0, 39):
            await ConversationStream(real_redis, f"room{number}").publish(said(str(number)), source="x")
        assert sorted(await heard.wait(2)) == ["0", "39"]
        await asyncio.sleep(0.05)
        assert await blocked_reads(real_redis) == 1


async def test_ending_the_hub_ends_its_read(real_redis: Redis) -> None:
    async with StreamHub(real_redis) as hub:
        await hub.watch("lobby", Heard())
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.02)
    assert await blocked_reads(real_redis) == 0


async def test_the_bodys_own_error_comes_out_as_it_is(redis_client: Redis) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with StreamHub(redis_client):
            raise KeyError("mine")


async def test_watching_needs_an_answer(server: RestartableRedis) -> None:
    client = client_of(server.url)
    server.kill()
    with pytest.raises(StreamUnavailableError):
        await StreamHub(client).watch("lobby", Heard())
    await client.aclose()


@pytest.mark.real
@pytest.mark.parametrize("empty", [False, True], ids=["data kept", "data lost"])
async def test_hub_and_subscription_survive_a_restart(
    server: RestartableRedis, empty: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="streams")
    client = client_of(server.url)
    stream = ConversationStream(client, "lobby")
    by_hub, by_subscription = Heard(), Heard()

    async def follow() -> None:
        async with stream.subscribe("0") as entries:
            async for entry in entries:
                by_subscription(entry)

    async with StreamHub(client) as hub, asyncio.TaskGroup() as group:
        following = group.create_task(follow())
        await hub.watch("lobby", by_hub)
        before = await stream.publish(said("before"), source="x")
        await by_hub.wait(1)
        await by_subscription.wait(1)
        server.kill()
        await asyncio.sleep(0.05)
        with pytest.raises(StreamUnavailableError):
            await stream.publish(said("lost"), source="x")
        server.start(empty=empty)
        after = await stream.publish(said("after"), source="x")
        assert await by_hub.wait(2) == ["before", "after"]
        assert await by_subscription.wait(2) == ["before", "after"]
        following.cancel()
    assert (after.session == before.session) is not empty
    assert after.seq == (2 if empty else before.seq + 1)
    assert await client.smembers(keys.ROOMS) == {"lobby"}
    await client.aclose()
